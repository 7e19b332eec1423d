#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "base/waker.h"
#include "columnar/data_batch.h"
#include "data/connector/read_queue.h"
#include "plan/job_graph.h"
#include "plan/split.h"

namespace headrace::data::connector {

/// What a connector instance gets from its task. Outlives it.
struct ConnectorContext {
  std::string job_id, job_name, operator_name, operator_uid;
  std::uint32_t subtask = 0, parallelism = 1;
  Waker* waker = nullptr;              ///< wakes the task that owns the instance
  MetricsRegistry* metrics = nullptr;  ///< may be null in tests
  MetricLabels labels;                 ///< job_id job_name operator tm
  /// Samples a record that was skipped (rate-limited by the receiver), any thread. May be empty.
  std::function<void(std::string where, std::string why, std::string sample)> on_bad_record;
  /// Shows or clears (empty text) why the instance waits, e.g. "broker kafka:9092 does not answer"; any thread. May be empty.
  std::function<void(std::string reason)> on_waiting;
  /// Where collection sinks of an embedded run deliver encoded rows; may be empty.
  std::function<void(const std::string& uid, const columnar::DataBatch& batch)> on_collected;
};

/// What a poll says of the splits, numbered in the order of AddSplits().
struct SplitNews {
  std::vector<SplitRun> runs;        ///< all rows of the batch, in order
  std::vector<std::uint32_t> ended;  ///< nothing of them follows
};

/// What Poll() found.
struct SourcePoll {
  enum class Kind { kBatch, kNothingYet, kEnd } kind = Kind::kNothingYet;
  columnar::DataBatch batch;
  SplitNews splits{};  ///< by readers that tell their splits; they may have ended without a batch
};

/// Reads the splits of one source subtask. Owned by its task; all calls on the task's thread and never blocking: blocking
/// work sits on side threads that fill a bounded queue and wake the task. A full queue stops the reading (backpressure).
class SourceReader {
 public:
  virtual ~SourceReader() = default;  ///< joins the side threads
  virtual Status Open(const ConnectorContext& context) = 0;
  virtual Status AddSplits(const std::vector<plan::SourceSplit>& splits) = 0;
  /// No AddSplits follows: the reader ends when its splits end (bounded sources).
  virtual void NoMoreSplits() = 0;
  virtual Result<SourcePoll> Poll() = 0;
  /// True: Poll() says which rows are of which split, so that watermarks are kept for each of them.
  virtual bool tells_splits() const { return false; }
  /// True: SetPaused() is followed.
  virtual bool pauses_splits() const { return false; }
  /// Splits, by number, that are read no further until the next call says so; splits behind the end of `paused` are read. What was read of
  /// them already may still come, and they keep their place. What is held for them is bounded.
  virtual void SetPaused(const std::vector<bool>& paused) {}
  /// The splits with their positions behind the last batch that Poll() returned.
  virtual std::vector<plan::SourceSplit> Positions() const = 0;
  /// Non-blocking; side threads stop soon.
  virtual void RequestStop() = 0;
};

Result<std::unique_ptr<SourceReader>> MakeSourceReader(const plan::ConnectorSpec& spec);

}  // namespace headrace::data::connector
