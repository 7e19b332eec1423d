#include "data/join/regular_join.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

namespace headrace::data::join {
namespace {

using columnar::RowKind;

std::int64_t NowMs(const Clock& clock) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock.Now().time_since_epoch()).count();
}

}  // namespace

Result<std::unique_ptr<op::Operator>> RegularJoin::Make(const plan::JoinSpec& spec, const plan::JoinColumns& columns,
                                                        const std::array<std::shared_ptr<arrow::Schema>, 2>& inputs, bool right_updates,
                                                        bool kinds) {
  HR_ASSIGN_OR_RAISE(JoinKeys keys, JoinKeys::Make(inputs, {spec.left_keys, spec.right_keys}));
  std::array<arrow::FieldVector, 2> fields = {inputs[0]->fields(), inputs[1]->fields()};
  // Of rows that are never shown nor taken back the key is enough.
  if ((spec.kind == Kind::kSemi || spec.kind == Kind::kAnti) && !right_updates) fields[1].clear();
  HR_ASSIGN_OR_RAISE(JoinTable table, JoinTable::Make(std::move(keys), fields));
  return std::unique_ptr<op::Operator>(new RegularJoin(spec, columns, std::move(table), kinds));
}

RegularJoin::RegularJoin(const plan::JoinSpec& spec, const plan::JoinColumns& columns, JoinTable table, bool kinds)
    : kind_(spec.kind), ttl_ms_(spec.ttl_ms), table_(std::move(table)), output_(columns, /*times=*/false, kinds) {
  // Rows may stay a sixteenth longer than asked for.
  for (const std::size_t side : {0, 1})
    if (ttl_ms_[side] > 0) expiry_[side].emplace(static_cast<std::int64_t>(ttl_ms_[side] / 16));
}

RegularJoin::~RegularJoin() {
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status RegularJoin::Open(const op::OperatorContext& context) {
  state_bytes_ = context.state_bytes;
  clock_ = context.clock;
  if (clock_ == nullptr && (ttl_ms_[0] > 0 || ttl_ms_[1] > 0)) return Status::Invalid("a time-to-live without a clock");
  return Status::OK();
}

/// Puts rows of the batch into the side's store: kept_[i] is the number of row i, kNone for null keys. Rows that take back are put there
/// for a moment, to be compared with.
Status RegularJoin::KeepRows(std::size_t side, const columnar::DataBatch& batch, const std::uint8_t* kinds) {
  const auto rows = static_cast<std::uint32_t>(batch.num_rows());
  indices_.clear();
  for (std::uint32_t i = 0; i < rows; ++i)
    if (!table_.IsNull(i)) indices_.push_back(i);
  std::vector<std::uint32_t>& kept = kept_;
  kept.assign(rows, kNone);
  HR_RETURN_NOT_OK(table_.rows(side).Append(*batch.records(), indices_, kept.data()));
  // Numbers came densely: spread them over the rows, from behind.
  for (std::size_t at = indices_.size(); at-- > 0;) {
    const std::uint32_t number = kept[at];
    if (indices_[at] != at) kept[at] = kNone;
    kept[indices_[at]] = number;
  }
  if (!expiry_[side]) return Status::OK();
  const std::int64_t until_ms = NowMs(*clock_) + static_cast<std::int64_t>(ttl_ms_[side]);
  for (std::uint32_t i = 0; i < rows; ++i)
    if (kept[i] != kNone && (kinds == nullptr || !columnar::TakesBack(kinds[i])))
      expiry_[side]->Add(until_ms, kept[i], table_.rows(side).generation(kept[i]));
  return Status::OK();
}

Status RegularJoin::Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) {
  const std::size_t side = input;
  removed_ = false;
  Expire();
  HR_ASSIGN_OR_RAISE(const auto groups, table_.Resolve(side, *batch.records()));
  const std::uint8_t* kinds =
      batch.row_kind_column() < 0 ? nullptr : batch.records()->column_data(batch.row_kind_column())->GetValues<std::uint8_t>(1);
  HR_RETURN_NOT_OK(KeepRows(side, batch, kinds));
  output_.Begin(side, &batch, &table_.rows(1 - side));
  for (std::uint32_t i = 0; i < groups.size(); ++i) {
    const auto kind = static_cast<RowKind>(kinds == nullptr ? 0 : kinds[i]);
    const bool back = columnar::TakesBack(static_cast<std::uint8_t>(kind));
    if (kept_[i] == kNone)
      HR_RETURN_NOT_OK(Unmatched(side, i, back, out));
    else if (back)
      HR_RETURN_NOT_OK(TakeBack(side, i, kept_[i], groups[i], kind, out));
    else
      HR_RETURN_NOT_OK(TakeIn(side, i, kept_[i], groups[i], kind, out));
  }
  HR_RETURN_NOT_OK(output_.Flush(out));
  if (removed_) HR_RETURN_NOT_OK(table_.Tidy());
  AccountBytes();
  return Status::OK();
}

