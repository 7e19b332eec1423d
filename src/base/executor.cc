#include "base/executor.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/status.h"

namespace headrace {
namespace {

/// Ready tasks in order and timers by instant. A due timer joins the end of the ready tasks, so that neither a flood of
/// posts nor one of timers starves the other. Not thread-safe: the executors lock around it.
class TaskQueue {
 public:
  void Post(Executor::Task task) { ready_.push_back({0, std::move(task)}); }

  Executor::TimerId AddTimer(MonotonicTime at, Executor::Task task) {
    const Executor::TimerId id = ++last_timer_;
    instants_.emplace(id, at);
    timers_.emplace(std::pair(at, id), std::move(task));
    return id;
  }

  /// The cancelled task, for the caller to destroy outside its lock.
  Executor::Task Cancel(Executor::TimerId id) {
    const auto instant = instants_.find(id);
    if (instant == instants_.end()) return {};
    Executor::Task task;
    if (const auto timer = timers_.find({instant->second, id}); timer != timers_.end()) {
      task = std::move(timer->second);
      timers_.erase(timer);
    } else {
      const auto entry = std::find_if(ready_.begin(), ready_.end(), [id](const Entry& e) { return e.id == id; });
      task = std::move(entry->task);
      ready_.erase(entry);
    }
    instants_.erase(instant);
    return task;
  }

  void TakeDue(MonotonicTime now) {
    while (!timers_.empty() && timers_.begin()->first.first <= now) {
      ready_.push_back({timers_.begin()->first.second, std::move(timers_.begin()->second)});
      timers_.erase(timers_.begin());
    }
  }

  bool has_ready() const { return !ready_.empty(); }
  MonotonicTime next_timer() const { return timers_.empty() ? MonotonicTime::max() : timers_.begin()->first.first; }

  Executor::Task Pop() {
    Entry entry = std::move(ready_.front());
    ready_.pop_front();
    if (entry.id != 0) instants_.erase(entry.id);
    return std::move(entry.task);
  }

 private:
  struct Entry {
    Executor::TimerId id;  // 0: posted, not a timer
    Executor::Task task;
  };
  std::deque<Entry> ready_;
  std::map<std::pair<MonotonicTime, Executor::TimerId>, Executor::Task> timers_;
  std::unordered_map<Executor::TimerId, MonotonicTime> instants_;  // timers that have not run
  Executor::TimerId last_timer_ = 0;
};

MonotonicTime After(MonotonicTime now, Duration delay) {
  if (delay <= Duration::zero()) return now;
  return delay > MonotonicTime::max() - now ? MonotonicTime::max() : now + delay;
}

}  // namespace

struct ThreadExecutor::State {
  explicit State(Clock& c) : clock(c) {}
  void Run();
  /// Waits until something is ready; false when stopped. The lock is held on return.
  bool AwaitReady(std::unique_lock<std::mutex>& lock);

  Clock& clock;
  std::mutex mutex;
  std::condition_variable wake;
  TaskQueue queue;
  bool stopped = false;
  std::thread thread;
  std::atomic<std::thread::id> thread_id{};
};

bool ThreadExecutor::State::AwaitReady(std::unique_lock<std::mutex>& lock) {
  while (!stopped) {
    queue.TakeDue(clock.Now());
    if (queue.has_ready()) return true;
    const MonotonicTime next = queue.next_timer();
    if (next == MonotonicTime::max()) {
      wake.wait(lock);
    } else {
      wake.wait_for(lock, next - clock.Now());
    }
  }
  return false;
}

void ThreadExecutor::State::Run() {
  std::unique_lock lock(mutex);
  while (AwaitReady(lock)) {
    Task task = queue.Pop();
    lock.unlock();
    task();
    task = nullptr;  // its captures die on this thread, before the next turn and outside the lock
    lock.lock();
  }
  TaskQueue dropped = std::move(queue);
  queue = TaskQueue();
  lock.unlock();
}

ThreadExecutor::ThreadExecutor(std::string thread_name, Clock& clock) : state_(std::make_shared<State>(clock)) {
  State* state = state_.get();
  state->thread = std::thread([state, name = thread_name.substr(0, 15)] {
    pthread_setname_np(pthread_self(), name.c_str());
    state->thread_id.store(std::this_thread::get_id());
    state->Run();
  });
}

ThreadExecutor::~ThreadExecutor() {
  RequestStop();
  Join();
}

void ThreadExecutor::Post(Task task) {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stopped) return;
    state_->queue.Post(std::move(task));
  }
  state_->wake.notify_one();
}

Executor::TimerId ThreadExecutor::PostAfter(Duration delay, Task task) {
  TimerId id = 0;
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stopped) return 1;  // dropped; any id will do
    id = state_->queue.AddTimer(After(state_->clock.Now(), delay), std::move(task));
  }
  state_->wake.notify_one();
  return id;
}

void ThreadExecutor::Cancel(TimerId timer) {
  Task dropped;
  std::lock_guard lock(state_->mutex);
  dropped = state_->queue.Cancel(timer);
}

const Clock& ThreadExecutor::clock() const { return state_->clock; }
bool ThreadExecutor::OnExecutor() const { return state_->thread_id.load() == std::this_thread::get_id(); }

void ThreadExecutor::RequestStop() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopped = true;
  }
  state_->wake.notify_all();
}

void ThreadExecutor::Join() {
  HR_CHECK(!OnExecutor(), "an executor cannot join itself");
  if (state_->thread.joinable()) state_->thread.join();
}

struct ManualExecutor::State {
  ManualClock* clock;
  TaskQueue queue;
  bool running = false;
};

ManualExecutor::ManualExecutor(ManualClock* clock) : state_(std::make_unique<State>()) { state_->clock = clock; }
ManualExecutor::~ManualExecutor() { Clear(); }

void ManualExecutor::Post(Task task) { state_->queue.Post(std::move(task)); }

Executor::TimerId ManualExecutor::PostAfter(Duration delay, Task task) {
  return state_->queue.AddTimer(After(state_->clock->Now(), delay), std::move(task));
}

void ManualExecutor::Cancel(TimerId timer) { const Task dropped = state_->queue.Cancel(timer); }
const Clock& ManualExecutor::clock() const { return *state_->clock; }
bool ManualExecutor::OnExecutor() const { return state_->running; }

bool ManualExecutor::has_ready() const { return state_->queue.has_ready() || state_->queue.next_timer() <= state_->clock->Now(); }

bool ManualExecutor::RunOne() {
  state_->queue.TakeDue(state_->clock->Now());
  if (!state_->queue.has_ready()) return false;
  Task task = state_->queue.Pop();
  const bool nested = std::exchange(state_->running, true);
  task();
  task = nullptr;
  state_->running = nested;
  return true;
}

std::size_t ManualExecutor::RunReady() {
  std::size_t count = 0;
  while (RunOne()) ++count;
  return count;
}

MonotonicTime ManualExecutor::next_timer() const { return state_->queue.next_timer(); }

void ManualExecutor::RunFor(Duration span) {
  const MonotonicTime end = After(state_->clock->Now(), span);
  RunReady();
  while (next_timer() <= end) {
    state_->clock->AdvanceTo(next_timer());
    RunReady();
  }
  state_->clock->AdvanceTo(end);
  RunReady();
}

void ManualExecutor::Clear() {
  // Destroying a task may post again; that is dropped too.
  while (state_->queue.has_ready() || state_->queue.next_timer() != MonotonicTime::max()) {
    TaskQueue dropped = std::exchange(state_->queue, TaskQueue());
  }
}

}  // namespace headrace
