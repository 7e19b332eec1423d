#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/waker.h"

namespace headrace::data::task {

/// What a step leaves behind.
struct StepResult {
  enum class Next { kAgain, kWait, kDone } next = Next::kWait;
  MonotonicTime wake_at = MonotonicTime::max();  ///< kWait: step again then at the latest
};

/// Something that a loop runs in slices. Step() never blocks, never throws, and returns soon after `slice_end`.
class StepTask {
 public:
  virtual ~StepTask() = default;
  virtual StepResult Step(MonotonicTime slice_end) = 0;
};

class TaskHandle;

/// Runs handles. See TaskLoop and ManualTaskLoop.
class TaskRunner {
 public:
  virtual ~TaskRunner() = default;
  /// Takes the handle and steps its task until it is done. Any thread.
  virtual void Start(std::shared_ptr<TaskHandle> handle) = 0;

 protected:
  friend class TaskHandle;
  /// `handle` became ready; it is in no queue. Any thread.
  virtual void Enqueue(TaskHandle* handle) = 0;
};

/// The life of one task on one runner, and its waker. Shared by the runner (until the task is done), its owner, and whoever
/// has to be able to call Wake(): it must outlive them. Wake() is lock-free while the loop is awake.
class TaskHandle final : public Waker, public std::enable_shared_from_this<TaskHandle> {
 public:
  /// Called on the runner's thread after the last step; the handle still holds the task.
  using DoneCallback = std::function<void(const std::shared_ptr<TaskHandle>&)>;
  TaskHandle() = default;
  /// Before Start(), once.
  void SetTask(std::unique_ptr<StepTask> task, DoneCallback on_done);
  StepTask* task() const { return task_.get(); }
  /// After the task is done or was never started: destroys it on the calling thread (it may wait for side threads).
  void DestroyTask() { task_.reset(); }
  void Wake() override;
  bool done() const { return state_.load() == State::kDone; }

 private:
  friend class RunQueue;
  friend class TaskLoop;
  friend class ManualTaskLoop;
  enum class State { kNew, kIdle, kQueued, kRunning, kRunningWoken, kDone };
  /// Puts a new handle to work: it is queued once.
  void Begin(TaskRunner* runner);
  /// One slice on the runner's thread. True when the task is done.
  bool RunSlice(MonotonicTime slice_end, MonotonicTime* wake_at);

  std::unique_ptr<StepTask> task_;
  DoneCallback on_done_;
  std::atomic<State> state_{State::kNew};
  TaskRunner* runner_ = nullptr;
  TaskHandle* next_ = nullptr;                    // of the runner's inbox
  MonotonicTime wake_at_ = MonotonicTime::max();  // runner's thread only
};

/// A thread that runs tasks cooperatively, one slice after the other, and sleeps when none is ready. Owned by the TaskManager.
/// Stop: RequestStop() ends it after the slice that runs now, tasks or not; Join() waits.
class TaskLoop final : public TaskRunner {
 public:
  explicit TaskLoop(std::string thread_name, Duration slice = std::chrono::milliseconds(1));
  ~TaskLoop() override;
  void Start(std::shared_ptr<TaskHandle> handle) override;
  std::size_t num_tasks() const { return num_tasks_.load(); }
  void RequestStop();
  void Join();

 private:
  void Enqueue(TaskHandle* handle) override;
  void Run();
  void TakeInbox();
  void WakeDue(MonotonicTime now);
  void Sleep();
  void RunOne();
  void SetTimer(TaskHandle* handle, MonotonicTime at);

  std::string name_;
  Duration slice_;
  std::atomic<TaskHandle*> inbox_{nullptr};  // newest first
  std::atomic<bool> sleeping_{false}, stop_{false};
  std::atomic<std::size_t> num_tasks_{0};
  std::mutex mutex_;  // guards started_ and the sleep
  std::condition_variable woken_;
  std::vector<std::shared_ptr<TaskHandle>> started_;
  // Loop's thread only.
  std::deque<TaskHandle*> ready_;
  std::set<std::pair<MonotonicTime, TaskHandle*>> timers_;
  std::unordered_map<TaskHandle*, std::shared_ptr<TaskHandle>> tasks_;
  std::thread thread_;
};

/// Runs tasks only when told, one slice a call, in an order drawn from a seed: the same seed gives the same interleaving.
/// For tests and the simulator; one thread.
class ManualTaskLoop final : public TaskRunner {
 public:
  /// `random` null: first come, first run. Every slice ends as soon as the task looks at the clock when `tiny_slices`.
  ManualTaskLoop(ManualClock* clock, Random* random, bool tiny_slices = false)
      : clock_(clock), random_(random), tiny_slices_(tiny_slices) {}
  void Start(std::shared_ptr<TaskHandle> handle) override;
  /// Runs one ready task; false when none is ready now.
  bool RunOne();
  /// Moves the clock to the next timer; false when there is none.
  bool AdvanceToTimer();
  std::size_t num_tasks() const { return tasks_.size(); }

 private:
  void Enqueue(TaskHandle* handle) override;
  void WakeDue();

  ManualClock* clock_;
  Random* random_;
  bool tiny_slices_;
  std::vector<TaskHandle*> ready_;
  std::set<std::pair<MonotonicTime, TaskHandle*>> timers_;
  std::unordered_map<TaskHandle*, std::shared_ptr<TaskHandle>> tasks_;
};

}  // namespace headrace::data::task
