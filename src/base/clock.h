#pragma once
#include <chrono>
#include <cstdint>

namespace headrace {

/// Time for decisions: a monotonic instant; never compared between machines, never persisted.
using MonotonicTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
using Duration = std::chrono::nanoseconds;

/// The only source of time. Thread-safe. SystemClock in processes, ManualClock in tests and the simulator.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonotonicTime Now() const = 0;
  /// Milliseconds since 1970 UTC, for people and processing-time semantics only; may jump.
  virtual std::int64_t WallTimeMs() const = 0;
};

/// The process-wide real clock.
Clock& SystemClock();

/// A clock that moves only when told. Not thread-safe: one simulation thread.
class ManualClock final : public Clock {
 public:
  MonotonicTime Now() const override { return now_; }
  std::int64_t WallTimeMs() const override {
    return wall_start_ms_ + std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch()).count();
  }
  void Advance(Duration by) { now_ += by; }
  void AdvanceTo(MonotonicTime to) {
    if (to > now_) now_ = to;
  }

 private:
  MonotonicTime now_{};
  std::int64_t wall_start_ms_ = 1'700'000'000'000;
};

}  // namespace headrace
