#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "data/state/state_table.h"

namespace headrace::data::python {

/// Which keys' lists and maps a worker keeps, and what they take there, about. Beyond a budget keys that were not in a trip for long are
/// given up, by the clock algorithm. Owned by TripStates; task's thread.
class ResidentKeys {
 public:
  /// By the size of encoded elements, as Cost() counts them; in Python they take several times as much.
  static constexpr std::int64_t kBudgetBytes = 64 << 20;
  static std::int64_t Cost(std::int64_t key_bytes, std::int64_t element_bytes, std::int64_t elements) {
    return 256 + key_bytes + element_bytes + 64 * elements;
  }

  bool Has(state::EntryId entry) const { return entry < keys_.size() && keys_[entry].cost > 0; }
  /// The worker has the key, or more or less of it than before.
  void Keep(state::EntryId entry, std::int64_t cost) {
    if (entry >= keys_.size()) keys_.resize(entry + entry / 2 + 1);
    bytes_ += cost - keys_[entry].cost;
    keys_[entry] = {cost, true};
  }
  /// Gives keys up until the rest is within the budget; those of which `in_use` says yes stay.
  template <typename InUse, typename GiveUp>
  void Shrink(const InUse& in_use, const GiveUp& give_up) {
    // Twice round: the first finds out who was not met since the last.
    for (std::size_t looked = 0; bytes_ > kBudgetBytes && looked < 2 * keys_.size(); ++looked) {
      hand_ = hand_ + 1 < keys_.size() ? hand_ + 1 : 0;
      Key& key = keys_[hand_];
      const auto entry = static_cast<state::EntryId>(hand_);
      if (key.cost == 0 || in_use(entry)) continue;
      if (key.met) {
        key.met = false;
        continue;
      }
      bytes_ -= key.cost;
      key = {};
      give_up(entry);
    }
  }
  /// moved[old] = new; keys that the worker has all go on.
  void Move(const std::vector<state::EntryId>& moved) {
    std::vector<Key> keys;
    for (std::size_t old = 0; old < keys_.size() && old < moved.size(); ++old) {
      if (keys_[old].cost == 0) continue;
      if (moved[old] >= keys.size()) keys.resize(moved[old] + std::size_t{1});
      keys[moved[old]] = keys_[old];
    }
    keys_ = std::move(keys);
    hand_ = 0;
  }

 private:
  struct Key {
    std::int64_t cost = 0;  // 0: the worker has it not
    bool met = false;       // since the hand was here
  };
  std::vector<Key> keys_;  // by entry
  std::int64_t bytes_ = 0;
  std::size_t hand_ = 0;
};

}  // namespace headrace::data::python
