#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "data/operator/operator.h"
#include "data/python/trip_mailbox.h"
#include "data/python/trip_size.h"
#include "data/python/worker_pool.h"
#include "data/state/state_table.h"

namespace headrace::data::python {

/// Folds the rows of each key with a Python function and emits the running result of every row.
/// Shape:   in {value, __key}; out {value, __key}, one row an input row, in the order of the input.
/// State:   one value-encoded accumulator a key. It travels with the batch: a key is in at most one outstanding trip, and a
///          batch that shares a key with one waits (and with it all later ones, so that rows keep their order). Batches that
///          wait are joined into one trip, or cut for several when the function is slow (TripSize).
/// Errors:  those of PythonStage; kInternal when a row's key group is not this subtask's.
/// Thread:  owning task's.
class KeyedReduce final : public op::Operator {
 public:
  static constexpr std::int64_t kTripRows = 8192;
  /// `pool` outlives the operator. While a trip is outstanding, rows gather until `trip_rows` for the next.
  KeyedReduce(WorkerPool* pool, StageSpec spec, std::uint32_t slot, std::int64_t trip_rows = kTripRows)
      : pool_(pool), spec_(std::move(spec)), slot_(slot), trip_rows_(trip_rows), trip_size_(trip_rows) {}
  Status Open(const op::OperatorContext& context) override;
  bool accepting() const override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status Poll(op::Collector* out) override;
  bool busy() const override { return !trips_.empty() || !waiting_.empty() || static_cast<bool>(head_); }

 private:
  struct Trip {
    columnar::DataBatch batch;
    std::vector<state::EntryId> entries;
  };
  Status StartTrips();
  /// Joins what waits into `head_`, up to the size of a trip.
  Status JoinWaiting();
  bool SharesKey(const std::vector<state::EntryId>& entries);
  Status Send();
  Status Take(StageResult result, op::Collector* out);

  WorkerPool* pool_;
  StageSpec spec_;
  std::uint32_t slot_;
  std::int64_t trip_rows_;
  TripSize trip_size_;
  std::shared_ptr<TripMailbox> mailbox_;
  std::unique_ptr<Stage> stage_;
  std::unique_ptr<state::StateTable> table_;
  std::shared_ptr<Counter> user_nanoseconds_;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t counted_bytes_ = 0;
  std::deque<columnar::DataBatch> waiting_;
  std::int64_t waiting_rows_ = 0;
  columnar::DataBatch head_;       // the next trip's rows, grouped; empty when none is prepared
  state::KeyGrouping grouping_;    // of head_
  std::deque<Trip> trips_;         // outstanding, oldest first
  std::vector<bool> outstanding_;  // by entry: its key is in an outstanding trip
};

}  // namespace headrace::data::python
