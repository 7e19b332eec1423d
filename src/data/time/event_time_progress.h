#pragma once
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace headrace::data::time {

/// How far event time has come in one subtask, for people. A value.
struct EventTimeReport {
  std::optional<std::int64_t> watermark_ms;  ///< that consumers were given; none before the first
  bool idle = false;                         ///< it holds its consumers back no more
  std::string held_by;                       ///< the split that holds the watermark back; empty behind channels
  std::optional<std::int64_t> held_at_ms;    ///< that split's own watermark; none before its first row
  std::int64_t held_since_wall_ms = 0;       ///< since when it is that split
  std::vector<std::string> paused{};         ///< splits that wait for their alignment group, the first ones
};

/// Written by its task, read by the TaskManager. Thread-safe.
class EventTimeProgress {
 public:
  void SetWatermark(std::int64_t watermark_ms) {
    const std::lock_guard lock(mutex_);
    report_.watermark_ms = watermark_ms;
  }
  void SetIdle(bool idle) {
    const std::lock_guard lock(mutex_);
    report_.idle = idle;
  }
  void SetHolder(std::string split, std::optional<std::int64_t> at_ms, std::int64_t since_wall_ms) {
    const std::lock_guard lock(mutex_);
    report_.held_by = std::move(split);
    report_.held_at_ms = at_ms;
    report_.held_since_wall_ms = since_wall_ms;
  }
  void SetPaused(std::vector<std::string> splits) {
    const std::lock_guard lock(mutex_);
    report_.paused = std::move(splits);
  }
  EventTimeReport report() const {
    const std::lock_guard lock(mutex_);
    return report_;
  }

 private:
  mutable std::mutex mutex_;
  EventTimeReport report_;
};

}  // namespace headrace::data::time
