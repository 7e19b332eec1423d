#pragma once
#include <memory>
#include <tuple>
#include <utility>

#include "base/executor.h"

namespace headrace::control::cluster {

/// Brings answers of other threads and timers to one owner on one executor, and to nobody once the owner is gone.
/// Owned by value by the object that the closures capture; made, closed and destroyed on the executor (or after it
/// stopped). The closures that Bind() returns may be called, copied and dropped on any thread.
class Mailbox {
 public:
  explicit Mailbox(Executor* executor) : executor_(executor), open_(std::make_shared<char>()) {}
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  Executor* executor() const { return executor_; }
  bool is_open() const { return open_ != nullptr; }
  /// From here on nothing that was bound runs.
  void Close() { open_.reset(); }

  /// A closure that posts `handler` with its arguments.
  template <typename Handler>
  auto Bind(Handler handler) {
    return
        [executor = executor_, open = std::weak_ptr<char>(open_), handler = std::make_shared<Handler>(std::move(handler))](auto... args) {
          executor->Post([open, handler, ... args = std::move(args)]() mutable {
            if (!open.expired()) (*handler)(std::move(args)...);
          });
        };
  }

  /// Runs `handler` after `delay`, unless the mailbox was closed by then.
  template <typename Handler>
  Executor::TimerId After(Duration delay, Handler handler) {
    return executor_->PostAfter(delay, [open = std::weak_ptr<char>(open_), handler = std::move(handler)]() mutable {
      if (!open.expired()) handler();
    });
  }

 private:
  Executor* const executor_;
  std::shared_ptr<char> open_;
};

}  // namespace headrace::control::cluster
