#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "data/expression/evaluator.h"
#include "data/operator/event_time.h"
#include "data/operator/operator.h"
#include "data/python/trip_line.h"
#include "plan/relational.h"

namespace headrace::data::python {

/// Event times whose watermarks an object written in Python says. Rows go through the native operator inside, which keeps times, splits,
/// idleness and alignment as with every strategy; here their times and the columns that are asked for make a trip first, with the
/// split of each row, and come back as one watermark for each split that has one. Between batches a generator with a period is asked by
/// the clock.
/// Shape:   as EventTimeOperator. A trip takes the rows that have come together, at most kTripRows.
/// Errors:  as EventTimeOperator; kPythonRaised with the user's line for what the generator raises, and for watermarks that are no int or
///          too far ahead.
/// Thread:  owning task's.
class CustomWatermarks final : public op::Operator {
 public:
  /// `times`: of rows of `input` (null: untyped) that have their times already, or get them there. `pool` outlives the operator.
  static Result<std::unique_ptr<CustomWatermarks>> Make(const plan::EventTimeSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                        WorkerPool* pool, std::uint32_t slot, const OperatorUid& uid);
  /// Whom the task tells of splits.
  op::EventTimeOperator* times() { return inside_.get(); }

  Status Open(const op::OperatorContext& context) override;
  bool accepting() const override { return waiting_.rows() < 2 * kTripRows && waiting_.bytes() < BatchQueue::kMostBytes; }
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status Poll(op::Collector* out) override;
  bool busy() const override { return !trips_.empty() || !waiting_.empty(); }
  bool passes_watermarks() const override { return false; }
  Status OnWatermarkStatus(const columnar::WatermarkStatus& status, op::Collector* out) override {
    return inside_->OnWatermarkStatus(status, out);
  }
  MonotonicTime next_poll() const override;
  Status Flush(op::Collector* out) override { return inside_->Flush(out); }
  Status Finish(op::Collector* out) override { return inside_->Finish(out); }

 private:
  static constexpr std::int64_t kTripRows = 32 * 1024;
  /// Rows of a trip, as they came; none: the generators were asked by the clock.
  using Parts = std::vector<columnar::DataBatch>;
  CustomWatermarks() = default;
  Status StartTrips();
  Status SendRows(Parts parts);
  Status AskByClock();
  Result<std::vector<op::EventTimeOperator::Mark>> ReadMarks(const TripAnswer& answer) const;

  std::unique_ptr<op::EventTimeOperator> inside_;
  std::unique_ptr<expression::Evaluator> columns_;  // null: only the times go
  Duration period_{};                               // zero: never asked by the clock
  WorkerPool* pool_ = nullptr;
  std::uint32_t slot_ = 0;
  StageSpec spec_;
  const Clock* clock_ = nullptr;
  MonotonicTime ask_at_{};
  TripLine line_;
  BatchQueue waiting_;       // rows with their times
  std::int64_t ahead_ = 0;   // rows in trips
  std::deque<Parts> trips_;  // outstanding, oldest first
};

}  // namespace headrace::data::python
