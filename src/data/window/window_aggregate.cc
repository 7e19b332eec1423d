#include "data/window/window_aggregate.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "columnar/column_gatherer.h"

namespace headrace::data::window {
namespace {

constexpr std::int64_t kPieceRows = 4096;

Result<std::shared_ptr<arrow::Array>> Constant(const std::shared_ptr<arrow::DataType>& type, std::int64_t value, std::int64_t rows) {
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values, arrow::AllocateBuffer(rows * 8));
  std::fill_n(reinterpret_cast<std::int64_t*>(values->mutable_data()), rows, value);
  return arrow::MakeArray(arrow::ArrayData::Make(type, rows, {nullptr, std::move(values)}, 0));
}

}  // namespace

Result<std::unique_ptr<op::Operator>> WindowAggregate::Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                            const std::shared_ptr<arrow::Schema>& output) {
  std::unique_ptr<WindowAggregate> made(new WindowAggregate());
  arrow::FieldVector fields = output->fields();
  fields.push_back(arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), /*nullable=*/false));
  made->output_ = arrow::schema(std::move(fields));
  made->late_tag_ = spec.late_tag;
  HR_ASSIGN_OR_RAISE(made->keys_, KeyWords::Make(*input, spec.keys));
  HR_RETURN_NOT_OK(made->PrepareCalls(spec, input));
  return std::unique_ptr<op::Operator>(std::move(made));
}

Status WindowAggregate::PrepareCalls(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input) {
  std::vector<plan::TypedExpression> expressions;
  SlicedAggregate::Functions functions;
  std::uint32_t words = 0;
  for (const plan::AggregateCall& call : spec.calls) {
    HR_ASSIGN_OR_RAISE(plan::TypedAggregateCall settled, plan::SettleAggregate(call, *input));
    Argument argument;
    std::shared_ptr<arrow::DataType> type;
    if (!settled.arguments.empty()) {
      type = settled.arguments[0].type;
      argument.value = static_cast<int>(expressions.size());
      expressions.push_back(std::move(settled.arguments[0]));
    }
    if (settled.filter != nullptr) {
      argument.filter = static_cast<int>(expressions.size());
      expressions.push_back(std::move(*settled.filter));
    }
    arguments_.push_back(argument);
    HR_ASSIGN_OR_RAISE(auto function, op::MakeNumericAggregate(call.function, type, words));
    words += function->state_words();
    functions.push_back(std::move(function));
  }
  if (!expressions.empty()) {
    HR_ASSIGN_OR_RAISE(evaluator_, expression::Evaluator::Make(std::move(expressions), input));
  }
  const WindowSpec windows{static_cast<std::int64_t>(spec.window.size_ms), static_cast<std::int64_t>(spec.window.slide_ms), spec.window.offset_ms};
  windows_ = std::make_unique<SlicedAggregate>(windows, keys_->words(), std::move(functions));
  valid_.resize(spec.calls.size());
  return Status::OK();
}

Status WindowAggregate::Open(const op::OperatorContext& context) {
  if (context.metrics != nullptr) late_ = context.metrics->GetCounter("headrace_late_records_total", "Records behind the watermark that no window took", context.labels);
  return Status::OK();
}

Status WindowAggregate::EvaluateInputs(const arrow::RecordBatch& batch, std::vector<op::AggregateInput>* inputs) {
  inputs->assign(arguments_.size(), {});
  if (evaluator_ == nullptr) return Status::OK();
  HR_ASSIGN_OR_RAISE(results_, evaluator_->Evaluate(batch));
  const auto rows = static_cast<std::size_t>(batch.num_rows());
  for (std::size_t call = 0; call < arguments_.size(); ++call) {
    const Argument& argument = arguments_[call];
    std::vector<std::uint8_t>& valid = valid_[call];
    bool all = true;
    const auto mask = [&](const arrow::ArrayData& data, bool values) {
      const std::uint8_t* bits = values ? data.buffers[1]->data() : data.buffers[0]->data();
      if (all) valid.assign(rows, 1);
      all = false;
      for (std::size_t i = 0; i < rows; ++i) valid[i] &= static_cast<std::uint8_t>(arrow::bit_util::GetBit(bits, data.offset + static_cast<std::int64_t>(i)));
    };
    if (argument.value >= 0) {
      const arrow::ArrayData& data = *results_[static_cast<std::size_t>(argument.value)]->data();
      if (data.GetNullCount() > 0) mask(data, false);
      (*inputs)[call].values = data.type->bit_width() == 64 ? data.GetValues<std::int64_t>(1) : nullptr;
    }
    if (argument.filter >= 0) {
      const arrow::ArrayData& data = *results_[static_cast<std::size_t>(argument.filter)]->data();
      mask(data, true);
      if (data.GetNullCount() > 0) mask(data, false);
    }
    if (!all) (*inputs)[call].valid = valid.data();
  }
  return Status::OK();
}

