#include "data/join/interval_join.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

namespace headrace::data::join {
namespace {

using columnar::RowKind;

/// Pieces of the span that are forgotten together.
constexpr std::int64_t kGrains = 32;

}  // namespace

Result<std::unique_ptr<op::Operator>> IntervalJoin::Make(const plan::JoinSpec& spec, const plan::JoinColumns& columns,
                                                         const std::array<std::shared_ptr<arrow::Schema>, 2>& inputs) {
  HR_ASSIGN_OR_RAISE(JoinKeys keys, JoinKeys::Make(inputs, {spec.left_keys, spec.right_keys}));
  std::array<arrow::FieldVector, 2> fields = {inputs[0]->fields(), inputs[1]->fields()};
  if (spec.kind == Kind::kSemi || spec.kind == Kind::kAnti) fields[1].clear();
  HR_ASSIGN_OR_RAISE(JoinTable table, JoinTable::Make(std::move(keys), fields));
  return std::unique_ptr<op::Operator>(new IntervalJoin(spec, columns, std::move(table)));
}

IntervalJoin::IntervalJoin(const plan::JoinSpec& spec, const plan::JoinColumns& columns, JoinTable table)
    : kind_(spec.kind),
      late_tags_(spec.late_tags),
      lower_ms_(spec.lower_ms),
      upper_ms_(spec.upper_ms),
      table_(std::move(table)),
      output_(columns, /*times=*/true, /*kinds=*/false),
      expiry_{ExpiryQueue((spec.upper_ms - spec.lower_ms) / kGrains), ExpiryQueue((spec.upper_ms - spec.lower_ms) / kGrains)} {
  // A row that met nothing comes when the watermark has passed the last time that it might have met.
  if (Preserved(0)) held_ms_ = std::max<std::int64_t>(held_ms_, upper_ms_);
  if (Preserved(1)) held_ms_ = std::max<std::int64_t>(held_ms_, -lower_ms_);
}

IntervalJoin::~IntervalJoin() {
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

bool IntervalJoin::Preserved(std::size_t side) const {
  if (side == 1) return kind_ == Kind::kRight || kind_ == Kind::kFull;
  return kind_ == Kind::kLeft || kind_ == Kind::kFull || kind_ == Kind::kAnti;
}

Status IntervalJoin::Open(const op::OperatorContext& context) {
  late_.Open(context);
  state_bytes_ = context.state_bytes;
  return Status::OK();
}

Status IntervalJoin::Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) {
  const std::size_t side = input;
  if (batch.event_time_column() < 0)
    return Error(ErrorCode::kBadRecord, "rows without event times reached a join of rows that are close in time",
                 "Put with_watermarks() in front of both streams.");
  const arrow::RecordBatch& records = *batch.records();
  const auto* times = records.column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
  HR_ASSIGN_OR_RAISE(const auto groups, table_.Resolve(side, records));
  output_.Begin(side, &batch, &table_.rows(1 - side));
  late_rows_.clear();
  keeps_.clear();
  const state::RowStore& others = table_.rows(1 - side);
  for (std::uint32_t i = 0; i < groups.size(); ++i) {
    if (i + JoinTable::kAhead < groups.size()) others.Prefetch(JoinTable::Head(groups[i + JoinTable::kAhead], 1 - side));
    if (times[i] <= watermark_ms_) {
      late_rows_.push_back(i);
    } else if (table_.IsNull(i)) {
      if (Preserved(side)) HR_RETURN_NOT_OK(output_.Add(i, kNone, RowKind::kInsert, times[i], out));
    } else {
      HR_RETURN_NOT_OK(TakeRow(side, i, times[i], groups[i], out));
    }
  }
  HR_RETURN_NOT_OK(output_.Flush(out));
  HR_RETURN_NOT_OK(KeepRows(side, records));
  AccountBytes();
  late_.Add(late_rows_.size());
  return EmitLate(late_tags_[side], records, late_rows_, out);
}

Status IntervalJoin::TakeRow(std::size_t side, std::uint32_t mine, std::int64_t time_ms, std::uint64_t* group, op::Collector* out) {
  std::uint32_t matches = 0;
  HR_RETURN_NOT_OK(Pair(side, mine, time_ms, group, &matches, out));
  const bool shown = kind_ == Kind::kSemi && side == 0 && matches > 0;
  if (shown) HR_RETURN_NOT_OK(output_.Add(mine, kNone, RowKind::kInsert, time_ms, out));
  if (Latest(side, time_ms) > watermark_ms_) {
    // Once it is shown, or known not to be, nothing depends on a left row any more.
    if (!left_only() || side == 1 || matches == 0) keeps_.push_back({mine, matches, time_ms, group});
  } else if (matches == 0 && Preserved(side)) {
    return output_.Add(mine, kNone, RowKind::kInsert, time_ms, out);
  }
  return Status::OK();
}

Status IntervalJoin::Pair(std::size_t side, std::uint32_t mine, std::int64_t time_ms, const std::uint64_t* group, std::uint32_t* matches,
                          op::Collector* out) {
  const std::size_t there = 1 - side;
  const state::RowStore& others = table_.rows(there);
  const std::int64_t earliest = Earliest(side, time_ms), latest = Latest(side, time_ms);
  for (std::uint32_t other = JoinTable::Head(group, there); other != kNone; other = others.next(other)) {
    const std::int64_t other_ms = others.time(other);
    if (other_ms < earliest || other_ms > latest) continue;
    ++*matches;
    const bool first = others.count(other)++ == 0;
    if (!left_only())
      HR_RETURN_NOT_OK(output_.Add(mine, other, RowKind::kInsert, std::max(time_ms, other_ms), out));
    else if (first && side == 1 && kind_ == Kind::kSemi)
      HR_RETURN_NOT_OK(output_.Add(kNone, other, RowKind::kInsert, std::max(time_ms, other_ms), out));
  }
  return Status::OK();
}

Status IntervalJoin::KeepRows(std::size_t side, const arrow::RecordBatch& records) {
  indices_.clear();
  for (const Kept& kept : keeps_) indices_.push_back(kept.mine);
  numbers_.resize(indices_.size());
  state::RowStore& rows = table_.rows(side);
  HR_RETURN_NOT_OK(rows.Append(records, indices_, numbers_.data()));
  for (std::size_t i = 0; i < keeps_.size(); ++i) {
    const std::uint32_t row = numbers_[i];
    if (i + JoinTable::kAhead < keeps_.size()) rows.Prefetch(JoinTable::Tail(keeps_[i + JoinTable::kAhead].group, side));
    rows.time(row) = keeps_[i].time_ms;
    rows.count(row) = keeps_[i].matches;
    table_.LinkLast(side, keeps_[i].group, row);
    expiry_[side].Add(Latest(side, keeps_[i].time_ms), row, rows.generation(row));
  }
  return Status::OK();
}

Status IntervalJoin::ExpireUpTo(std::int64_t watermark_ms, op::Collector* out) {
  bool removed = false;
  for (const std::size_t side : {0, 1}) {
    std::vector<std::uint32_t>& due = indices_;
    due.clear();
    // Rows that are not shown may stay until their whole bucket is due.
    removed |= expiry_[side].ExpireUpTo(watermark_ms, Preserved(side), table_.rows(side), [&](std::uint32_t row) { due.push_back(row); });
    // The rows are shown as the others of a batch of the other side that does not exist.
    output_.Begin(1 - side, nullptr, &table_.rows(side));
    for (const std::uint32_t row : due)
      if (Preserved(side) && table_.rows(side).count(row) == 0)
        HR_RETURN_NOT_OK(output_.Add(kNone, row, RowKind::kInsert, table_.rows(side).time(row), out));
    HR_RETURN_NOT_OK(output_.Flush(out));
    table_.RemoveAll(side, due);
  }
  if (removed) HR_RETURN_NOT_OK(table_.Tidy());
  AccountBytes();
  return Status::OK();
}

Status IntervalJoin::OnWatermark(const columnar::Watermark& watermark, op::Collector* out) {
  watermark_ms_ = watermark.event_time_ms;
  HR_RETURN_NOT_OK(ExpireUpTo(watermark_ms_, out));
  if (held_ms_ == 0) return Status::OK();
  const bool last = watermark_ms_ == std::numeric_limits<std::int64_t>::max();
  const std::int64_t passed_ms = last ? watermark_ms_ : watermark_ms_ < kNever + held_ms_ ? kNever : watermark_ms_ - held_ms_;
  if (passed_ms <= emitted_ms_) return Status::OK();
  emitted_ms_ = passed_ms;
  return out->EmitWatermark({passed_ms});
}

Status IntervalJoin::Finish(op::Collector* out) { return ExpireUpTo(std::numeric_limits<std::int64_t>::max(), out); }

void IntervalJoin::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = table_.allocated_bytes() + expiry_[0].allocated_bytes() + expiry_[1].allocated_bytes();
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::join
