#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"

namespace headrace {

class Random;

/// A serial queue of closures with timers: the only scheduler of the control plane. What is posted runs one at a time, in
/// order of posting; timers run at or after their instant. Post, PostAfter and Cancel may be called from any thread.
class Executor {
 public:
  using Task = std::function<void()>;
  using TimerId = std::uint64_t;  ///< never 0
  virtual ~Executor() = default;
  /// Queues `task`. After Stop() tasks are dropped.
  virtual void Post(Task task) = 0;
  virtual TimerId PostAfter(Duration delay, Task task) = 0;
  /// No effect when the timer has run. When called on the executor itself, the task surely does not run afterwards.
  virtual void Cancel(TimerId timer) = 0;
  virtual const Clock& clock() const = 0;
  /// True on the thread (or inside the turn) that runs the tasks.
  virtual bool OnExecutor() const = 0;
};

/// Owns one thread that runs the queue. Stop is two-phase: RequestStop() never blocks, Join() does.
class ThreadExecutor final : public Executor {
 public:
  explicit ThreadExecutor(std::string thread_name, Clock& clock = SystemClock());
  ~ThreadExecutor() override;  ///< RequestStop() and Join()
  void Post(Task task) override;
  TimerId PostAfter(Duration delay, Task task) override;
  void Cancel(TimerId timer) override;
  const Clock& clock() const override;
  bool OnExecutor() const override;
  /// The turn that runs now is finished, the rest is dropped.
  void RequestStop();
  void Join();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Runs its queue only when told, on the caller's thread, over a ManualClock: for tests and the simulator.
/// Its tasks run in the order they were posted; between several executors tests/simulation picks by its seed.
class ManualExecutor final : public Executor {
 public:
  explicit ManualExecutor(ManualClock* clock);
  ~ManualExecutor() override;
  void Post(Task task) override;
  TimerId PostAfter(Duration delay, Task task) override;
  void Cancel(TimerId timer) override;
  const Clock& clock() const override;
  bool OnExecutor() const override;
  bool has_ready() const;  ///< a posted task, or a timer that is due
  bool RunOne();           ///< runs one ready task; false when there is none
  std::size_t RunReady();  ///< until nothing is ready; returns how many ran
  /// The next timer's instant, or MonotonicTime::max().
  MonotonicTime next_timer() const;
  /// Runs everything, advancing the clock from timer to timer, for `span` of manual time.
  void RunFor(Duration span);
  /// Drops all tasks and timers, as a killed process does.
  void Clear();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headrace
