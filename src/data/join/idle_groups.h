#pragma once
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <utility>

#include "base/clock.h"
#include "base/status.h"
#include "data/state/group_table.h"

namespace headrace::data::join {

/// Forgets groups that nothing has changed for a time, by the machine's clock. What has ended reads as absent at once; its memory is given
/// back when half of the groups have ended, at most twice a time-to-live. A word of each group holds when it was changed last.
/// Owned by its operator, used on the task's thread only. Without a time-to-live it does nothing, and groups need no word.
class IdleGroups {
 public:
  /// `word`: of a group's values, kept for this alone.
  IdleGroups(std::uint64_t ttl_ms, std::uint32_t word) : ttl_ms_(static_cast<std::int64_t>(ttl_ms)), word_(word) {}
  static std::uint32_t Words(std::uint64_t ttl_ms) { return ttl_ms > 0 ? 1 : 0; }

  bool on() const { return ttl_ms_ > 0; }
  Status Open(const Clock* clock) {
    clock_ = clock;
    return on() && clock == nullptr ? Status::Invalid("a time-to-live without a clock") : Status::OK();
  }
  /// Once a batch: what ends, ends by the time that it is now.
  void Begin() {
    if (on()) now_ms_ = std::chrono::duration_cast<std::chrono::milliseconds>(clock_->Now().time_since_epoch()).count() + 1;
  }
  void Touch(std::uint64_t* group) const {
    if (on()) group[word_] = static_cast<std::uint64_t>(now_ms_);
  }
  bool HasEnded(const std::uint64_t* group) const {
    return on() && group[word_] != 0 && static_cast<std::int64_t>(group[word_]) + ttl_ms_ <= now_ms_;
  }
  /// drop(values) lets go of what a group that has ended holds beside its words. Pointers to groups are void after it.
  template <typename Drop>
  Status Sweep(state::GroupTable* groups, Drop drop) {
    if (!on() || now_ms_ < sweep_at_ms_) return Status::OK();
    sweep_at_ms_ = now_ms_ + std::max<std::int64_t>(ttl_ms_ / 2, 1000);
    std::int64_t ended = 0;
    for (std::int64_t row = 0; row < groups->num_rows(); ++row) ended += HasEnded(groups->RowValues(row)) ? 1 : 0;
    if (ended == 0 || ended * 2 < groups->num_rows()) return Status::OK();
    state::GroupTable kept(groups->key_words(), groups->value_words());
    std::array<const std::uint64_t*, state::GroupTable::kMaxKeyWords> key{};
    for (std::int64_t row = 0; row < groups->num_rows(); ++row) {
      std::uint64_t* values = groups->RowValues(row);
      if (HasEnded(values)) {
        drop(values);
        continue;
      }
      for (std::uint32_t w = 0; w < groups->key_words(); ++w) key[w] = groups->RowKey(row) + w;
      std::uint64_t* to = nullptr;
      HR_RETURN_NOT_OK(kept.Resolve({key.data(), groups->key_words()}, 1, &to));
      std::copy_n(values, groups->value_words(), to);
    }
    *groups = std::move(kept);
    return Status::OK();
  }

 private:
  const std::int64_t ttl_ms_;
  const std::uint32_t word_;
  const Clock* clock_ = nullptr;
  std::int64_t now_ms_ = 0, sweep_at_ms_ = 0;
};

}  // namespace headrace::data::join
