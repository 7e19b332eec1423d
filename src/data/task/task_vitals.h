#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "data/time/event_time_progress.h"

namespace headrace::data::task {

/// What others may know of a running task: written by its task and its connectors, read by the TaskManager. Thread-safe.
class TaskVitals {
 public:
  /// What a task does between two steps; a worker that has its rows works for it.
  enum class Doing { kWork, kWaitForConsumers, kWaitForInput };
  struct Times {
    Duration busy{}, backpressured{}, idle{};
  };

  std::atomic<std::uint64_t> records_in{0}, records_out{0}, bytes_in{0}, bytes_out{0}, bad_records{0}, late_records{0};
  std::atomic<std::int64_t> state_bytes{0};
  time::EventTimeProgress event_time;

  /// The task opened at `now`.
  void StartTimes(MonotonicTime now) {
    std::lock_guard lock(mutex_);
    since_ = now;
  }
  /// A step ran from `start` to `end`; until the next one the task does `next`.
  void NoteStep(MonotonicTime start, MonotonicTime end, Doing next) {
    std::lock_guard lock(mutex_);
    AddWait(start, &times_);
    times_.busy += end - start;
    since_ = end;
    doing_ = next;
  }
  /// Where the time went until `now`, what goes on at present included.
  Times TimesUntil(MonotonicTime now) const {
    std::lock_guard lock(mutex_);
    Times times = times_;
    AddWait(now, &times);
    return times;
  }

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
  void AddWait(MonotonicTime now, Times* times) const {
    if (!since_ || now <= *since_) return;
    Duration& where = doing_ == Doing::kWork ? times->busy : doing_ == Doing::kWaitForConsumers ? times->backpressured : times->idle;
    where += now - *since_;
  }

  mutable std::mutex mutex_;  // guards all below
  Times times_;               // until since_
  Doing doing_ = Doing::kWaitForInput;
  std::optional<MonotonicTime> since_;
  std::string waiting_reason_;
  std::vector<std::string> samples_;
};

}  // namespace headrace::data::task
