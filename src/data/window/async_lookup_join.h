#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "data/connector/source.h"
#include "data/connector/table_client.h"
#include "data/operator/mailbox.h"
#include "data/operator/operator.h"
#include "data/window/lookup_cache.h"
#include "plan/job_graph.h"

namespace headrace::data::window {

/// Joins rows with an outside table that is asked for the keys of each batch, all at once, those aside that the cache knows or that an
/// earlier batch asked for. Several batches wait for answers at a time; they leave in the order they came, so no watermark passes a row.
/// Shape:  in rows; out, in their order, the row's columns and those of each row of the table with equal keys. Rows without one go, or come
///         with nulls. A null key equals nothing.
/// Errors: a question that the table's system cannot answer now is asked again, with growing pauses, until the timeout: kConnectorIo then,
///         with the last reason. What it refuses fails at once.
/// Thread: owning task's; answers come from side threads of the client.
class AsyncLookupJoin final : public op::Operator {
 public:
  struct Options {
    bool keep_unmatched = false;
    std::size_t max_in_flight = 4;  ///< batches
    Duration timeout{}, first_pause{}, last_pause{};
    LookupCache::Limits cache;
  };
  static Result<std::unique_ptr<op::Operator>> Make(const plan::LookupSpec& spec, std::unique_ptr<connector::TableClient> client,
                                                    const arrow::Schema& input, std::function<void(std::string)> on_waiting);
  /// The table's columns that come with the rows.
  static arrow::FieldVector FoundFields(const plan::LookupSpec& spec);

  AsyncLookupJoin(Options options, std::unique_ptr<connector::TableClient> client, std::vector<int> keys, arrow::FieldVector fields,
                  LookupCache cache, std::function<void(std::string)> on_waiting);
  ~AsyncLookupJoin() override;
  Status Open(const op::OperatorContext& context) override;
  bool accepting() const override { return batches_.size() < options_.max_in_flight; }
  bool busy() const override { return !batches_.empty(); }
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status Poll(op::Collector* out) override;
  MonotonicTime next_poll() const override;

 private:
  struct Batch {
    columnar::DataBatch rows;
    std::vector<LookupCache::Entry*> entries;  // of each row, pinned; null: its key is null
    int unanswered = 0;                        // questions
  };
  struct Question {
    std::shared_ptr<arrow::RecordBatch> keys;
    std::vector<LookupCache::Entry*> entries;  // pinned by the batch
    std::uint64_t batch = 0;
    int tries = 0;
    MonotonicTime deadline{}, again_at = MonotonicTime::max();
    Duration pause{};
  };
  struct Letter {
    std::uint64_t question;
    Result<connector::TableClient::Found> found;
  };

  Status AskFor(const arrow::RecordBatch& records, const std::vector<std::uint32_t>& rows, std::vector<LookupCache::Entry*> entries,
                Batch* batch);
  void Send(std::uint64_t number, Question* question);
  Status TakeAnswer(Letter letter);
  Status AskAgain(MonotonicTime now);
  Status TimedOut(const Question& question, const Status& why) const;
  Status EmitReady(op::Collector* out);
  Status EmitBatch(const Batch& batch, op::Collector* out);
  Status EmitPiece(const arrow::RecordBatch& records, op::Collector* out);
  void ShowWaiting(std::string why);
  void AccountBytes();

  const Options options_;
  const std::unique_ptr<connector::TableClient> client_;
  const std::vector<int> keys_;  // columns of the input
  const arrow::FieldVector fields_;
  const std::function<void(std::string)> on_waiting_;
  LookupCache cache_;
  const Clock* clock_ = nullptr;
  std::shared_ptr<op::Mailbox<Letter>> mailbox_;
  std::deque<Batch> batches_;  // in the order they came; the first has the number first_batch_
  std::uint64_t first_batch_ = 0, next_question_ = 0;
  std::map<std::uint64_t, Question> questions_;
  std::shared_ptr<Counter> asked_, hits_, misses_;
  bool shows_waiting_ = false;
  Status last_trouble_;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0;
  std::string key_;  // of the row in hand
  std::vector<std::uint32_t> probes_, matches_;
};

}  // namespace headrace::data::window
