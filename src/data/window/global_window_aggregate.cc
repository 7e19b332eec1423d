#include "data/window/global_window_aggregate.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

namespace headrace::data::window {
namespace {

constexpr std::size_t kPieceRows = 4096;
constexpr std::int64_t kPieceGroups = 1 << 16;  // looked through in one go

}  // namespace

Result<std::unique_ptr<op::Operator>> GlobalWindowAggregate::Make(const plan::AggregateSpec& spec,
                                                                  const std::shared_ptr<arrow::Schema>& input,
                                                                  const std::shared_ptr<arrow::Schema>& output, op::FoldBook* folds) {
  HR_ASSIGN_OR_RAISE(KeyWords keys, KeyWords::Make(*input, spec.keys));
  HR_ASSIGN_OR_RAISE(AggregateCalls calls, AggregateCalls::Make(spec.calls, input, /*retractable=*/false, folds));
  HR_ASSIGN_OR_RAISE(auto by_row, RowTrigger::Make(spec.trigger, input));
  return std::unique_ptr<op::Operator>(
      new GlobalWindowAggregate(spec.trigger, std::move(by_row), std::move(calls), std::move(keys), output));
}

GlobalWindowAggregate::GlobalWindowAggregate(const plan::Trigger& trigger, std::unique_ptr<RowTrigger> by_row, AggregateCalls calls,
                                             KeyWords keys, std::shared_ptr<arrow::Schema> output)
    : trigger_(trigger),
      by_row_(std::move(by_row)),
      calls_(std::move(calls)),
      keys_(std::move(keys)),
      output_(std::move(output)),
      groups_(keys_.words(), calls_.state_words() + (by_row_ == nullptr ? 1 : by_row_->words())) {}

GlobalWindowAggregate::~GlobalWindowAggregate() {
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status GlobalWindowAggregate::Open(const op::OperatorContext& context) {
  clock_ = context.clock;
  state_bytes_ = context.state_bytes;
  if (clock_ == nullptr && trigger_.early_every_ms > 0) return Status::Invalid("a trigger by the clock needs one");
  return Status::OK();
}

Status GlobalWindowAggregate::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  const arrow::RecordBatch& records = *batch.records();
  const std::int64_t rows = records.num_rows();
  HR_ASSIGN_OR_RAISE(const std::vector<const std::uint64_t*> keys, keys_.Encode(records));
  const std::int64_t* times =
      batch.event_time_column() < 0 ? nullptr : records.column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
  HR_ASSIGN_OR_RAISE(const std::vector<op::AggregateInput> inputs, calls_.Evaluate(records, times));
  if (by_row_ != nullptr) HR_RETURN_NOT_OK(by_row_->Evaluate(records));
  rows_.resize(static_cast<std::size_t>(rows));
  HR_RETURN_NOT_OK(groups_.Resolve(keys, rows, rows_.data()));
  const std::uint32_t new_rows = calls_.state_words();
  std::vector<const std::uint64_t*> due;
  std::int64_t first = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    std::uint64_t* group = rows_[static_cast<std::size_t>(row)];
    if (by_row_ == nullptr) {
      ++group[new_rows];
      continue;
    }
    by_row_->GoTo(row);
    if (!by_row_->Counts(group + new_rows)) continue;
    // The group comes as it is behind this very row.
    HR_RETURN_NOT_OK(AddRows(inputs, first, row + 1 - first));
    first = row + 1;
    due.assign(1, group);
    HR_RETURN_NOT_OK(EmitGroups(due, out));
    if (!by_row_->purges()) continue;
    ReleaseAll(calls_.functions(), &group, 1);
    std::fill_n(group, new_rows, 0);
  }
  HR_RETURN_NOT_OK(AddRows(inputs, first, rows - first));
  if (trigger_.early_every_ms > 0 && early_at_ == MonotonicTime::max())
    early_at_ = clock_->Now() + std::chrono::milliseconds(trigger_.early_every_ms);
  AccountBytes();
  return Status::OK();
}

Status GlobalWindowAggregate::AddRows(const std::vector<op::AggregateInput>& inputs, std::int64_t first, std::int64_t rows) {
  for (std::size_t f = 0; f < inputs.size() && rows > 0; ++f)
    HR_RETURN_NOT_OK(calls_.functions()[f]->Add(inputs[f].From(first), rows_.data() + first, rows));
  return Status::OK();
}

Status GlobalWindowAggregate::EmitGroups(const std::vector<const std::uint64_t*>& values, op::Collector* out) {
  const auto rows = static_cast<std::int64_t>(values.size());
  if (rows == 0) return Status::OK();
  std::vector<const std::uint64_t*> keys;
  for (const std::uint64_t* group : values) keys.push_back(group - keys_.words());
  HR_ASSIGN_OR_RAISE(arrow::ArrayVector columns, keys_.Decode(keys.data(), rows));
  for (const auto& function : calls_.functions()) {
    HR_ASSIGN_OR_RAISE(auto column, function->Results(values.data(), rows));
    columns.push_back(std::move(column));
  }
  return out->Emit(columnar::DataBatch(arrow::RecordBatch::Make(output_, rows, std::move(columns))));
}

Status GlobalWindowAggregate::Poll(op::Collector* out) {
  if (firing_) return FirePiece(out);
  if (early_at_ == MonotonicTime::max() || clock_->Now() < early_at_) return Status::OK();
  early_at_ = MonotonicTime::max();
  firing_ = true;
  return FirePiece(out);
}

Status GlobalWindowAggregate::Finish(op::Collector* out) {
  firing_ = all_ = true;
  return FirePiece(out);
}

Status GlobalWindowAggregate::FirePiece(op::Collector* out) {
  std::vector<const std::uint64_t*> piece;
  const std::uint32_t new_rows = calls_.state_words();
  const std::int64_t stop = std::min(groups_.num_rows(), next_group_ + kPieceGroups);
  for (; next_group_ < stop && piece.size() < kPieceRows; ++next_group_) {
    std::uint64_t* group = groups_.RowValues(next_group_);
    const bool purges = by_row_ != nullptr && by_row_->purges();
    if (std::exchange(group[new_rows], 0) != 0 || (all_ && !purges)) piece.push_back(group);
  }
  HR_RETURN_NOT_OK(EmitGroups(piece, out));
  if (next_group_ < groups_.num_rows()) return Status::OK();
  next_group_ = 0;
  firing_ = false;
  return Status::OK();
}

void GlobalWindowAggregate::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = groups_.allocated_bytes() + keys_.allocated_bytes() + BytesOf(calls_.functions());
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::window
