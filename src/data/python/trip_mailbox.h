#pragma once
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "base/status.h"
#include "base/waker.h"
#include "data/python/worker_pool.h"

namespace headrace::data::python {

/// Brings the answers of trips from the supervisor's thread to the task's, in order. Shared by an operator and its callbacks.
template <typename Answer>
class BasicTripMailbox {
 public:
  explicit BasicTripMailbox(Waker* waker) : waker_(waker) {}
  /// Any thread.
  void Put(Result<Answer> result) {
    {
      std::lock_guard lock(mutex_);
      answers_.push_back(std::move(result));
    }
    if (waker_ != nullptr) waker_->Wake();
  }
  /// Task's thread.
  std::optional<Result<Answer>> Take() {
    std::lock_guard lock(mutex_);
    if (answers_.empty()) return std::nullopt;
    std::optional<Result<Answer>> answer(std::move(answers_.front()));
    answers_.pop_front();
    return answer;
  }

 private:
  Waker* waker_;
  std::mutex mutex_;
  std::deque<Result<Answer>> answers_;
};
using TripMailbox = BasicTripMailbox<StageResult>;

}  // namespace headrace::data::python
