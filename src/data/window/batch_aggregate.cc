#include "data/window/batch_aggregate.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "data/window/aggregate_states.h"
#include "data/window/local_groups.h"

namespace headrace::data::window {
namespace {

// A group that travels costs as much as two or three rows: with fewer rows a group, rows are cheaper. A text key is looked up twice then.
constexpr double kMostUnique = 0.3, kMostUniqueTexts = 0.1;
constexpr std::int64_t kTrialRows = 1 << 15, kPassRows = 1 << 20;

}  // namespace

Result<std::unique_ptr<op::Operator>> BatchAggregate::Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input) {
  std::unique_ptr<op::Operator> none;
  const bool by_time = std::any_of(spec.calls.begin(), spec.calls.end(),
                                   [](const auto& call) { return call.function == "first" || call.function == "last"; });
  if (by_time) return none;
  HR_ASSIGN_OR_RAISE(KeyWords keys, KeyWords::Make(*input, spec.keys));
  HR_ASSIGN_OR_RAISE(AggregateCalls calls, AggregateCalls::Make(spec.calls, input));
  if (OwnMemory(calls.functions())) return none;
  return std::unique_ptr<op::Operator>(new BatchAggregate(std::move(calls), std::move(keys), *input, spec));
}

BatchAggregate::BatchAggregate(AggregateCalls calls, KeyWords keys, const arrow::Schema& input, const plan::AggregateSpec& spec)
    : calls_(std::move(calls)), keys_(std::move(keys)), has_keys_(!spec.keys.empty()), groups_(keys_.words(), calls_.state_words() + 1) {
  arrow::FieldVector fields;
  most_unique_ = kMostUnique;
  for (const std::string& key : spec.keys) {
    fields.push_back(input.GetFieldByName(key));
    if (arrow::is_base_binary_like(fields.back()->type()->id())) most_unique_ = kMostUniqueTexts;
  }
  const auto bytes = static_cast<std::int32_t>((calls_.state_words() + 1) * 8);
  fields.push_back(arrow::field(std::string(kPartialColumn), arrow::fixed_size_binary(bytes), /*nullable=*/false));
  partial_ = arrow::schema(std::move(fields));
}

BatchAggregate::~BatchAggregate() {
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status BatchAggregate::Open(const op::OperatorContext& context) {
  state_bytes_ = context.state_bytes;
  return Status::OK();
}

Status BatchAggregate::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  const std::int64_t rows = batch.num_rows();
  if (rows_to_pass_ > 0 || rows == 0 || batch.row_kind_column() >= 0) {
    rows_to_pass_ -= rows;
    return out->Emit(std::move(batch));
  }
  const arrow::RecordBatch& records = *batch.records();
  HR_ASSIGN_OR_RAISE(const std::vector<const std::uint64_t*> keys, keys_.Encode(records));
  HR_ASSIGN_OR_RAISE(const std::vector<op::AggregateInput> inputs, calls_.Evaluate(records, nullptr));
  rows_.resize(static_cast<std::size_t>(rows));
  HR_RETURN_NOT_OK(groups_.Resolve(keys, rows, rows_.data()));
  for (std::size_t f = 0; f < inputs.size(); ++f) HR_RETURN_NOT_OK(calls_.functions()[f]->Add(inputs[f], rows_.data(), rows));
  for (std::uint64_t* row : rows_) ++row[calls_.state_words()];
  rows_in_ += rows;
  groups_out_ += groups_.num_rows();
  if (rows_in_ >= kTrialRows) {
    if (static_cast<double>(groups_out_) > most_unique_ * static_cast<double>(rows_in_)) rows_to_pass_ = kPassRows;
    rows_in_ = groups_out_ = 0;
  }
  HR_RETURN_NOT_OK(EmitGroups(out));
  groups_.Clear();
  if (keys_.wants_sweep()) keys_.Sweep();
  AccountBytes();
  return Status::OK();
}

Status BatchAggregate::EmitGroups(op::Collector* out) {
  const std::int64_t count = groups_.num_rows();
  const std::size_t words = groups_.value_words();
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> states, arrow::AllocateBuffer(count * static_cast<std::int64_t>(words) * 8));
  auto* to = reinterpret_cast<std::uint64_t*>(states->mutable_data());
  std::vector<const std::uint64_t*> keys(static_cast<std::size_t>(count));
  for (std::int64_t row = 0; row < count; ++row) {
    keys[static_cast<std::size_t>(row)] = groups_.RowKey(row);
    std::copy_n(groups_.RowValues(row), words, to + static_cast<std::size_t>(row) * words);
  }
  arrow::ArrayVector columns;
  if (has_keys_) {
    HR_ASSIGN_OR_RAISE(columns, keys_.Decode(keys.data(), count));
  }
  columns.push_back(arrow::MakeArray(
      arrow::ArrayData::Make(partial_->field(partial_->num_fields() - 1)->type(), count, {nullptr, std::move(states)}, 0)));
  return out->Emit(columnar::DataBatch(arrow::RecordBatch::Make(partial_, count, std::move(columns))));
}

void BatchAggregate::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = keys_.allocated_bytes() + groups_.allocated_bytes();
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::window
