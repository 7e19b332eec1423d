#pragma once
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "base/waker.h"

namespace headrace::data::op {

/// Brings what a side thread has for a task to the task's thread, in order, and wakes the task. Shared by an operator and its callbacks.
template <typename Letter>
class Mailbox {
 public:
  explicit Mailbox(Waker* waker) : waker_(waker) {}
  /// Any thread.
  void Put(Letter letter) {
    {
      std::lock_guard lock(mutex_);
      letters_.push_back(std::move(letter));
    }
    if (waker_ != nullptr) waker_->Wake();
  }
  /// Task's thread.
  std::optional<Letter> Take() {
    std::lock_guard lock(mutex_);
    if (letters_.empty()) return std::nullopt;
    std::optional<Letter> letter(std::move(letters_.front()));
    letters_.pop_front();
    return letter;
  }

 private:
  Waker* waker_;
  std::mutex mutex_;
  std::deque<Letter> letters_;
};

}  // namespace headrace::data::op
