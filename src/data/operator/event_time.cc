#include "data/operator/event_time.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "plan/function_types.h"
#include "plan/typed_expression.h"

namespace headrace::data::op {
namespace {

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

/// `timestamp` as int64 ms.
Result<plan::TypedExpression> Milliseconds(plan::TypedExpression timestamp) {
  if (timestamp.type->id() == arrow::Type::TIMESTAMP) {
    const auto& zone = static_cast<const arrow::TimestampType&>(*timestamp.type).timezone();
    HR_RETURN_NOT_OK(plan::CastTo(arrow::timestamp(arrow::TimeUnit::MILLI, zone), &timestamp));
  }
  HR_RETURN_NOT_OK(plan::CastTo(arrow::int64(), &timestamp));
  return timestamp;
}

}  // namespace

EventTimeOperator::EventTimeOperator(const plan::EventTimeSpec& spec)
    : strategy_(spec.strategy),
      bound_ms_(spec.strategy == plan::EventTimeSpec::Strategy::kBounded ? static_cast<std::int64_t>(spec.bound_ms) : 0),
      idle_after_(std::chrono::milliseconds(spec.idle_after_ms)),
      newest_ms_(kLeast),
      watermark_ms_(kLeast) {}

Result<std::unique_ptr<Operator>> EventTimeOperator::Make(const plan::EventTimeSpec& spec, const std::shared_ptr<arrow::Schema>& input) {
  std::unique_ptr<EventTimeOperator> made(new EventTimeOperator(spec));
  if (spec.timestamp) {
    HR_ASSIGN_OR_RAISE(plan::TypedExpression settled, plan::Settle(spec.timestamp, *input));
    HR_ASSIGN_OR_RAISE(settled, Milliseconds(std::move(settled)));
    HR_ASSIGN_OR_RAISE(made->evaluator_, expression::Evaluator::Make({std::move(settled)}, input));
  }
  return std::unique_ptr<Operator>(std::move(made));
}

Status EventTimeOperator::Open(const OperatorContext& context) {
  clock_ = context.clock;
  if (clock_ != nullptr) last_row_at_ = clock_->Now();
  return Status::OK();
}

Result<columnar::DataBatch> EventTimeOperator::WithTimes(const columnar::DataBatch& batch) {
  const arrow::RecordBatch& records = *batch.records();
  HR_ASSIGN_OR_RAISE(arrow::ArrayVector times, evaluator_->Evaluate(records));
  if (times[0]->null_count() > 0)
    return Error(ErrorCode::kBadRecord, "a row has no timestamp: it is null", "Filter such rows out, or give them one with or_else().");
  if (batch.event_time_column() >= 0) {
    HR_ASSIGN_OR_RAISE(auto changed,
                       records.SetColumn(batch.event_time_column(),
                                         arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), false), times[0]));
    return columnar::DataBatch(std::move(changed));
  }
  HR_ASSIGN_OR_RAISE(auto added, records.AddColumn(records.num_columns(),
                                                   arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), false), times[0]));
  return columnar::DataBatch(std::move(added));
}

Status EventTimeOperator::Process(std::uint32_t, columnar::DataBatch batch, Collector* out) {
  if (evaluator_ != nullptr) {
    HR_ASSIGN_OR_RAISE(batch, WithTimes(batch));
  }
  if (batch.event_time_column() < 0)
    return Error(ErrorCode::kBadRecord, "the source gives no event times", "Say where they stand: with_timestamp(column or function).");
  const auto* times = batch.records()->column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
  for (std::int64_t i = 0; i < batch.num_rows(); ++i) newest_ms_ = std::max(newest_ms_, times[i]);
  if (clock_ != nullptr) last_row_at_ = clock_->Now();
  if (std::exchange(idle_, false)) HR_RETURN_NOT_OK(out->EmitStatus({false}));
  HR_RETURN_NOT_OK(out->Emit(std::move(batch)));
  if (strategy_ == plan::EventTimeSpec::Strategy::kNone || newest_ms_ <= kLeast + bound_ms_ + 1) return Status::OK();
  const std::int64_t watermark_ms = newest_ms_ - bound_ms_ - 1;
  if (watermark_ms <= watermark_ms_) return Status::OK();
  watermark_ms_ = watermark_ms;
  return out->EmitWatermark({watermark_ms});
}

Status EventTimeOperator::Poll(Collector* out) {
  if (idle_after_ == Duration::zero() || idle_ || clock_ == nullptr || clock_->Now() - last_row_at_ < idle_after_) return Status::OK();
  idle_ = true;
  return out->EmitStatus({true});
}

MonotonicTime EventTimeOperator::next_poll() const {
  return idle_after_ == Duration::zero() || idle_ || clock_ == nullptr ? MonotonicTime::max() : last_row_at_ + idle_after_;
}

}  // namespace headrace::data::op