/// A row that no other meets, comes or goes.
Status RegularJoin::Unmatched(std::size_t side, std::uint32_t mine, bool back, op::Collector* out) {
  if (!Preserved(side) && !(side == 0 && kind_ == Kind::kAnti)) return Status::OK();
  return output_.Add(mine, kNone, back ? RowKind::kDelete : RowKind::kInsert, 0, out);
}

/// A kept row of the other side meets one more row, or one less: what was said of it alone changes with the first and the last.
Status RegularJoin::NoteMatch(std::size_t side, std::uint32_t other, bool back, op::Collector* out) {
  const std::size_t there = 1 - side;
  if (!Preserved(there) && !(side == 1 && left_only())) return Status::OK();
  std::uint32_t& count = table_.rows(there).count(other);
  if (back && count > 0) --count;  // it may be 0 where the row that goes was older than what was forgotten
  const bool turns = count == 0;
  if (!back) ++count;
  if (!turns) return Status::OK();
  if (left_only()) return output_.Add(kNone, other, back == (kind_ == Kind::kAnti) ? RowKind::kInsert : RowKind::kDelete, 0, out);
  return output_.Add(kNone, other, back ? RowKind::kInsert : RowKind::kDelete, 0, out);
}

Status RegularJoin::PairWith(std::size_t side, std::uint32_t mine, const std::uint64_t* group, RowKind kind, std::uint32_t* matches,
                             op::Collector* out) {
  const std::size_t there = 1 - side;
  const bool back = columnar::TakesBack(static_cast<std::uint8_t>(kind));
  const state::RowStore& others = table_.rows(there);
  for (std::uint32_t other = JoinTable::Head(group, there); other != kNone; other = others.next(other)) {
    ++*matches;
    if (!back) HR_RETURN_NOT_OK(NoteMatch(side, other, back, out));
    if (!left_only()) HR_RETURN_NOT_OK(output_.Add(mine, other, kind, 0, out));
    if (back) HR_RETURN_NOT_OK(NoteMatch(side, other, back, out));
  }
  return Status::OK();
}

Status RegularJoin::TakeIn(std::size_t side, std::uint32_t mine, std::uint32_t row, std::uint64_t* group, RowKind kind,
                           op::Collector* out) {
  std::uint32_t matches = 0;
  HR_RETURN_NOT_OK(PairWith(side, mine, group, kind, &matches, out));
  table_.LinkLast(side, group, row);
  table_.rows(side).count(row) = matches;
  if (left_only() && side == 0)
    return (matches > 0) == (kind_ == Kind::kSemi) ? output_.Add(mine, kNone, RowKind::kInsert, 0, out) : Status::OK();
  return matches == 0 ? Unmatched(side, mine, false, out) : Status::OK();
}

Status RegularJoin::TakeBack(std::size_t side, std::uint32_t mine, std::uint32_t pattern, std::uint64_t* group, RowKind kind,
                             op::Collector* out) {
  state::RowStore& rows = table_.rows(side);
  std::uint32_t row = JoinTable::Head(group, side);
  while (row != kNone && !rows.Equal(row, pattern)) row = rows.next(row);
  rows.Remove(pattern);
  removed_ = true;
  if (row == kNone) return Status::OK();  // it was forgotten, and what it met with it
  table_.Remove(side, row);
  std::uint32_t matches = 0;
  HR_RETURN_NOT_OK(PairWith(side, mine, group, kind, &matches, out));
  if (left_only() && side == 0)
    return (matches > 0) == (kind_ == Kind::kSemi) ? output_.Add(mine, kNone, RowKind::kDelete, 0, out) : Status::OK();
  return matches == 0 ? Unmatched(side, mine, true, out) : Status::OK();
}

void RegularJoin::Expire() {
  next_poll_ = MonotonicTime::max();
  for (const std::size_t side : {0, 1}) {
    if (!expiry_[side]) continue;
    if (expiry_[side]->ExpireUpTo(NowMs(*clock_), /*exact=*/false, table_.rows(side), [&](std::uint32_t row) { table_.Remove(side, row); }))
      removed_ = true;
    if (!expiry_[side]->empty()) next_poll_ = std::min(next_poll_, MonotonicTime(std::chrono::milliseconds(expiry_[side]->next_ms())));
  }
}

Status RegularJoin::Poll(op::Collector*) {
  if (next_poll_ == MonotonicTime::max() || clock_->Now() < next_poll_) return Status::OK();
  removed_ = false;
  Expire();
  if (removed_) HR_RETURN_NOT_OK(table_.Tidy());
  AccountBytes();
  return Status::OK();
}

void RegularJoin::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  std::int64_t bytes = table_.allocated_bytes();
  for (const auto& expiry : expiry_) bytes += expiry ? expiry->allocated_bytes() : 0;
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::join
