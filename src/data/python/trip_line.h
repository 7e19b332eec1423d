#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "data/operator/operator.h"
#include "data/python/trip_mailbox.h"
#include "data/python/worker_pool.h"

namespace headrace::data::python {

/// An operator's end of a stage with a kind: its trips go out and come back here in order. Owned by the operator, used on the
/// task's thread only; the mailbox inside is shared with the callbacks.
class TripLine {
 public:
  Status Open(WorkerPool* pool, const StageSpec& spec, std::uint32_t slot, const op::OperatorContext& context);
  bool accepting() const { return stage_ != nullptr && stage_->accepting(); }
  Status Send(const TripBody& body);
  /// The oldest answer that is there; the function's failure, when it failed.
  Result<std::optional<TripAnswer>> Take();
  /// Why nothing can run any more.
  Status status() const { return stage_->status(); }
  int outstanding() const { return outstanding_; }

 private:
  std::unique_ptr<Stage> stage_;
  std::shared_ptr<BasicTripMailbox<TripAnswer>> mailbox_;
  std::shared_ptr<Counter> user_nanoseconds_;
  int outstanding_ = 0;
};

/// Batches that wait for a trip, in order. Task's thread.
class BatchQueue {
 public:
  static constexpr std::int64_t kMostBytes = 32 << 20;
  void Push(columnar::DataBatch batch);
  std::int64_t rows() const { return rows_; }
  std::int64_t bytes() const { return bytes_; }
  bool empty() const { return batches_.empty(); }
  /// The next rows, at most `most` of one schema and, unless one row has more, about kMostBytes, joined from several batches or cut from
  /// one. There are some.
  Result<columnar::DataBatch> Take(std::int64_t most);
  /// The same, not joined.
  std::vector<columnar::DataBatch> TakeParts(std::int64_t most);
  /// Puts rows back to the front, which Take() gave and which made no trip.
  void PutBack(columnar::DataBatch batch);

 private:
  std::deque<columnar::DataBatch> batches_;
  std::int64_t rows_ = 0, bytes_ = 0;
};

/// A malformed answer as the failure of its function's operator: the worker is not trusted, and its answers are read here.
Status BadAnswer(const StageSpec& spec, const Status& why);

}  // namespace headrace::data::python
