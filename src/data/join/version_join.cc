#include "data/join/version_join.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

namespace headrace::data::join {
namespace {

using columnar::RowKind;
constexpr std::size_t kPieceRows = 4096;

}  // namespace

Result<std::unique_ptr<op::Operator>> VersionJoin::Make(const plan::JoinSpec& spec, const plan::JoinColumns& columns,
                                                        const std::array<std::shared_ptr<arrow::Schema>, 2>& inputs) {
  HR_ASSIGN_OR_RAISE(JoinKeys keys, JoinKeys::Make(inputs, {spec.left_keys, spec.right_keys}));
  HR_ASSIGN_OR_RAISE(JoinTable table, JoinTable::Make(std::move(keys), {inputs[0]->fields(), inputs[1]->fields()}));
  return std::unique_ptr<op::Operator>(new VersionJoin(spec, columns, inputs[0], std::move(table)));
}

VersionJoin::VersionJoin(const plan::JoinSpec& spec, const plan::JoinColumns& columns, std::shared_ptr<arrow::Schema> left, JoinTable table)
    : keeps_left_(spec.kind == plan::JoinSpec::Kind::kLeft),
      by_arrival_(spec.window.processing_time),
      late_tag_(spec.late_tags[0]),
      columns_(columns),
      left_(std::move(left)),
      table_(std::move(table)),
      waiting_(kGrainMs) {
  if (!by_arrival_) output_.emplace(columns, /*times=*/true, /*kinds=*/false);
}

VersionJoin::~VersionJoin() {
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status VersionJoin::Open(const op::OperatorContext& context) {
  late_.Open(context);
  state_bytes_ = context.state_bytes;
  return Status::OK();
}

Status VersionJoin::Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) {
  if (batch.event_time_column() < 0 && !by_arrival_)
    return Error(ErrorCode::kBadRecord, "rows without event times reached a join with versions",
                 "Put with_watermarks() in front of both streams.");
  const arrow::RecordBatch& records = *batch.records();
  const std::int64_t* times = nullptr;
  if (batch.event_time_column() >= 0) times = records.column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
  HR_ASSIGN_OR_RAISE(const auto groups, table_.Resolve(input, records));
  if (input == 0)
    HR_RETURN_NOT_OK(by_arrival_ ? JoinAtOnce(batch, groups, out) : TakeLeft(batch, groups, times, out));
  else
    HR_RETURN_NOT_OK(TakeVersions(batch, groups, times));
  if (by_arrival_) HR_RETURN_NOT_OK(table_.Tidy());
  AccountBytes();
  return Status::OK();
}

Status VersionJoin::JoinAtOnce(const columnar::DataBatch& batch, std::span<std::uint64_t* const> groups, op::Collector* out) {
  const bool timed = batch.event_time_column() >= 0;
  if (!output_) output_.emplace(columns_, timed, /*kinds=*/false);
  const std::int64_t* times = timed ? batch.records()->column_data(batch.event_time_column())->GetValues<std::int64_t>(1) : nullptr;
  output_->Begin(0, &batch, &table_.rows(1));
  for (std::uint32_t i = 0; i < groups.size(); ++i) {
    const std::uint32_t version = table_.IsNull(i) ? kNone : JoinTable::Tail(groups[i], 1);
    if (version != kNone || keeps_left_) HR_RETURN_NOT_OK(output_->Add(i, version, RowKind::kInsert, times == nullptr ? 0 : times[i], out));
  }
  return output_->Flush(out);
}

/// The row that came takes the place of those of its key; one that takes back leaves none.
void VersionJoin::Replace(std::uint64_t* group, std::uint32_t row) {
  table_.LinkLast(1, group, row);
  while (JoinTable::Head(group, 1) != row) table_.Remove(1, JoinTable::Head(group, 1));
  if (table_.rows(1).count(row) != 0) table_.Remove(1, row);
}

Status VersionJoin::TakeLeft(const columnar::DataBatch& batch, std::span<std::uint64_t* const> groups, const std::int64_t* times,
                             op::Collector* out) {
  output_->Begin(0, &batch, &table_.rows(1));
  indices_.clear();
  late_rows_.clear();
  for (std::uint32_t i = 0; i < groups.size(); ++i) {
    if (times[i] <= watermark_ms_)
      late_rows_.push_back(i);
    else if (!table_.IsNull(i))
      indices_.push_back(i);
    else if (keeps_left_)
      HR_RETURN_NOT_OK(output_->Add(i, kNone, RowKind::kInsert, times[i], out));
  }
  HR_RETURN_NOT_OK(output_->Flush(out));
  late_.Add(late_rows_.size());
  HR_RETURN_NOT_OK(EmitLate(late_tag_, *batch.records(), late_rows_, out));
  numbers_.resize(indices_.size());
  state::RowStore& rows = table_.rows(0);
  HR_RETURN_NOT_OK(rows.Append(*batch.records(), indices_, numbers_.data()));
  for (std::size_t i = 0; i < indices_.size(); ++i) {
    const std::uint32_t row = numbers_[i];
    rows.time(row) = times[indices_[i]];
    table_.LinkLast(0, groups[indices_[i]], row);
    waiting_.Add(rows.time(row), row, rows.generation(row));
  }
  return Status::OK();
}

Status VersionJoin::TakeVersions(const columnar::DataBatch& batch, std::span<std::uint64_t* const> groups, const std::int64_t* times) {
  const auto& records = *batch.records();
  const std::uint8_t* kinds =
      batch.row_kind_column() < 0 ? nullptr : records.column_data(batch.row_kind_column())->GetValues<std::uint8_t>(1);
  indices_.clear();
  for (std::uint32_t i = 0; i < groups.size(); ++i)
    if (!table_.IsNull(i) && (kinds == nullptr || static_cast<RowKind>(kinds[i]) != RowKind::kUpdateBefore)) indices_.push_back(i);
  numbers_.resize(indices_.size());
  state::RowStore& rows = table_.rows(1);
  HR_RETURN_NOT_OK(rows.Append(records, indices_, numbers_.data()));
  for (std::size_t i = 0; i < indices_.size(); ++i) {
    const std::uint32_t row = numbers_[i];
    std::uint64_t* group = groups[indices_[i]];
    rows.time(row) = by_arrival_ ? 0 : times[indices_[i]];
    rows.count(row) = kinds != nullptr && columnar::TakesBack(kinds[indices_[i]]) ? 1 : 0;
    if (by_arrival_) {
      Replace(group, row);
      continue;
    }
    std::uint32_t after = JoinTable::Tail(group, 1);
    while (after != kNone && rows.time(after) > rows.time(row)) after = rows.previous(after);
    table_.Link(1, group, row, after);
    Prune(group);
  }
  return Status::OK();
}

/// Versions that a later one behind the watermark replaced: no row that is still to come asks for them.
void VersionJoin::Prune(const std::uint64_t* group) {
  const state::RowStore& rows = table_.rows(1);
  for (;;) {
    const std::uint32_t head = JoinTable::Head(group, 1), next = rows.next(head);
    if (next == kNone || rows.time(next) > watermark_ms_) return;
    table_.Remove(1, head);
  }
}

std::uint32_t VersionJoin::VersionAt(const std::uint64_t* group, std::int64_t time_ms) {
  const state::RowStore& rows = table_.rows(1);
  std::uint32_t version = JoinTable::Tail(group, 1);
  while (version != kNone && rows.time(version) > time_ms) version = rows.previous(version);
  return version != kNone && rows.count(version) == 0 ? version : kNone;
}

Status VersionJoin::OnWatermark(const columnar::Watermark& watermark, op::Collector* out) {
  watermark_ms_ = watermark.event_time_ms;
  return Release(watermark_ms_, out);
}

Status VersionJoin::Release(std::int64_t watermark_ms, op::Collector* out) {
  std::vector<std::uint32_t> due;
  waiting_.ExpireUpTo(watermark_ms, /*exact=*/true, table_.rows(0), [&](std::uint32_t row) { due.push_back(row); });
  for (std::size_t at = 0; at < due.size(); at += kPieceRows)
    HR_RETURN_NOT_OK(EmitRows({due.data() + at, std::min(kPieceRows, due.size() - at)}, out));
  if (!due.empty()) HR_RETURN_NOT_OK(table_.Tidy());
  AccountBytes();
  return Status::OK();
}

Status VersionJoin::EmitRows(std::span<const std::uint32_t> due, op::Collector* out) {
  state::RowStore& rows = table_.rows(0);
  arrow::ArrayVector columns;
  for (int c = 0; c < left_->num_fields(); ++c) {
    HR_ASSIGN_OR_RAISE(auto column, rows.Gather(c, due));
    columns.push_back(std::move(column));
  }
  const columnar::DataBatch batch(arrow::RecordBatch::Make(left_, static_cast<std::int64_t>(due.size()), std::move(columns)));
  output_->Begin(0, &batch, &table_.rows(1));
  for (std::uint32_t i = 0; i < due.size(); ++i) {
    const std::uint32_t version = VersionAt(table_.GroupOf(0, due[i]), rows.time(due[i]));
    if (version != kNone || keeps_left_) HR_RETURN_NOT_OK(output_->Add(i, version, RowKind::kInsert, rows.time(due[i]), out));
  }
  HR_RETURN_NOT_OK(output_->Flush(out));
  for (const std::uint32_t row : due) table_.Remove(0, row);
  return Status::OK();
}

void VersionJoin::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = table_.allocated_bytes() + waiting_.allocated_bytes();
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::join
