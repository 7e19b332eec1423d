#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace headrace::data::task {

/// What others may know of a running task: written by its task and its connectors, read by the TaskManager. Thread-safe.
struct TaskVitals {
  std::atomic<std::uint64_t> records_in{0}, records_out{0}, bytes_in{0}, bytes_out{0}, bad_records{0};
  std::atomic<std::int64_t> state_bytes{0};
  /// Where the time of the task went since it started.
  std::atomic<std::int64_t> busy_ns{0}, backpressured_ns{0}, idle_ns{0};

  void SetWaitingReason(std::string reason) {
    std::lock_guard lock(mutex_);
    waiting_reason_ = std::move(reason);
  }
  std::string waiting_reason() const {
    std::lock_guard lock(mutex_);
    return waiting_reason_;
  }
  /// Counts a skipped record and keeps the first few since the last TakeSamples().
  void AddBadRecord(const std::string& where, const std::string& why, const std::string& sample) {
    bad_records.fetch_add(1);
    std::lock_guard lock(mutex_);
    if (samples_.size() < kMaxSamples) samples_.push_back(where + ": " + why + ": " + sample.substr(0, 200));
  }
  std::vector<std::string> TakeSamples() {
    std::lock_guard lock(mutex_);
    return std::exchange(samples_, {});
  }

 private:
  static constexpr std::size_t kMaxSamples = 5;
  mutable std::mutex mutex_;
  std::string waiting_reason_;
  std::vector<std::string> samples_;
};

}  // namespace headrace::data::task
