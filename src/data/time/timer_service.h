#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

namespace headrace::data::time {

/// Timers of one time domain of an operator: at most one for a key and time. Keys are numbers of the operator's state table.
/// Registering costs O(log timers) and no allocation of its own; due timers come in slices, earliest first, so that whoever
/// fires them may stop between slices.
/// Owned by its operator, used on the task's thread only.
class TimerService {
 public:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  struct Timer {
    std::int64_t time_ms;
    std::uint32_t key;
  };

  /// False: there is one already.
  bool Register(std::int64_t time_ms, std::uint32_t key);
  /// False: there is none.
  bool Delete(std::int64_t time_ms, std::uint32_t key);
  /// Time of the earliest timer; kNever when there are none.
  std::int64_t next();
  /// Takes timers up to and including `until_ms` out, at most `most`, earliest first, into `due` (which it clears).
  void TakeDue(std::int64_t until_ms, std::size_t most, std::vector<Timer>* due);
  /// All timers, in no order: for snapshots.
  void ForEach(const std::function<void(const Timer&)>& visit) const;
  /// After the keys were renumbered: key k is moved[k] now. No timer may belong to a key that is gone.
  void Renumber(const std::vector<std::uint32_t>& moved);

  std::size_t size() const { return set_size_; }
  std::int64_t allocated_bytes() const;

 private:
  struct Slot {
    std::int64_t time_ms = 0;
    std::uint32_t key = 0;
    std::uint32_t used = 0;
  };
  static std::uint64_t Hash(std::int64_t time_ms, std::uint32_t key);
  std::size_t Find(std::int64_t time_ms, std::uint32_t key) const;
  void Insert(std::int64_t time_ms, std::uint32_t key);
  void EraseAt(std::size_t at);
  void GrowSet();
  void RebuildHeap();
  void DropDeleted();
  void PopHeap();

  std::vector<Timer> heap_;  // least time first; timers that are not in the set were deleted
  std::vector<Slot> slots_;  // the timers there are: open addressing, at most 5/8 full
  std::size_t set_size_ = 0;
};

}  // namespace headrace::data::time
