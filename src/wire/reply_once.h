#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "base/outcome.h"
#include "wire/gateways.h"

namespace headrace::wire {

/// Makes "called exactly once" true whatever becomes of the result: the first answer counts, later ones are dropped, and when
/// its last copy dies unanswered (a stopped executor, a killed process) `reply` is called with unknown(`when_dropped`), on the
/// thread where that copy died. Copies may be called from any thread.
template <typename T>
Reply<T> ReplyOnce(Reply<T> reply, Status when_dropped) {
  struct State {
    Reply<T> reply;
    Status when_dropped;
    std::atomic<bool> answered{false};
    State(Reply<T> r, Status s) : reply(std::move(r)), when_dropped(std::move(s)) {}
    ~State() {
      if (!answered.exchange(true)) reply(Outcome<T>::Unknown(when_dropped));
    }
  };
  auto state = std::make_shared<State>(std::move(reply), std::move(when_dropped));
  return [state](Outcome<T> outcome) {
    if (!state->answered.exchange(true)) state->reply(std::move(outcome));
  };
}

}  // namespace headrace::wire
