#include "data/window/group_aggregate.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <utility>

namespace headrace::data::window {

Result<std::unique_ptr<op::Operator>> GroupAggregate::Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                           const std::shared_ptr<arrow::Schema>& output) {
  HR_ASSIGN_OR_RAISE(KeyWords keys, KeyWords::Make(*input, spec.keys));
  HR_ASSIGN_OR_RAISE(AggregateCalls calls, AggregateCalls::Make(spec.calls, input));
  return std::unique_ptr<op::Operator>(new GroupAggregate(std::move(calls), std::move(keys), output));
}

GroupAggregate::GroupAggregate(AggregateCalls calls, KeyWords keys, std::shared_ptr<arrow::Schema> output)
    : calls_(std::move(calls)), keys_(std::move(keys)), output_(std::move(output)), groups_(keys_.words(), calls_.state_words() + 1) {}

GroupAggregate::~GroupAggregate() {
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status GroupAggregate::Open(const op::OperatorContext& context) {
  state_bytes_ = context.state_bytes;
  return Status::OK();
}

Status GroupAggregate::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  const arrow::RecordBatch& records = *batch.records();
  const std::int64_t rows = records.num_rows();
  HR_ASSIGN_OR_RAISE(const std::vector<const std::uint64_t*> keys, keys_.Encode(records));
  HR_ASSIGN_OR_RAISE(
      const std::vector<op::AggregateInput> inputs,
      calls_.Evaluate(
          records, batch.event_time_column() < 0 ? nullptr : records.column_data(batch.event_time_column())->GetValues<std::int64_t>(1)));
  rows_.resize(static_cast<std::size_t>(rows));
  HR_RETURN_NOT_OK(groups_.Resolve(keys, rows, rows_.data()));
  for (std::size_t f = 0; f < inputs.size(); ++f) HR_RETURN_NOT_OK(calls_.functions()[f]->Add(inputs[f], rows_.data(), rows));
  ++batch_;
  changed_keys_.clear();
  changed_values_.clear();
  const std::uint32_t stamp = calls_.state_words(), key_words = keys_.words();
  for (std::uint64_t* values : rows_) {
    if (std::exchange(values[stamp], batch_) == batch_) continue;
    changed_keys_.push_back(values - key_words);
    changed_values_.push_back(values);
  }
  AccountBytes();
  return EmitChanged(out);
}

Status GroupAggregate::EmitChanged(op::Collector* out) {
  const auto rows = static_cast<std::int64_t>(changed_keys_.size());
  HR_ASSIGN_OR_RAISE(arrow::ArrayVector columns, keys_.Decode(changed_keys_.data(), rows));
  for (const auto& function : calls_.functions()) {
    HR_ASSIGN_OR_RAISE(auto column, function->Results(changed_values_.data(), rows));
    columns.push_back(std::move(column));
  }
  return out->Emit(columnar::DataBatch(arrow::RecordBatch::Make(output_, rows, std::move(columns))));
}

void GroupAggregate::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = groups_.allocated_bytes() + keys_.allocated_bytes() + BytesOf(calls_.functions());
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::window