Status WindowAggregate::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  if (batch.event_time_column() < 0) return Error(ErrorCode::kBadRecord, "rows without event times reached an event-time window", "Put with_watermarks() in front of the window.");
  const arrow::RecordBatch& records = *batch.records();
  HR_ASSIGN_OR_RAISE(const std::vector<const std::uint64_t*> keys, keys_->Encode(records));
  std::vector<op::AggregateInput> inputs;
  HR_RETURN_NOT_OK(EvaluateInputs(records, &inputs));
  const auto* times = records.column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
  HR_ASSIGN_OR_RAISE(const std::int64_t late, windows_->Add(keys, times, inputs, records.num_rows(), MarkLate(records.num_rows())));
  if (late == 0) return Status::OK();
  if (late_ != nullptr) late_->Add(static_cast<std::uint64_t>(late));
  return late_tag_.empty() ? Status::OK() : EmitLate(batch, out);
}

std::uint8_t* WindowAggregate::MarkLate(std::int64_t rows) {
  if (late_tag_.empty()) return nullptr;
  late_rows_.assign(static_cast<std::size_t>(rows), 0);
  return late_rows_.data();
}

Status WindowAggregate::EmitLate(const columnar::DataBatch& batch, op::Collector* out) {
  std::vector<std::uint32_t> rows;
  for (std::uint32_t i = 0; i < late_rows_.size(); ++i)
    if (late_rows_[i] != 0) rows.push_back(i);
  HR_ASSIGN_OR_RAISE(auto records, columnar::GatherRows(*batch.records(), rows));
  return out->EmitSide(late_tag_, columnar::DataBatch(std::move(records)));
}

Status WindowAggregate::OnWatermark(const columnar::Watermark& watermark, op::Collector* out) {
  firing_ = true;
  watermark_ms_ = watermark.event_time_ms;
  return EmitPiece(out);
}

Status WindowAggregate::Finish(op::Collector* out) {
  // The end of the input completes all windows.
  firing_ = true;
  watermark_ms_ = std::numeric_limits<std::int64_t>::max() - 1;
  return EmitPiece(out);
}

Status WindowAggregate::Poll(op::Collector* out) { return firing_ ? EmitPiece(out) : Status::OK(); }

/// Emits one piece; windows without rows to show are passed over.
Status WindowAggregate::EmitPiece(op::Collector* out) {
  for (bool emitted = false; firing_ && !emitted;) {
    if (!fired_) {
      HR_ASSIGN_OR_RAISE(fired_, windows_->Fire(watermark_ms_));
      next_group_ = 0;
    }
    if (!fired_) {
      firing_ = false;
      break;
    }
    HR_ASSIGN_OR_RAISE(emitted, EmitRows(out));
    if (next_group_ >= fired_->groups->num_rows()) fired_.reset();
  }
  return Status::OK();
}

Result<bool> WindowAggregate::EmitRows(op::Collector* out) {
  row_keys_.clear();
  row_values_.clear();
  state::GroupTable& groups = *fired_->groups;
  for (; next_group_ < groups.num_rows() && static_cast<std::int64_t>(row_keys_.size()) < kPieceRows; ++next_group_) {
    const std::uint64_t* values = groups.RowValues(next_group_);
    if (!windows_->HasRows(values)) continue;
    row_keys_.push_back(groups.RowKey(next_group_));
    row_values_.push_back(values);
  }
  const auto rows = static_cast<std::int64_t>(row_keys_.size());
  if (rows == 0) return false;
  HR_ASSIGN_OR_RAISE(arrow::ArrayVector columns, keys_->Decode(row_keys_.data(), rows));
  const auto& bounds = output_->field(static_cast<int>(columns.size()))->type();
  for (const std::int64_t bound : {fired_->start_ms, fired_->end_ms}) {
    HR_ASSIGN_OR_RAISE(auto column, Constant(bounds, bound, rows));
    columns.push_back(std::move(column));
  }
  for (const auto& function : windows_->functions()) {
    HR_ASSIGN_OR_RAISE(auto column, function->Results(row_values_.data(), rows));
    columns.push_back(std::move(column));
  }
  HR_ASSIGN_OR_RAISE(auto times, Constant(arrow::int64(), fired_->end_ms - 1, rows));
  columns.push_back(std::move(times));
  HR_RETURN_NOT_OK(out->Emit(columnar::DataBatch(arrow::RecordBatch::Make(output_, rows, std::move(columns)))));
  return true;
}

}  // namespace headrace::data::window
