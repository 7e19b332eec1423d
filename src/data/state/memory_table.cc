#include "data/state/memory_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace headrace::data::state {

namespace {

constexpr std::size_t kFirstSlots = 1024;
constexpr std::uint32_t kMaxEntries = 1u << 31;

}  // namespace

MemoryTable::MemoryTable(columnar::KeyGroupRange key_groups, std::uint32_t max_parallelism)
    : key_groups_(key_groups), max_parallelism_(max_parallelism), slots_(kFirstSlots) {}

Status MemoryTable::Resolve(const KeyRows& keys, KeyGrouping* grouping) {
  const std::int64_t rows = keys.rows();
  grouping->groups.resize(static_cast<std::size_t>(rows));
  grouping->entries.clear();
  if (++batch_ == 0) {  // the stamp wrapped: no old stamp may look like a new one
    for (Entry& entry : entries_) entry.batch = 0;
    batch_ = 1;
  }
  const std::uint64_t* hashes = keys.hashes;
  if (hashes == nullptr) {
    hashes_.resize(static_cast<std::size_t>(rows));
    for (std::int64_t row = 0; row < rows; ++row) hashes_[row] = columnar::HashKey(keys.key(row));
    hashes = hashes_.data();
  }
  constexpr std::int64_t kAhead = 8;
  for (std::int64_t row = 0; row < rows; ++row) {
    if (row + kAhead < rows) __builtin_prefetch(&slots_[hashes[row + kAhead] & (slots_.size() - 1)]);
    const std::uint64_t hash = hashes[row];
    if (!key_groups_.Contains(columnar::KeyGroupOf(hash, max_parallelism_))) {
      return Error(ErrorCode::kInternal,
                   fmt::format("key group {} of row {} is not one of this subtask's, {} to {}",
                               columnar::KeyGroupOf(hash, max_parallelism_), row, key_groups_.first, key_groups_.last));
    }
    if (entries_.size() >= kMaxEntries) return Error(ErrorCode::kInternal, "a state table holds more than 2^31 keys");
    const EntryId id = FindOrMake(hash, keys.key(row));
    Entry& entry = entries_[id];
    if (entry.batch != batch_) {
      entry.batch = batch_;
      entry.group = static_cast<std::uint32_t>(grouping->entries.size());
      grouping->entries.push_back(id);
    }
    grouping->groups[row] = entry.group;
  }
  return Status::OK();
}

EntryId MemoryTable::FindOrMake(std::uint64_t hash, std::string_view key) {
  const std::uint32_t tag = static_cast<std::uint32_t>(hash >> 32);
  std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at].entry != 0) {
    if (slots_[at].tag == tag) {
      const EntryId id = slots_[at].entry - 1;
      const Entry& entry = entries_[id];
      if (entry.hash == hash && entry.key_size == key.size() && (key.empty() || std::memcmp(entry.key, key.data(), key.size()) == 0))
        return id;
    }
    at = (at + 1) & mask;
  }
  if ((entries_.size() + 1) * 8 > slots_.size() * 5) {
    Grow();
    mask = slots_.size() - 1;
    for (at = hash & mask; slots_[at].entry != 0;) at = (at + 1) & mask;
  }
  const ValueArena::Cell cell = arena_.Allocate(static_cast<std::uint32_t>(key.size()));
  if (!key.empty()) std::memcpy(cell.data, key.data(), key.size());
  entries_.push_back({hash, cell.data, nullptr, static_cast<std::uint32_t>(key.size()), cell.capacity, 0, 0, 0, 0});
  slots_[at] = {tag, static_cast<std::uint32_t>(entries_.size())};
  return static_cast<EntryId>(entries_.size() - 1);
}

void MemoryTable::Grow() {
  std::vector<Slot> larger(slots_.size() * 2);
  const std::size_t mask = larger.size() - 1;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    std::size_t at = entries_[i].hash & mask;
    while (larger[at].entry != 0) at = (at + 1) & mask;
    larger[at] = {static_cast<std::uint32_t>(entries_[i].hash >> 32), static_cast<std::uint32_t>(i + 1)};
  }
  slots_ = std::move(larger);
}

Status MemoryTable::Read(std::span<const EntryId> entries, std::vector<std::string_view>* values) const {
  values->resize(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    HR_CHECK(entries[i] < entries_.size(), "entry of another table");
    const Entry& entry = entries_[entries[i]];
    (*values)[i] = {reinterpret_cast<const char*>(entry.value), entry.value_size};
  }
  return Status::OK();
}

Status MemoryTable::Write(std::span<const EntryId> entries, std::span<const std::string_view> values) {
  HR_CHECK(entries.size() == values.size(), "as many values as entries");
  for (std::size_t i = 0; i < entries.size(); ++i) {
    HR_CHECK(entries[i] < entries_.size(), "entry of another table");
    if (values[i].size() > std::numeric_limits<std::int32_t>::max()) {
      return Error(ErrorCode::kInternal, fmt::format("a state value of {} bytes is larger than 2 GiB", values[i].size()));
    }
    Entry& entry = entries_[entries[i]];
    const auto size = static_cast<std::uint32_t>(values[i].size());
    if (size > entry.value_capacity) {
      arena_.Free({entry.value, entry.value_capacity});
      const ValueArena::Cell cell = arena_.Allocate(size);
      entry.value = cell.data;
      entry.value_capacity = cell.capacity;
    }
    if (size > 0) std::memcpy(entry.value, values[i].data(), size);
    entry.value_size = size;
  }
  return Status::OK();
}

Status MemoryTable::ForEach(std::uint32_t key_group, const std::function<Status(std::string_view, std::string_view)>& visit) const {
  for (const Entry& entry : entries_) {
    if (entry.value_size == 0 || columnar::KeyGroupOf(entry.hash, max_parallelism_) != key_group) continue;
    HR_RETURN_NOT_OK(
        visit({reinterpret_cast<const char*>(entry.key), entry.key_size}, {reinterpret_cast<const char*>(entry.value), entry.value_size}));
  }
  return Status::OK();
}

std::int64_t MemoryTable::allocated_bytes() const {
  return arena_.allocated_bytes() + static_cast<std::int64_t>(slots_.capacity() * sizeof(Slot) + entries_.capacity() * sizeof(Entry) +
                                                              hashes_.capacity() * sizeof(std::uint64_t));
}

void MemoryTable::Clear() {
  std::vector<Slot>(kFirstSlots).swap(slots_);
  std::vector<Entry>().swap(entries_);
  arena_.Clear();
}

}  // namespace headrace::data::state
