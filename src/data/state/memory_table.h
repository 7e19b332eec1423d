#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "data/state/state_table.h"
#include "data/state/value_arena.h"

namespace headrace::data::state {

/// The memory tier: an open-addressing index over dense entries, keys and values in an arena, values overwritten in place
/// while they fit. Owner's thread only.
class MemoryTable final : public StateTable {
 public:
  MemoryTable(columnar::KeyGroupRange key_groups, std::uint32_t max_parallelism);
  Status Resolve(const KeyRows& keys, KeyGrouping* grouping) override;
  Status Read(std::span<const EntryId> entries, std::vector<std::string_view>* values) const override;
  Status Write(std::span<const EntryId> entries, std::span<const std::string_view> values) override;
  Status ForEach(std::uint32_t key_group, const std::function<Status(std::string_view, std::string_view)>& visit) const override;
  std::int64_t num_entries() const override { return static_cast<std::int64_t>(entries_.size()); }
  std::int64_t allocated_bytes() const override;
  void Clear() override;
  /// The bytes of an entry's key; until Clear().
  std::string_view Key(EntryId entry) const { return {reinterpret_cast<const char*>(entries_[entry].key), entries_[entry].key_size}; }
  std::uint64_t Hash(EntryId entry) const { return entries_[entry].hash; }

 private:
  struct Entry {
    std::uint64_t hash;
    const std::uint8_t* key;
    std::uint8_t* value;
    std::uint32_t key_size, key_capacity;
    std::uint32_t value_size, value_capacity;
    std::uint32_t batch;  // the last Resolve() that met this key, and its group there
    std::uint32_t group;
  };
  struct Slot {
    std::uint32_t tag;    // high half of the hash
    std::uint32_t entry;  // EntryId + 1, 0 = free
  };
  EntryId FindOrMake(std::uint64_t hash, std::string_view key);
  void Grow();

  columnar::KeyGroupRange key_groups_;
  std::uint32_t max_parallelism_;
  std::vector<Slot> slots_;  // a power of two, at most 5/8 full
  std::vector<Entry> entries_;
  std::vector<std::uint64_t> hashes_;  // of the batch in hand
  ValueArena arena_;
  std::uint32_t batch_ = 0;
};

}  // namespace headrace::data::state
