#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "data/time/watermark_merger.h"

namespace headrace::data::time {

/// Sources of one alignment group do not run ahead of each other: the least watermark of all of a job's subtasks in the group, here
/// and in other processes, is what each of them compares its own with. Those without a watermark yet, idle ones and ended ones do not
/// count, so that nobody waits for a source that has no rows. What other processes say comes with the heartbeats and is
/// forgotten when none comes any more (SetOthers() with an empty map).
/// Owned by a deployment, outlives its tasks. Thread-safe.
class WatermarkAlignment {
 public:
  /// One subtask's place in a group; given back by its destruction.
  class Member {
   public:
    /// kNoWatermark: it does not count.
    void Set(std::int64_t watermark_ms) { watermark_ms_.store(watermark_ms, std::memory_order_relaxed); }

   private:
    friend class WatermarkAlignment;
    std::atomic<std::int64_t> watermark_ms_{kNoWatermark};
  };
  std::shared_ptr<Member> Join(const std::string& group);
  /// The least watermark of a group; kNoWatermark when nobody counts.
  std::int64_t Least(const std::string& group) const;
  /// The least watermarks of the members here, for other processes.
  std::map<std::string, std::int64_t> OwnLeast() const;
  void SetOthers(std::map<std::string, std::int64_t> least);

 private:
  static std::int64_t LeastOf(const std::vector<std::weak_ptr<Member>>& members);
  mutable std::mutex mutex_;  // guards the next two
  std::map<std::string, std::vector<std::weak_ptr<Member>>> groups_;
  std::map<std::string, std::int64_t> others_;
};

}  // namespace headrace::data::time
