#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "base/executor.h"

namespace headrace::data::taskmanager {

/// Brings answers from any thread to an executor while their receiver lives, and drops them afterwards. Shared by the receiver
/// and every callback it gave away; the receiver closes it, on the executor or once the executor has ended.
class CallbackGate : public std::enable_shared_from_this<CallbackGate> {
 public:
  explicit CallbackGate(Executor* executor) : executor_(executor) {}
  void Post(std::function<void()> turn) {
    std::lock_guard lock(mutex_);
    if (executor_ == nullptr) return;
    executor_->Post([self = shared_from_this(), turn = std::move(turn)] {
      if (self->open()) turn();
    });
  }
  void Close() {
    std::lock_guard lock(mutex_);
    executor_ = nullptr;
  }
  bool open() const {
    std::lock_guard lock(mutex_);
    return executor_ != nullptr;
  }

 private:
  mutable std::mutex mutex_;
  Executor* executor_;
};

}  // namespace headrace::data::taskmanager
