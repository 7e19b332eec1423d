#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "data/state/element_states.h"
#include "data/state/memory_table.h"
#include "data/state/state_table.h"
#include "data/state/value_arena.h"

namespace headrace::data::state {

/// The declared states of the keys of one operator subtask: for each key and state one byte string, or none. Keys are resolved for
/// a whole batch; reading and writing by entry costs no lookup. What the bytes mean is the owner's: encoded values of a Python
/// function, or what a native operator keeps.
/// Owned by its operator, used on the task's thread only.
class KeyedStates {
 public:
  static constexpr EntryId kNoEntry = 0xFFFFFFFF;

  KeyedStates(columnar::KeyGroupRange key_groups, std::uint32_t max_parallelism, std::size_t states);
  /// Before the first key: the state is one of many elements a key. Read() and Write() are not for it.
  void KeepElements(std::size_t state, std::unique_ptr<ElementStates> elements) { elements_[state] = std::move(elements); }
  /// Null for a state of one byte string.
  ElementStates* elements(std::size_t state) const { return elements_[state].get(); }
  /// To call behind changes of elements of a key, with what HasAny() said before.
  void NoteElements(EntryId entry, bool had_any) { live_ += static_cast<int>(HasAny(entry)) - static_cast<int>(had_any); }
  /// Whether the key has any state.
  bool HasAny(EntryId entry) const;

  /// As StateTable::Resolve().
  Status Resolve(const KeyRows& keys, KeyGrouping* grouping) { return table_->Resolve(keys, grouping); }
  std::string_view Key(EntryId entry) const { return table_->Key(entry); }
  std::uint64_t Hash(EntryId entry) const { return table_->Hash(entry); }
  /// The view has no data (nullptr) where there is no state; it holds until the next Write() of the same state and key.
  std::string_view Read(std::size_t state, EntryId entry) const;
  /// A view without data takes the state away.
  Status Write(std::size_t state, EntryId entry, std::string_view value);
  /// All keys of a key group that have the state, in no order: for snapshots and inspection. Elements come as ElementStates::AppendTo()
  /// writes them.
  Status ForEach(std::size_t state, std::uint32_t key_group,
                 const std::function<Status(std::string_view key, std::string_view value)>& visit) const;

  std::size_t num_states() const { return cells_.size(); }
  std::int64_t num_entries() const { return table_->num_entries(); }
  /// Keys with at least one state.
  std::int64_t num_live() const { return live_; }
  std::int64_t allocated_bytes() const;

  /// True once forgetting keys without states pays: more than half of many.
  bool wants_compaction() const { return num_entries() > kLeastCompacted && live_ * 2 < num_entries(); }
  /// Forgets the keys without states for which `keep` says no; moved[old entry] = new entry or kNoEntry. No entry may be in use elsewhere.
  Status Compact(const std::function<bool(EntryId)>& keep, std::vector<EntryId>* moved);

 private:
  static constexpr std::int64_t kLeastCompacted = 1 << 16;
  struct Cell {
    std::uint8_t* data = nullptr;
    std::uint32_t size = 0, capacity = 0;
  };

  columnar::KeyGroupRange key_groups_;
  std::uint32_t max_parallelism_;
  std::unique_ptr<MemoryTable> table_;                    // of the keys; their values are the cells
  std::vector<std::vector<Cell>> cells_;                  // by state, then entry
  std::vector<std::unique_ptr<ElementStates>> elements_;  // by state; null: it has cells
  ValueArena arena_;
  std::int64_t live_ = 0;
};

}  // namespace headrace::data::state
