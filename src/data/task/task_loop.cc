#include "data/task/task_loop.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace headrace::data::task {
namespace {

constexpr Duration kTurn = std::chrono::milliseconds(8);  // of all that are ready
constexpr Duration kLeastSlice = std::chrono::microseconds(100);

}  // namespace

TaskLoop::TaskLoop(std::string thread_name, Duration slice) : name_(std::move(thread_name)), slice_(slice) {
  thread_ = std::thread([this] { Run(); });
}

TaskLoop::~TaskLoop() {
  RequestStop();
  Join();
}

void TaskLoop::Start(std::shared_ptr<TaskHandle> handle) {
  TaskHandle* raw = handle.get();
  num_tasks_.fetch_add(1);
  {
    std::lock_guard lock(mutex_);
    started_.push_back(std::move(handle));
  }
  raw->Begin(this);
}

void TaskLoop::Enqueue(TaskHandle* handle) {
  TaskHandle* head = inbox_.load();
  do {
    handle->next_ = head;
  } while (!inbox_.compare_exchange_weak(head, handle));
  // Sequentially consistent with Sleep(): either it sees the inbox, or we see that it sleeps.
  if (!sleeping_.load()) return;
  std::lock_guard lock(mutex_);
  woken_.notify_one();
}

void TaskLoop::RequestStop() {
  stop_ = true;
  std::lock_guard lock(mutex_);
  woken_.notify_one();
}

void TaskLoop::Join() {
  if (thread_.joinable()) thread_.join();
}

void TaskLoop::Run() {
  ::pthread_setname_np(::pthread_self(), name_.substr(0, 15).c_str());
  while (!stop_.load()) {
    TakeInbox();
    if (!timers_.empty()) WakeDue(SystemClock().Now());
    if (ready_.empty()) {
      Sleep();
      continue;
    }
    RunOne();
  }
}

void TaskLoop::TakeInbox() {
  if (inbox_.load(std::memory_order_relaxed) == nullptr) return;
  TaskHandle* handle = inbox_.exchange(nullptr);
  const std::size_t at = ready_.size();
  for (; handle != nullptr; handle = handle->next_) ready_.push_back(handle);
  std::reverse(ready_.begin() + static_cast<std::ptrdiff_t>(at), ready_.end());
}

void TaskLoop::WakeDue(MonotonicTime now) {
  while (!timers_.empty() && timers_.begin()->first <= now) {
    TaskHandle* handle = timers_.begin()->second;
    handle->wake_at_ = MonotonicTime::max();
    timers_.erase(timers_.begin());
    handle->Wake();
  }
  TakeInbox();
}

void TaskLoop::Sleep() {
  std::unique_lock lock(mutex_);
  sleeping_ = true;
  const auto awake = [this] { return inbox_.load() != nullptr || stop_.load(); };
  if (timers_.empty()) {
    woken_.wait(lock, awake);
  } else {
    woken_.wait_until(lock, timers_.begin()->first, awake);
  }
  sleeping_ = false;
}

void TaskLoop::SetTimer(TaskHandle* handle, MonotonicTime at) {
  if (handle->wake_at_ == at) return;
  if (handle->wake_at_ != MonotonicTime::max()) timers_.erase({handle->wake_at_, handle});
  handle->wake_at_ = at;
  if (at != MonotonicTime::max()) timers_.insert({at, handle});
}

void TaskLoop::RunOne() {
  TaskHandle* handle = ready_.front();
  ready_.pop_front();
  {
    std::lock_guard lock(mutex_);
    for (auto& started : started_) {
      TaskHandle* raw = started.get();
      tasks_.emplace(raw, std::move(started));
    }
    started_.clear();
  }
  MonotonicTime wake_at;
  // With many tasks each turn is shorter, so that rows that are on their way between them stay few.
  const Duration slice = std::clamp<Duration>(kTurn / static_cast<std::int64_t>(ready_.size() + 1), std::min(kLeastSlice, slice_), slice_);
  const bool done = handle->RunSlice(SystemClock().Now() + slice, &wake_at);
  SetTimer(handle, wake_at);
  if (!done) return;
  std::shared_ptr<TaskHandle> owned = std::move(tasks_[handle]);
  tasks_.erase(handle);
  num_tasks_.fetch_sub(1);
  if (owned->on_done_) owned->on_done_(owned);
}

}  // namespace headrace::data::task
