#include "data/join/deduplicate.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "columnar/column_gatherer.h"
#include "columnar/row_kind.h"
#include "data/join/join_output.h"

namespace headrace::data::join {
namespace {

using columnar::RowKind;

}  // namespace

Result<std::unique_ptr<op::Operator>> Deduplicate::Make(const plan::DeduplicateSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                        bool before) {
  HR_ASSIGN_OR_RAISE(window::KeyWords keys, window::KeyWords::Make(*input, spec.keys));
  std::optional<state::RowStore> rows;
  if (before) {
    HR_ASSIGN_OR_RAISE(rows, state::RowStore::Make(input->fields()));
  }
  return std::unique_ptr<op::Operator>(new Deduplicate(spec, input->num_fields(), std::move(keys), std::move(rows)));
}

Deduplicate::~Deduplicate() {
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status Deduplicate::Open(const op::OperatorContext& context) {
  state_bytes_ = context.state_bytes;
  return idle_.Open(context.clock);
}

Status Deduplicate::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  if (by_event_time_ && batch.event_time_column() < 0)
    return Error(ErrorCode::kBadRecord, "rows without event times reached a deduplication by event time",
                 "Put with_watermarks() in front of it.");
  const arrow::RecordBatch& records = *batch.records();
  HR_ASSIGN_OR_RAISE(const auto keys, keys_.Encode(records));
  idle_.Begin();
  found_.resize(static_cast<std::size_t>(records.num_rows()));
  HR_RETURN_NOT_OK(groups_.Resolve(keys, records.num_rows(), found_.data()));
  EndIdle();
  chosen_.clear();
  if (!last_ && !by_event_time_) {
    HR_RETURN_NOT_OK(EmitFirst(batch, out));
  } else {
    Choose(by_event_time_ ? records.column_data(batch.event_time_column())->GetValues<std::int64_t>(1) : nullptr);
    HR_RETURN_NOT_OK(rows_ ? EmitPairs(batch, out) : EmitChosen(batch, out));
  }
  HR_RETURN_NOT_OK(idle_.Sweep(&groups_, [this](const std::uint64_t* group) {
    if (rows_) rows_->Remove(static_cast<std::uint32_t>(group[kRow]));
  }));
  if (keys_.wants_sweep()) {
    for (std::int64_t group = 0; group < groups_.num_rows(); ++group) keys_.Mark(groups_.RowKey(group));
    keys_.Sweep();
  }
  AccountBytes();
  return Status::OK();
}

/// Keys of the batch that have ended are as new ones.
void Deduplicate::EndIdle() {
  if (!idle_.on()) return;
  for (std::uint64_t* group : found_) {
    if (!idle_.HasEnded(group)) continue;
    if (rows_) rows_->Remove(static_cast<std::uint32_t>(group[kRow]));
    std::fill_n(group, groups_.value_words(), 0);
  }
}

Status Deduplicate::EmitFirst(const columnar::DataBatch& batch, op::Collector* out) {
  for (std::uint32_t i = 0; i < found_.size(); ++i)
    if (std::exchange(found_[i][kHas], 1) == 0) {
      chosen_.push_back(i);
      idle_.Touch(found_[i]);
    }
  if (chosen_.size() == found_.size()) return out->Emit(batch);
  if (chosen_.empty()) return Status::OK();
  HR_ASSIGN_OR_RAISE(auto rows, columnar::GatherRows(*batch.records(), chosen_));
  return out->Emit(columnar::DataBatch(std::move(rows)));
}

/// The row of each group that stays, if it is one of this batch. `times` null: by arrival.
void Deduplicate::Choose(const std::int64_t* times) {
  ++batch_;
  chosen_groups_.clear();
  had_.clear();
  for (std::uint32_t i = 0; i < found_.size(); ++i) {
    std::uint64_t* group = found_[i];
    if (times != nullptr) {
      const auto had_ms = static_cast<std::int64_t>(group[kTime]);
      if (group[kHas] != 0 && (last_ ? times[i] < had_ms : times[i] >= had_ms)) continue;
      group[kTime] = static_cast<std::uint64_t>(times[i]);
    }
    idle_.Touch(group);
    const bool had = std::exchange(group[kHas], 1) != 0;
    if (std::exchange(group[kStamp], batch_) == batch_) {
      chosen_[group[kChosen]] = i;
      continue;
    }
    group[kChosen] = chosen_.size();
    chosen_.push_back(i);
    chosen_groups_.push_back(group);
    had_.push_back(had);
  }
}

/// The chosen rows as they are in the batch, with their kinds.
Status Deduplicate::EmitChosen(const columnar::DataBatch& batch, op::Collector* out) {
  if (chosen_.empty()) return Status::OK();
  HR_ASSIGN_OR_RAISE(auto rows, columnar::GatherRows(*batch.records(), chosen_));
  std::vector<std::uint8_t> kinds(chosen_.size());
  for (std::size_t i = 0; i < kinds.size(); ++i)
    kinds[i] = static_cast<std::uint8_t>(had_[i] != 0 ? RowKind::kUpdateAfter : RowKind::kInsert);
  HR_ASSIGN_OR_RAISE(auto column, CopyColumn(arrow::uint8(), kinds.data(), rows->num_rows()));
  HR_ASSIGN_OR_RAISE(
      rows, rows->AddColumn(rows->num_columns(), arrow::field(std::string(columnar::kRowKindColumn), arrow::uint8(), /*nullable=*/false),
                            column));
  return out->Emit(columnar::DataBatch(std::move(rows)));
}

/// The chosen rows, each behind the one that it replaces.
Status Deduplicate::EmitPairs(const columnar::DataBatch& batch, op::Collector* out) {
  if (chosen_.empty()) return Status::OK();
  const arrow::RecordBatch& records = *batch.records();
  const std::int64_t* times =
      batch.event_time_column() < 0 ? nullptr : records.column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
  numbers_.resize(chosen_.size());
  HR_RETURN_NOT_OK(rows_->Append(records, chosen_, numbers_.data()));
  std::vector<std::uint32_t> shown;
  std::vector<std::uint8_t> kinds;
  for (std::size_t i = 0; i < chosen_.size(); ++i) {
    if (times != nullptr) rows_->time(numbers_[i]) = times[chosen_[i]];
    if (had_[i] != 0) {
      shown.push_back(static_cast<std::uint32_t>(chosen_groups_[i][kRow]));
      kinds.push_back(static_cast<std::uint8_t>(RowKind::kUpdateBefore));
    }
    shown.push_back(numbers_[i]);
    kinds.push_back(static_cast<std::uint8_t>(had_[i] != 0 ? RowKind::kUpdateAfter : RowKind::kInsert));
  }
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  for (int c = 0; c < columns_; ++c) {
    HR_ASSIGN_OR_RAISE(auto column, rows_->Gather(c, shown));
    fields.push_back(records.schema()->field(c));
    columns.push_back(std::move(column));
  }
  const auto count = static_cast<std::int64_t>(shown.size());
  if (times != nullptr) {
    std::vector<std::int64_t> shown_times;
    for (const std::uint32_t row : shown) shown_times.push_back(rows_->time(row));
    HR_ASSIGN_OR_RAISE(auto column, CopyColumn(arrow::int64(), shown_times.data(), count));
    fields.push_back(arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), /*nullable=*/false));
    columns.push_back(std::move(column));
  }
  HR_ASSIGN_OR_RAISE(auto kind_column, CopyColumn(arrow::uint8(), kinds.data(), count));
  fields.push_back(arrow::field(std::string(columnar::kRowKindColumn), arrow::uint8(), /*nullable=*/false));
  columns.push_back(std::move(kind_column));
  for (std::size_t i = 0; i < chosen_.size(); ++i) {
    if (had_[i] != 0) rows_->Remove(static_cast<std::uint32_t>(chosen_groups_[i][kRow]));
    chosen_groups_[i][kRow] = numbers_[i];
  }
  HR_RETURN_NOT_OK(rows_->Compact());
  return out->Emit(columnar::DataBatch(arrow::RecordBatch::Make(arrow::schema(std::move(fields)), count, std::move(columns))));
}

void Deduplicate::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = keys_.allocated_bytes() + groups_.allocated_bytes() + (rows_ ? rows_->allocated_bytes() : 0);
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::join
