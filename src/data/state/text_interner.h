#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/state/block_heap.h"

namespace headrace::data::state {

/// Numbers for byte strings, so that tables of words can have them as keys: equal strings have one number while anybody holds it.
/// What nobody holds is found by marking: StartMarking(), Mark() all numbers in use, then SweepSome() until it is done. Both may be spread
/// over time: numbers that Intern() gives in between count as in use. Mark() and Sweep() alone do it in one go.
/// Owned by its operator, used on the task's thread only. At most 2^32 - 2 strings.
class TextInterner {
 public:
  TextInterner();

  /// The number of `text`, made when it has none. CapacityError when numbers run out.
  Result<std::uint32_t> Intern(std::string_view text);
  /// The string of a number in use; until it is swept.
  std::string_view Text(std::uint32_t number) const { return {entries_[number].text, entries_[number].size}; }

  std::int64_t num_texts() const { return num_texts_; }
  /// True once there are so many that looking for those nobody holds pays: twice as many as after the last sweep.
  bool wants_sweep() const { return num_texts_ >= sweep_at_; }
  void StartMarking() { marking_ = true; }
  void Mark(std::uint32_t number) { marks_[number] = 1; }
  /// Forgets strings that were not marked since marking began, looking at `most` numbers; true when all have been looked at.
  bool SweepSome(std::int64_t most);
  void Sweep();
  std::int64_t allocated_bytes() const;

 private:
  struct Entry {
    std::uint64_t hash = 0;
    const char* text = nullptr;  // null: the number is free
    std::uint32_t size = 0;
  };
  static std::uint64_t Hash(std::string_view text);
  void Reindex(std::size_t slots);
  void Insert(std::uint32_t number);
  void Erase(std::uint32_t number);

  BlockHeap heap_;
  std::vector<Entry> entries_;
  std::vector<std::uint8_t> marks_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> slots_;  // number + 1, 0 = free; at most half full
  std::int64_t num_texts_ = 0, sweep_at_;
  bool marking_ = false;  // or sweeping: what is interned is in use
  std::size_t next_to_sweep_ = 0;
};

}  // namespace headrace::data::state
