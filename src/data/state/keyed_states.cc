#include "data/state/keyed_states.h"

#include <cstring>
#include <limits>
#include <string>
#include <utility>

namespace headrace::data::state {

KeyedStates::KeyedStates(columnar::KeyGroupRange key_groups, std::uint32_t max_parallelism, std::size_t states)
    : key_groups_(key_groups),
      max_parallelism_(max_parallelism),
      table_(std::make_unique<MemoryTable>(key_groups, max_parallelism)),
      cells_(states),
      elements_(states) {}

std::string_view KeyedStates::Read(std::size_t state, EntryId entry) const {
  if (entry >= cells_[state].size()) return {};
  const Cell& cell = cells_[state][entry];
  return cell.data == nullptr ? std::string_view() : std::string_view(reinterpret_cast<const char*>(cell.data), cell.size);
}

bool KeyedStates::HasAny(EntryId entry) const {
  for (const auto& cells : cells_) {
    if (entry < cells.size() && cells[entry].data != nullptr) return true;
  }
  for (const auto& elements : elements_) {
    if (elements != nullptr && elements->Has(entry)) return true;
  }
  return false;
}

Status KeyedStates::Write(std::size_t state, EntryId entry, std::string_view value) {
  if (value.size() > std::numeric_limits<std::uint32_t>::max())
    return Error(ErrorCode::kTooLarge, "a state of one key has more than 4 GiB", "Spread it over more keys.");
  auto& cells = cells_[state];
  if (entry >= cells.size()) {
    if (value.data() == nullptr) return Status::OK();
    cells.resize(static_cast<std::size_t>(num_entries()));
  }
  Cell& cell = cells[entry];
  const bool had = cell.data != nullptr;
  const bool other = !had && HasAny(entry);
  const auto size = static_cast<std::uint32_t>(value.size());
  // Large cells move down too, so that a list that was emptied gives its memory back.
  if (value.data() == nullptr || size > cell.capacity || size < cell.capacity / 4) {
    if (had) arena_.Free({cell.data, cell.capacity});
    cell = {};
    if (value.data() != nullptr) {
      const ValueArena::Cell place = arena_.Allocate(size == 0 ? 1 : size);
      cell = {place.data, size, place.capacity};
    }
  }
  if (value.data() == nullptr) {
    if (had && !HasAny(entry)) --live_;
    return Status::OK();
  }
  std::memcpy(cell.data, value.data(), size);
  cell.size = size;
  if (!had && !other) ++live_;
  return Status::OK();
}

Status KeyedStates::ForEach(std::size_t state, std::uint32_t key_group,
                            const std::function<Status(std::string_view key, std::string_view value)>& visit) const {
  if (const ElementStates* elements = elements_[state].get()) {
    std::string all;
    for (EntryId entry = 0; entry < static_cast<EntryId>(num_entries()); ++entry) {
      if (!elements->Has(entry) || columnar::KeyGroupOf(Hash(entry), max_parallelism_) != key_group) continue;
      all.clear();
      elements->AppendTo(entry, &all);
      HR_RETURN_NOT_OK(visit(Key(entry), all));
    }
    return Status::OK();
  }
  for (EntryId entry = 0; entry < cells_[state].size(); ++entry) {
    if (cells_[state][entry].data == nullptr || columnar::KeyGroupOf(Hash(entry), max_parallelism_) != key_group) continue;
    HR_RETURN_NOT_OK(visit(Key(entry), Read(state, entry)));
  }
  return Status::OK();
}

std::int64_t KeyedStates::allocated_bytes() const {
  std::int64_t bytes = table_->allocated_bytes() + arena_.allocated_bytes();
  for (const auto& cells : cells_) bytes += static_cast<std::int64_t>(cells.capacity() * sizeof(Cell));
  for (const auto& elements : elements_) bytes += elements == nullptr ? 0 : elements->allocated_bytes();
  return bytes;
}

Status KeyedStates::Compact(const std::function<bool(EntryId)>& keep, std::vector<EntryId>* moved) {
  auto fresh = std::make_unique<MemoryTable>(key_groups_, max_parallelism_);
  std::vector<std::vector<Cell>> cells(cells_.size());
  const auto entries = static_cast<EntryId>(num_entries());
  moved->assign(entries, kNoEntry);
  KeyGrouping grouping;
  for (EntryId entry = 0; entry < entries; ++entry) {
    if (!HasAny(entry) && !keep(entry)) continue;
    const std::string_view key = Key(entry);
    const std::int64_t offsets[2] = {0, static_cast<std::int64_t>(key.size())};
    const std::uint64_t hash = Hash(entry);
    HR_RETURN_NOT_OK(fresh->Resolve({offsets, reinterpret_cast<const std::uint8_t*>(key.data()), &hash}, &grouping));
    (*moved)[entry] = grouping.entries[0];
    for (std::size_t state = 0; state < cells_.size(); ++state)
      cells[state].push_back(entry < cells_[state].size() ? cells_[state][entry] : Cell{});
  }
  for (const auto& elements : elements_) {
    if (elements != nullptr) elements->Move(*moved, static_cast<std::size_t>(fresh->num_entries()));
  }
  table_ = std::move(fresh);
  cells_ = std::move(cells);
  return Status::OK();
}

}  // namespace headrace::data::state
