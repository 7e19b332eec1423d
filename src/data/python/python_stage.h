#pragma once
#include <cstdint>
#include <deque>
#include <memory>

#include "data/operator/operator.h"
#include "data/python/trip_mailbox.h"
#include "data/python/trip_size.h"
#include "data/python/worker_pool.h"

namespace headrace::data::python {

/// Runs consecutive stateless Python verbs (map, filter, flat_map, key_by) of a chain in one trip to a worker.
/// Shape:   in {value}; out {value}, and {value, __key} when the last verb is key_by; out rows of one in row stay together and in order.
/// Errors:  kPythonRaised, kPythonCrashed, kPythonHung, kPythonStart; see FunctionError.
/// Thread:  owning task's; several trips may be outstanding, results come out in the order of the batches. A batch of slow rows
///          makes several trips (TripSize).
class PythonStage final : public op::Operator {
 public:
  static constexpr std::int64_t kTripRows = 8192;
  /// `pool` outlives the operator; `slot` picks the worker.
  PythonStage(WorkerPool* pool, StageSpec spec, std::uint32_t slot)
      : pool_(pool), spec_(std::move(spec)), slot_(slot), trip_size_(TripSize::AtLeast(spec_.most_in_flight(), kTripRows)) {}
  Status Open(const op::OperatorContext& context) override;
  bool accepting() const override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status Poll(op::Collector* out) override;
  bool busy() const override { return !trips_.empty() || static_cast<bool>(waiting_); }

 private:
  Status StartTrips();

  WorkerPool* pool_;
  StageSpec spec_;
  std::uint32_t slot_;
  std::shared_ptr<TripMailbox> mailbox_;
  std::unique_ptr<Stage> stage_;
  std::shared_ptr<Counter> user_nanoseconds_;
  TripSize trip_size_;
  columnar::DataBatch waiting_;     // rows that made no trip yet; empty when there are none
  std::deque<std::int64_t> trips_;  // rows of the outstanding ones, oldest first
};

/// Emits a batch in slices of the usual size: one trip of flat_map may answer with many rows.
Status EmitInSlices(const columnar::DataBatch& batch, op::Collector* out);

}  // namespace headrace::data::python
