#include "tests/simulation/network.h"

namespace headrace::simulation {

void Network::Attach(const std::string& node, Executor* executor) { nodes_[node].executor = executor; }

void Network::Detach(const std::string& node) {
  nodes_[node].executor = nullptr;
  for (const auto& open : std::exchange(nodes_[node].open_calls, {})) {
    if (const auto reset = open.lock()) executor_->PostAfter(Delay(), [reset] { (*reset)(); });
  }
}

Duration Network::Delay() {
  const Duration longest = Chance(faults_.slow) ? faults_.slow_delay : faults_.delay;
  return Duration(static_cast<std::int64_t>(random_->NextDouble() * static_cast<double>(longest.count())) + 1000);
}

}  // namespace headrace::simulation
