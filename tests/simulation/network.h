#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/outcome.h"
#include "base/random.h"
#include "base/status.h"

namespace headrace::simulation {

/// What the network does to messages. Times are simulated.
struct NetworkFaults {
  double loss = 0;       ///< of a request or a reply, each
  double duplicate = 0;  ///< of a request
  double slow = 0;       ///< share of messages that take up to `slow_delay`: they are overtaken
  Duration delay = std::chrono::milliseconds(5);
  Duration slow_delay = std::chrono::milliseconds(1500);
};

/// Carries calls between processes on one thread, with delay, loss, repetition, reordering and cut links. Every call is
/// answered exactly once: by the callee, as refused (nobody listens), or as unknown (reset, time-out).
class Network {
 public:
  Network(ManualExecutor* executor, Random* random) : executor_(executor), random_(random) {}

  void Attach(const std::string& node, Executor* executor);
  /// The process is gone: calls that it has not answered are reset.
  void Detach(const std::string& node);
  void Cut(const std::string& node) { nodes_[node].cut = true; }
  void Mend(const std::string& node) { nodes_[node].cut = false; }
  bool IsCut(const std::string& node) { return nodes_[node].cut; }
  NetworkFaults& faults() { return faults_; }

  /// Runs `serve` in a turn of `to`, perhaps twice; `reply` gets the outcome on no particular executor.
  template <typename T>
  void Call(const std::string& from, const std::string& to, std::function<void(std::function<void(Outcome<T>)>)> serve,
            std::function<void(Outcome<T>)> reply) {
    auto answered = std::make_shared<bool>(false);
    auto once = [answered, reply = std::move(reply)](Outcome<T> outcome) {
      if (!std::exchange(*answered, true)) reply(std::move(outcome));
    };
    auto reset = std::make_shared<std::function<void()>>([once] { once(Outcome<T>::Unknown(Lost("the connection was reset"))); });
    executor_->PostAfter(kTimeout, [once, reset] { once(Outcome<T>::Unknown(Lost("no answer in time"))); });
    const int copies = Chance(faults_.duplicate) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      if (IsCut(from) || IsCut(to) || Chance(faults_.loss)) continue;
      executor_->PostAfter(Delay(), [this, from, to, serve, once, reset] {
        if (IsCut(from) || IsCut(to)) return;
        Node& node = nodes_[to];
        if (node.executor == nullptr) {
          executor_->PostAfter(Delay(), [once] { once(Outcome<T>::NotDone(Lost("connection refused"))); });
          return;
        }
        node.open_calls.push_back(reset);
        node.executor->Post([this, from, to, serve, once] {
          serve([this, from, to, once](Outcome<T> outcome) {
            if (IsCut(from) || IsCut(to) || Chance(faults_.loss)) return;
            executor_->PostAfter(Delay(), [once, outcome = std::move(outcome)] { once(outcome); });
          });
        });
      });
    }
  }

  static Status Lost(const std::string& what) { return Error(ErrorCode::kTaskManagerLost, what); }
  bool Chance(double probability) { return probability > 0 && random_->NextDouble() < probability; }

 private:
  static constexpr Duration kTimeout = std::chrono::milliseconds(2000);
  struct Node {
    Executor* executor = nullptr;
    bool cut = false;
    std::vector<std::weak_ptr<std::function<void()>>> open_calls;
  };
  Duration Delay();

  ManualExecutor* const executor_;
  Random* const random_;
  NetworkFaults faults_;
  std::map<std::string, Node> nodes_;
};

}  // namespace headrace::simulation
