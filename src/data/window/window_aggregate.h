#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/operator/late_rows.h"
#include "data/operator/operator.h"
#include "data/operator/pending_folds.h"
#include "data/window/aggregate_calls.h"
#include "data/window/key_words.h"
#include "data/window/local_groups.h"
#include "data/window/row_trigger.h"
#include "plan/relational.h"

namespace headrace::data::window {

/// Aggregates by key and window of time: what all kinds of windows have in common. A window comes when the watermark (or the clock) has
/// passed its end, in pieces, so that many groups do not hold the task up; the watermark follows behind the last piece. Changed groups
/// of windows come again: within the lateness when late rows have come, early by the trigger.
/// Shape:  in typed batches with event times; out key columns, window_start, window_end, one column a call, event time = end - 1 ms.
/// Errors: kExpressionFailed of an argument; kBadRecord for rows without an event time. Late rows are counted, and go to the side output
/// of their tag if there is one.
/// Thread: owning task's.
class WindowAggregate : public op::Operator {
 public:
  /// The operator for the kind of window that `spec` names.
  static Result<std::unique_ptr<op::Operator>> Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                    const std::shared_ptr<arrow::Schema>& output, op::FoldBook* folds = nullptr);
  ~WindowAggregate() override;
  Status Open(const op::OperatorContext& context) final;
  bool accepting() const final { return !firing_; }
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) final;
  Status OnWatermark(const columnar::Watermark& watermark, op::Collector* out) final;
  Status Poll(op::Collector* out) final;
  bool busy() const final { return firing_; }
  MonotonicTime next_poll() const final;
  Status Finish(op::Collector* out) final;

 protected:
  static constexpr std::int64_t kPieceRows = 4096;

  struct Parts {
    AggregateCalls calls;
    KeyWords keys;
    std::shared_ptr<arrow::Schema> output;  ///< with the event time behind its columns
    std::string late_tag;
    plan::Trigger trigger;
    std::unique_ptr<RowTrigger> by_row;  ///< null: no trigger by rows
    bool processing_time = false;
    PartialLayout partial{};  ///< of groups that were added up elsewhere
  };
  explicit WindowAggregate(Parts parts);

  /// Takes rows in; gives the number of those that no window takes, and marks them in `late` unless it is null.
  virtual Result<std::int64_t> AddRows(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                                       std::span<const op::AggregateInput> inputs, std::int64_t rows, std::uint8_t* late) = 0;
  /// Takes groups that were added up elsewhere, by the functions' words; else as AddRows(). Only of windows that LocalAggregate knows.
  virtual Result<std::int64_t> AddGroups(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                                         std::span<const std::uint64_t* const> states, std::uint8_t* late) {
    return Status::Invalid("windows that take no partial groups");
  }
  /// Which windows give groups.
  enum class Occasion {
    kComplete,  ///< those that end at or before watermark + 1
    kLate,      ///< those given before that late rows have changed
    kEarly,     ///< those not complete that have changed
    kDue,       ///< those not complete whose groups the trigger by rows has fired for
  };
  /// Emits at most about kPieceRows rows of such windows. True when there may be more.
  virtual Result<bool> EmitPiece(Occasion occasion, std::int64_t watermark_ms, op::Collector* out) = 0;
  /// Whether EmitPiece() of another occasion than kComplete may have something.
  virtual bool has_changes(Occasion occasion) const = 0;
  /// No window is complete before; INT64_MAX when there is none.
  virtual std::int64_t next_end_ms() const = 0;
  virtual std::int64_t allocated_bytes() const = 0;
  virtual const Functions& functions() const = 0;
  /// Where MarkKeys() goes on.
  struct MarkPlace {
    std::int64_t slice_ms = std::numeric_limits<std::int64_t>::min(), row = 0;
    std::uint64_t table = 0;
  };
  /// Marks the keys of `most` groups that are held, from the place on; true when all are marked. Rows may come between two calls.
  virtual bool MarkKeys(KeyWords* keys, MarkPlace* place, std::int64_t most) const = 0;

  /// Emits rows by pointers to their key words and values. The bounds: one of each for all rows, or one a row.
  Status EmitRows(std::span<const std::uint64_t* const> keys, std::span<const std::uint64_t* const> values,
                  std::span<const std::int64_t> starts_ms, std::span<const std::int64_t> ends_ms, op::Collector* out);

 private:
  /// Event times of a batch, or the clock's time for all of its rows.
  Result<const std::int64_t*> TimesOf(const columnar::DataBatch& batch);
  Status AddOneByOne(std::span<const std::uint64_t* const> keys, const std::int64_t* times, std::span<const op::AggregateInput> inputs,
                     std::int64_t rows, std::uint8_t* late, std::int64_t* dropped, op::Collector* out);
  Status AddPartialGroups(std::span<const std::uint64_t* const> keys, const std::int64_t* times, const arrow::ArrayData& groups,
                          op::Collector* out);
  Status AfterRows(op::Collector* out);
  Status CountLate(const columnar::DataBatch& batch, std::int64_t late, op::Collector* out);
  Status StartFiring(op::Collector* out);
  Status FirePiece(op::Collector* out);
  void SweepPiece();
  void AccountBytes();

  AggregateCalls calls_;
  KeyWords keys_;
  const std::shared_ptr<arrow::Schema> output_;
  const std::string late_tag_;
  const plan::Trigger trigger_;
  const std::unique_ptr<RowTrigger> by_row_;
  const bool processing_time_;
  const PartialLayout partial_;
  const Clock* clock_ = nullptr;
  op::LateRows late_;
  std::vector<std::uint8_t> late_rows_;    // a byte a row of the batch in hand, when late_tag_ asks for them
  std::vector<std::int64_t> clock_times_;  // of the batch in hand
  bool firing_ = false, fires_early_ = false;
  std::int64_t watermark_ms_;  // or the clock's time - 1
  MonotonicTime early_at_ = MonotonicTime::max();
  std::uint32_t batches_ = 0;
  enum class Sweeping { kNone, kMarking, kSweeping };
  Sweeping sweeping_ = Sweeping::kNone;  // of texts that no key has any more
  MarkPlace marked_to_;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0;
};

}  // namespace headrace::data::window
