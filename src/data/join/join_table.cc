#include "data/join/join_table.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <utility>

namespace headrace::data::join {
namespace {

/// From this many keys on it is worth looking for those without rows.
constexpr std::int64_t kFewGroups = 1024;

}  // namespace

Result<JoinTable> JoinTable::Make(JoinKeys keys, const std::array<arrow::FieldVector, 2>& fields) {
  HR_ASSIGN_OR_RAISE(auto left, state::RowStore::Make(fields[0], 1));
  HR_ASSIGN_OR_RAISE(auto right, state::RowStore::Make(fields[1], 1));
  return JoinTable(std::move(keys), std::move(left), std::move(right));
}

JoinTable::JoinTable(JoinKeys keys, state::RowStore left, state::RowStore right)
    : keys_(std::move(keys)), stores_{std::move(left), std::move(right)}, groups_(keys_.words(), kGroupWords) {}

Result<std::span<std::uint64_t* const>> JoinTable::Resolve(std::size_t side, const arrow::RecordBatch& batch) {
  HR_ASSIGN_OR_RAISE(const auto words, keys_.Encode(side, batch));
  found_.resize(static_cast<std::size_t>(batch.num_rows()));
  const std::int64_t known = groups_.num_rows();
  HR_RETURN_NOT_OK(groups_.Resolve(words, batch.num_rows(), found_.data()));
  Number(known);
  return std::span<std::uint64_t* const>(found_);
}

void JoinTable::Number(std::int64_t from) {
  for (std::int64_t group = from; group < groups_.num_rows(); ++group)
    groups_.RowValues(group)[kNumber] = static_cast<std::uint64_t>(group);
}

void JoinTable::Link(std::size_t side, std::uint64_t* group, std::uint32_t row, std::uint32_t after) {
  state::RowStore& rows = stores_[side];
  rows.extra(row)[0] = group[kNumber];
  used_groups_ += group[0] == 0 && group[1] == 0 ? 1 : 0;
  std::uint32_t head = Head(group, side), tail = Tail(group, side);
  const std::uint32_t next = after == kNone ? head : rows.next(after);
  rows.previous(row) = after;
  rows.next(row) = next;
  if (after == kNone)
    head = row;
  else
    rows.next(after) = row;
  if (next == kNone)
    tail = row;
  else
    rows.previous(next) = row;
  group[side] = std::uint64_t{tail + 1} << 32 | (head + 1);
}

void JoinTable::Remove(std::size_t side, std::uint32_t row) {
  state::RowStore& rows = stores_[side];
  std::uint64_t* group = GroupOf(side, row);
  std::uint32_t head = Head(group, side), tail = Tail(group, side);
  const std::uint32_t next = rows.next(row), previous = rows.previous(row);
  if (previous == kNone)
    head = next;
  else
    rows.next(previous) = next;
  if (next == kNone)
    tail = previous;
  else
    rows.previous(next) = previous;
  group[side] = head == kNone ? 0 : std::uint64_t{tail + 1} << 32 | (head + 1);
  used_groups_ -= group[0] == 0 && group[1] == 0 ? 1 : 0;
  rows.Remove(row);
}

void JoinTable::RemoveAll(std::size_t side, std::span<const std::uint32_t> rows) {
  const state::RowStore& store = stores_[side];
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i + 2 * kAhead < rows.size()) store.Prefetch(rows[i + 2 * kAhead]);
    if (i + kAhead < rows.size()) {
      const std::uint32_t row = rows[i + kAhead];
      __builtin_prefetch(GroupOf(side, row), 1);
      store.Prefetch(store.next(row));
      store.Prefetch(store.previous(row));
    }
    Remove(side, rows[i]);
  }
}

Status JoinTable::Tidy() {
  for (state::RowStore& rows : stores_) HR_RETURN_NOT_OK(rows.Compact());
  if (groups_.num_rows() > kFewGroups && used_groups_ * 3 < groups_.num_rows()) HR_RETURN_NOT_OK(Rebuild());
  if (!keys_.wants_sweep()) return Status::OK();
  for (std::int64_t group = 0; group < groups_.num_rows(); ++group) keys_.Mark(groups_.RowKey(group));
  keys_.Sweep();
  return Status::OK();
}

Status JoinTable::Rebuild() {
  constexpr std::int64_t kPart = 1024;
  state::GroupTable fresh(keys_.words(), kGroupWords);
  std::vector<std::vector<std::uint64_t>> words(keys_.words());
  std::vector<std::uint64_t*> from, to;
  const auto move = [&]() -> Status {
    std::vector<const std::uint64_t*> columns;
    for (const auto& column : words) columns.push_back(column.data());
    to.resize(from.size());
    const std::int64_t known = fresh.num_rows();
    HR_RETURN_NOT_OK(fresh.Resolve(columns, static_cast<std::int64_t>(from.size()), to.data()));
    for (std::size_t i = 0; i < from.size(); ++i) {
      for (const std::size_t side : {0, 1})
        if (i + kAhead < from.size()) stores_[side].Prefetch(Head(from[i + kAhead], side));
      to[i][0] = from[i][0];
      to[i][1] = from[i][1];
      to[i][kNumber] = static_cast<std::uint64_t>(known) + i;
      for (const std::size_t side : {0, 1})
        for (std::uint32_t row = Head(to[i], side); row != kNone; row = stores_[side].next(row))
          stores_[side].extra(row)[0] = to[i][kNumber];
    }
    from.clear();
    for (auto& column : words) column.clear();
    return Status::OK();
  };
  for (std::int64_t group = 0; group < groups_.num_rows(); ++group) {
    std::uint64_t* values = groups_.RowValues(group);
    if (values[0] == 0 && values[1] == 0) continue;
    from.push_back(values);
    for (std::uint32_t w = 0; w < keys_.words(); ++w) words[w].push_back(groups_.RowKey(group)[w]);
    if (static_cast<std::int64_t>(from.size()) == kPart) HR_RETURN_NOT_OK(move());
  }
  HR_RETURN_NOT_OK(move());
  groups_ = std::move(fresh);
  return Status::OK();
}

std::int64_t JoinTable::allocated_bytes() const {
  return keys_.allocated_bytes() + groups_.allocated_bytes() + stores_[0].allocated_bytes() + stores_[1].allocated_bytes();
}

void ExpiryQueue::Add(std::int64_t time_ms, std::uint32_t row, std::uint32_t generation) {
  // Rows come mostly in the order of their times.
  if (last_ == nullptr ||
      static_cast<std::uint64_t>(time_ms) - static_cast<std::uint64_t>(last_ms_) >= static_cast<std::uint64_t>(grain_ms_)) {
    last_ms_ = Floor(time_ms);
    last_ = &buckets_[last_ms_];
  }
  last_->push_back({time_ms, row, generation});
  ++entries_;
}

}  // namespace headrace::data::join
