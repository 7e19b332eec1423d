#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/status.h"
#include "base/waker.h"
#include "columnar/key_group.h"
#include "columnar/stream_element.h"
#include "plan/job_graph.h"

namespace headrace::data::time {
class EventTimeProgress;
class WatermarkAlignment;
}  // namespace headrace::data::time

namespace headrace::data::op {

/// Takes what an operator emits: the next operator of the chain, or the task's output. Called on the task's thread.
class Collector {
 public:
  virtual ~Collector() = default;
  virtual Status Emit(columnar::DataBatch batch) = 0;
  /// Rows for a side output; dropped when nothing reads it.
  virtual Status EmitSide(std::string_view tag, columnar::DataBatch batch) { return Status::NotImplemented("no side output ", tag); }
  /// For operators that make watermarks of their own (passes_watermarks() false); never less than the one before.
  virtual Status EmitWatermark(columnar::Watermark watermark) { return Status::NotImplemented("no watermarks"); }
  virtual Status EmitStatus(columnar::WatermarkStatus status) { return Status::NotImplemented("no watermarks"); }
};

/// What an operator gets from its task. Outlives it.
struct OperatorContext {
  JobId job;
  std::string job_name;
  std::uint32_t subtask = 0, parallelism = 1, max_parallelism = 128;
  columnar::KeyGroupRange key_groups{0, 128};
  Waker* waker = nullptr;
  const Clock* clock = nullptr;  ///< null in tests of operators that have no use for it
  MetricsRegistry* metrics = nullptr;
  MetricLabels labels;
  std::atomic<std::int64_t>* state_bytes = nullptr;    ///< of the task: stateful operators add what they hold, and take it away again
  std::atomic<std::uint64_t>* late_records = nullptr;  ///< of the task: rows that came too late
  time::WatermarkAlignment* alignment = nullptr;       ///< of the job's sources, or null
  time::EventTimeProgress* event_time = nullptr;  ///< of the task, or null: whoever keeps watermarks by split says which one holds back
  const std::uint64_t* turn =
      nullptr;           ///< counts the task's turns on its thread: all others that were ready have one between two; null in tests
  std::string vertex{};  ///< the same for all subtasks of a vertex of one deployment, and for no others; empty in tests
};

/// One step of a chain, on whole batches. Owned by its chain, used on the task's thread only. An operator with work on the
/// side (Python, async lookups) is *busy* while results are outstanding: no control element passes a busy operator, so rows
/// and control elements keep their order.
class Operator {
 public:
  virtual ~Operator() = default;
  virtual Status Open(const OperatorContext& context) = 0;
  /// False: hold batches back; the waker is woken when it turns true.
  virtual bool accepting() const { return true; }
  /// Takes a batch of logical input `input`; emits any number of batches, now or from Poll().
  virtual Status Process(std::uint32_t input, columnar::DataBatch batch, Collector* out) = 0;
  /// Emits finished side work in order. Called on every step of the task.
  virtual Status Poll(Collector* out) { return Status::OK(); }
  virtual bool busy() const { return false; }
  /// All inputs have ended and the operator is not busy: emits what is left. May become busy again; called once.
  virtual Status Finish(Collector* out) { return Status::OK(); }
  /// Rows must be emitted before any barrier, watermark or end passes; default: nothing is held back.
  virtual Status Flush(Collector* out) { return Status::OK(); }
  /// A watermark is about to pass, behind the rows that came before it: emits what it completes, now or from Poll(), busy until
  /// then. Called once for each.
  virtual Status OnWatermark(const columnar::Watermark& watermark, Collector* out) { return Status::OK(); }
  /// False: the input's watermarks and idleness end here, the operator emits its own.
  virtual bool passes_watermarks() const { return true; }
  virtual Status OnWatermarkStatus(const columnar::WatermarkStatus& status, Collector* out) { return Status::OK(); }
  /// Poll() is due then at the latest, rows or not: timers by the clock.
  virtual MonotonicTime next_poll() const { return MonotonicTime::max(); }
  /// A barrier is about to pass: what the operator wrote outside must become durable. It may become busy; the barrier waits.
  virtual Status OnBarrier(const columnar::Barrier& barrier) { return Status::OK(); }
  /// Non-blocking; the destructor may wait for side threads.
  virtual void RequestStop() {}
};

}  // namespace headrace::data::op
