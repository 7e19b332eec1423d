#include "data/window/count_window_aggregate.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <numeric>
#include <string>
#include <utility>

namespace headrace::data::window {
namespace {

constexpr std::size_t kPieceRows = 4096;
constexpr std::uint32_t kRows = 0, kSlice = 1, kRing = 2;

std::shared_ptr<arrow::Schema> WithTime(const arrow::Schema& schema) {
  arrow::FieldVector fields = schema.fields();
  fields.push_back(arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), /*nullable=*/false));
  return arrow::schema(std::move(fields));
}

}  // namespace

Result<std::unique_ptr<op::Operator>> CountWindowAggregate::Make(const plan::AggregateSpec& spec,
                                                                 const std::shared_ptr<arrow::Schema>& input,
                                                                 const std::shared_ptr<arrow::Schema>& output, op::FoldBook* folds) {
  HR_ASSIGN_OR_RAISE(KeyWords keys, KeyWords::Make(*input, spec.keys));
  HR_ASSIGN_OR_RAISE(AggregateCalls calls, AggregateCalls::Make(spec.calls, input, /*retractable=*/false, folds));
  return std::unique_ptr<op::Operator>(new CountWindowAggregate(spec.window, std::move(calls), std::move(keys), output));
}

CountWindowAggregate::CountWindowAggregate(const plan::Window& window, AggregateCalls calls, KeyWords keys,
                                           std::shared_ptr<arrow::Schema> output)
    : calls_(std::move(calls)),
      keys_(std::move(keys)),
      output_(std::move(output)),
      output_with_time_(WithTime(*output_)),
      slice_rows_(std::gcd(window.rows, window.every)),
      window_slices_(window.rows / slice_rows_),
      every_slices_(window.every / slice_rows_),
      states_(calls_.functions()),
      counted_(keys_.words(), kRing + static_cast<std::uint32_t>(window_slices_)) {}

CountWindowAggregate::~CountWindowAggregate() {
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status CountWindowAggregate::Open(const op::OperatorContext& context) {
  state_bytes_ = context.state_bytes;
  return Status::OK();
}

/// The state that takes the row; windows are read when all rows of the batch are in, and each row is in a slice of its own window.
void CountWindowAggregate::Place(std::uint64_t* counted, std::int64_t row) {
  if (counted[kSlice] == 0) counted[kSlice] = std::uint64_t{states_.Make()} + 1;
  groups_[static_cast<std::size_t>(row)] = states_.At(static_cast<std::uint32_t>(counted[kSlice] - 1));
  if (++counted[kRows] % slice_rows_ == 0) Complete(counted, row);
}

void CountWindowAggregate::Complete(std::uint64_t* counted, std::int64_t row) {
  const std::uint64_t slice = counted[kRows] / slice_rows_ - 1;  // its number among the key's
  std::uint64_t& place = counted[kRing + slice % window_slices_];
  if (place != 0) gone_.push_back(static_cast<std::uint32_t>(place - 1));
  place = std::exchange(counted[kSlice], 0);
  if ((slice + 1) % every_slices_ != 0) return;
  Fired fired{counted - counted_.key_words(), fired_slices_.size(), 0, row};
  for (std::uint64_t back = 0; back < window_slices_ && back <= slice; ++back, ++fired.slices)
    fired_slices_.push_back(static_cast<std::uint32_t>(counted[kRing + (slice - back) % window_slices_] - 1));
  fired_.push_back(fired);
}

Status CountWindowAggregate::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  const arrow::RecordBatch& records = *batch.records();
  const std::int64_t rows = records.num_rows();
  const std::int64_t* times =
      batch.event_time_column() < 0 ? nullptr : records.column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
  HR_ASSIGN_OR_RAISE(const std::vector<const std::uint64_t*> keys, keys_.Encode(records));
  HR_ASSIGN_OR_RAISE(const std::vector<op::AggregateInput> inputs, calls_.Evaluate(records, times));
  rows_.resize(static_cast<std::size_t>(rows));
  groups_.resize(static_cast<std::size_t>(rows));
  HR_RETURN_NOT_OK(counted_.Resolve(keys, rows, rows_.data()));
  for (std::int64_t row = 0; row < rows; ++row) Place(rows_[static_cast<std::size_t>(row)], row);
  for (std::size_t f = 0; f < inputs.size(); ++f) HR_RETURN_NOT_OK(calls_.functions()[f]->Add(inputs[f], groups_.data(), rows));
  HR_RETURN_NOT_OK(Emit(times, out));
  for (const std::uint32_t state : gone_) states_.GiveBack(state);
  gone_.clear();
  AccountBytes();
  return Status::OK();
}

Status CountWindowAggregate::Emit(const std::int64_t* times, op::Collector* out) {
  for (std::size_t first = 0; first < fired_.size(); first += kPieceRows)
    HR_RETURN_NOT_OK(EmitPiece(first, std::min(kPieceRows, fired_.size() - first), times, out));
  fired_.clear();
  fired_slices_.clear();
  return Status::OK();
}

Status CountWindowAggregate::EmitPiece(std::size_t first, std::size_t count, const std::int64_t* times, op::Collector* out) {
  std::vector<const std::uint64_t*> keys, values;
  std::vector<std::uint32_t> merged;
  for (std::size_t i = first; i < first + count; ++i) {
    const Fired& fired = fired_[i];
    keys.push_back(fired.key);
    const std::uint32_t* slices = fired_slices_.data() + fired.first_slice;
    if (fired.slices == 1) {
      values.push_back(states_.At(slices[0]));
      continue;
    }
    merged.push_back(states_.Make());
    std::uint64_t* into = states_.At(merged.back());
    for (std::size_t slice = fired.slices; slice-- > 0;) {  // oldest first
      const std::uint64_t* from = states_.At(slices[slice]);
      HR_RETURN_NOT_OK(MergeAll(calls_.functions(), &into, &from, 1));
    }
    values.push_back(into);
  }
  const auto rows = static_cast<std::int64_t>(count);
  HR_ASSIGN_OR_RAISE(arrow::ArrayVector columns, keys_.Decode(keys.data(), rows));
  for (const auto& function : calls_.functions()) {
    HR_ASSIGN_OR_RAISE(auto column, function->Results(values.data(), rows));
    columns.push_back(std::move(column));
  }
  for (const std::uint32_t state : merged) states_.GiveBack(state);
  if (times != nullptr) {
    HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(rows * 8));
    for (std::size_t i = 0; i < count; ++i) reinterpret_cast<std::int64_t*>(buffer->mutable_data())[i] = times[fired_[first + i].row];
    columns.push_back(arrow::MakeArray(arrow::ArrayData::Make(arrow::int64(), rows, {nullptr, std::move(buffer)}, 0)));
  }
  return out->Emit(columnar::DataBatch(arrow::RecordBatch::Make(times == nullptr ? output_ : output_with_time_, rows, std::move(columns))));
}

void CountWindowAggregate::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = counted_.allocated_bytes() + states_.allocated_bytes() + keys_.allocated_bytes() + BytesOf(calls_.functions());
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::window
