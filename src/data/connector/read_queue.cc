#include "data/connector/read_queue.h"

#include <utility>

namespace headrace::data::connector {

bool ReadQueue::WaitForRoom() {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [this] { return closed_ || (items_.size() < max_items_ && bytes_ < max_bytes_); });
  return !closed_;
}

void ReadQueue::Push(ReadItem item) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    bytes_ += item.batch ? item.batch.size_bytes() : 0;
    items_.push_back(std::move(item));
    task_waits_ = false;
  }
  if (waker_ != nullptr) waker_->Wake();
}

void ReadQueue::Fail(Status status) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_.ok()) failure_ = std::move(status);
  }
  if (waker_ != nullptr) waker_->Wake();
}

bool ReadQueue::task_waits() const {
  const std::lock_guard lock(mutex_);
  return task_waits_;
}

Result<bool> ReadQueue::Pop(ReadItem* item) {
  bool was_full;
  {
    const std::lock_guard lock(mutex_);
    if (items_.empty()) {
      task_waits_ = true;
      if (!failure_.ok()) return failure_;
      return false;
    }
    was_full = items_.size() >= max_items_ || bytes_ >= max_bytes_;
    *item = std::move(items_.front());
    items_.pop_front();
    bytes_ -= item->batch ? item->batch.size_bytes() : 0;
  }
  if (was_full) room_.notify_one();
  return true;
}

void ReadQueue::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    items_.clear();
    bytes_ = 0;
  }
  room_.notify_all();
}

}  // namespace headrace::data::connector
