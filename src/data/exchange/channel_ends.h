#pragma once
#include <cstdint>
#include <memory>
#include <mutex>

#include "data/exchange/channel.h"

namespace headrace::data::exchange {

/// Where a consumer's queue returns what it took: the producer's end in this process, or the connection to it.
/// Thread-safe; methods are called without locks of the queue.
class ProducerEnd {
 public:
  virtual ~ProducerEnd() = default;
  virtual void ReturnCredit(std::int64_t bytes) = 0;
  /// The consumer takes no more.
  virtual void ConsumerGone(const Status& why) = 0;
};

/// What both kinds of output have in common: failing and letting go. Thread-safe but for Write().
class OutputEnd : public OutputChannel {
 public:
  /// Breaks the channel for good and wakes the producer; the first reason stays.
  virtual void Fail(const Status& why) = 0;
  /// Like Fail, and forgets the waker: when it returns, the waker is never called again.
  virtual void Detach(const Status& why) = 0;
};

/// A waker that can be taken away: after Clear() returns no call is under way and none follows. Thread-safe.
class WakerSlot {
 public:
  explicit WakerSlot(Waker* waker) : waker_(waker) {}
  void Wake() {
    std::lock_guard lock(mutex_);
    if (waker_ != nullptr) waker_->Wake();
  }
  void Clear() {
    std::lock_guard lock(mutex_);
    waker_ = nullptr;
  }

 private:
  std::mutex mutex_;
  Waker* waker_;
};

}  // namespace headrace::data::exchange
