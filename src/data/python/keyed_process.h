#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "data/operator/operator.h"
#include "data/python/table_block.h"
#include "data/python/trip_line.h"
#include "data/python/trip_size.h"
#include "data/python/trip_states.h"
#include "data/state/keyed_states.h"
#include "data/state/row_keys.h"
#include "data/time/timer_service.h"
#include "plan/process.h"

namespace headrace::data::python {

/// Runs a Python process function over the rows and timers of each key.
/// Shape:   in batches of `schemas`, one for each of one or two inputs (null: untyped rows), keyed by a key column or by columns; out the
/// rows that the function gives,
///          untyped or of its declared type, with the event time of the row or timer that gave them; side outputs untyped.
/// State:   the declared states of the batch's keys travel with it and come back where they changed (TripStates); they live in KeyedStates.
///          A key is in at most one outstanding trip; a batch that shares a key with one waits, with all later ones. A trip is cut
///          where its rows or states would take more than kTripBytes.
///          Broadcast state has no key: the worker keeps it from trip to trip, so that it travels when it changes, and KeyedStates has
///          the same. Trips of it need not wait for each other.
/// Timers:  event-time timers fire behind the rows before the watermark that reaches them, and before it passes on; in slices of
///          about kSliceNanoseconds, and a barrier may pass between two. Processing-time timers fire by the wall clock.
/// Errors:  kPythonRaised naming the method, the row or timer, and the user's line; rows that are not as declared.
/// Thread:  owning task's.
class KeyedProcess final : public op::Operator {
 public:
  static constexpr std::int64_t kTripRows = 8192, kTripBytes = 64 << 20;
  static constexpr std::int64_t kSliceNanoseconds = 10'000'000;

  /// `function`: its uid and name; `pool` outlives the operator.
  KeyedProcess(WorkerPool* pool, StageSpec::Function function, std::uint32_t slot, plan::ProcessSpec spec,
               std::vector<std::shared_ptr<arrow::Schema>> schemas);
  Status Open(const op::OperatorContext& context) override;
  bool accepting() const override { return waiting_rows() < 2 * kTripRows && !event_due_; }
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status Poll(op::Collector* out) override;
  bool busy() const override { return !trips_.empty() || waiting_rows() > 0 || static_cast<bool>(head_) || (finishing_ && event_due_); }
  Status Finish(op::Collector* out) override;
  Status OnWatermark(const columnar::Watermark& watermark, op::Collector* out) override;
  Status OnWatermarkStatus(const columnar::WatermarkStatus& status, op::Collector* out) override;
  /// Its watermarks come behind the timers that they fire, so that barriers may come between.
  bool passes_watermarks() const override { return false; }
  MonotonicTime next_poll() const override;

 private:
  enum class Kind { kRows = 0, kEventTimers = 1, kProcessingTimers = 2, kSecondRows = 3 };
  struct Trip {
    Kind kind = Kind::kRows;
    std::int64_t items = 0;  // rows or timers
    bool timed = false;
    std::vector<state::EntryId> entries;
    std::int64_t now_ms = 0;
  };
  bool processing_due() const { return clock_ != nullptr && next_processing_ms_ <= clock_->WallTimeMs(); }
  std::int64_t waiting_rows() const { return waiting_[0].rows() + waiting_[1].rows(); }
  Status StartTrips();
  Status PrepareHead();
  Status CutHead();
  bool SharesKey(const std::vector<state::EntryId>& entries) const;
  Status SendRows();
  Status SendTimers(Kind kind, std::int64_t until_ms);
  Status Send(Trip trip, TableWriter* table, const std::vector<std::int64_t>& groups, std::vector<std::int64_t> times, bool has_rows);
  Status Take(const Trip& trip, const TripAnswer& answer, op::Collector* out);
  Status TakeTimers(const Trip& trip, const std::vector<TableColumn>& columns, std::size_t at);
  Status EmitSides(const std::vector<TableColumn>& columns, std::size_t at, bool timed, op::Collector* out);
  Status EmitRows(const std::vector<TableColumn>& columns, std::size_t at, bool timed, op::Collector* out);
  Status AdvanceTime(op::Collector* out);
  Status Compact();
  void Account();

  WorkerPool* pool_;
  StageSpec stage_;
  std::uint32_t slot_;
  plan::ProcessSpec spec_;
  std::vector<std::shared_ptr<arrow::Schema>> schemas_;  // by input
  const Clock* clock_ = nullptr;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t counted_bytes_ = 0;

  TripLine line_;
  TripSize trip_size_{kTripRows}, slice_size_{kTripRows, kSliceNanoseconds / 2};
  BatchQueue waiting_[2];               // by input
  std::size_t head_input_ = 0;          // of head_
  columnar::DataBatch head_;            // the next trip's rows, resolved; empty when none is prepared
  state::KeyGrouping grouping_;         // of head_
  state::RowKeys keys_[2];              // by input
  std::deque<Trip> trips_;              // outstanding, oldest first
  std::vector<bool> outstanding_;       // by entry: its key is in an outstanding trip
  std::vector<std::int64_t> group_of_;  // by entry, -1 outside SendTimers()

  std::unique_ptr<state::KeyedStates> states_;
  std::unique_ptr<TripStates> trip_states_;
  time::TimerService event_timers_, processing_timers_;
  std::vector<time::TimerService::Timer> due_;
  std::int64_t watermark_ms_, emitted_ms_;
  std::int64_t next_processing_ms_ = time::TimerService::kNever;
  bool event_due_ = false;  // timers up to watermark_ms_ are left, or the watermark was not passed on
  bool finishing_ = false, timed_ = false;
  std::int64_t compact_at_ = 0;
};

}  // namespace headrace::data::python
