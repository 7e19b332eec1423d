#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace headrace::data::state {

/// Numbers for byte strings, so that tables of words can have them as keys: equal strings have one number while anybody holds it.
/// What nobody holds is found by marking: Mark() all numbers in use, then Sweep().
/// Owned by its operator, used on the task's thread only. At most 2^32 - 2 strings.
class TextInterner {
 public:
  TextInterner();

  /// The number of `text`, made when it has none. CapacityError when numbers run out.
  Result<std::uint32_t> Intern(std::string_view text);
  /// The string of a number in use; until the next Intern() or Sweep().
  std::string_view Text(std::uint32_t number) const { return {bytes_.data() + entries_[number].offset, entries_[number].size}; }

  std::int64_t num_texts() const { return num_texts_; }
  /// True once there are so many that looking for those nobody holds pays: twice as many as after the last sweep.
  bool wants_sweep() const { return num_texts_ >= sweep_at_; }
  void Mark(std::uint32_t number) { marks_[number] = 1; }
  /// Forgets all strings that were not marked since the last sweep.
  void Sweep();
  std::int64_t allocated_bytes() const;

 private:
  struct Entry {
    std::uint64_t offset = 0;  // in bytes_
    std::uint32_t size = 0;
    std::uint32_t hash = 0;  // high half of the text's hash
    bool used = false;
  };
  static std::uint64_t Hash(std::string_view text);
  void Reindex(std::size_t slots);
  void Insert(std::uint32_t number, std::uint64_t hash);

  std::vector<char> bytes_;
  std::vector<Entry> entries_;
  std::vector<std::uint8_t> marks_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> slots_;  // number + 1, 0 = free; at most half full
  std::int64_t num_texts_ = 0, sweep_at_;
};

}  // namespace headrace::data::state
