#include <utility>

#include "data/task/task_loop.h"

namespace headrace::data::task {

void ManualTaskLoop::Start(std::shared_ptr<TaskHandle> handle) {
  TaskHandle* raw = handle.get();
  tasks_.emplace(raw, std::move(handle));
  raw->Begin(this);
}

void ManualTaskLoop::Enqueue(TaskHandle* handle) { ready_.push_back(handle); }

void ManualTaskLoop::WakeDue() {
  while (!timers_.empty() && timers_.begin()->first <= clock_->Now()) {
    TaskHandle* handle = timers_.begin()->second;
    handle->wake_at_ = MonotonicTime::max();
    timers_.erase(timers_.begin());
    handle->Wake();
  }
}

bool ManualTaskLoop::RunOne() {
  WakeDue();
  if (ready_.empty()) return false;
  const std::size_t at = random_ == nullptr ? 0 : random_->Uniform(ready_.size());
  TaskHandle* handle = ready_[at];
  ready_.erase(ready_.begin() + static_cast<std::ptrdiff_t>(at));
  MonotonicTime wake_at;
  const bool done = handle->RunSlice(tiny_slices_ ? clock_->Now() : clock_->Now() + std::chrono::milliseconds(1), &wake_at);
  if (handle->wake_at_ != MonotonicTime::max()) timers_.erase({handle->wake_at_, handle});
  handle->wake_at_ = wake_at;
  if (wake_at != MonotonicTime::max()) timers_.insert({wake_at, handle});
  if (!done) return true;
  std::shared_ptr<TaskHandle> owned = std::move(tasks_[handle]);
  tasks_.erase(handle);
  if (owned->on_done_) owned->on_done_(owned);
  return true;
}

bool ManualTaskLoop::AdvanceToTimer() {
  if (timers_.empty()) return false;
  clock_->AdvanceTo(timers_.begin()->first);
  return true;
}

}  // namespace headrace::data::task
