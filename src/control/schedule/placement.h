#pragma once
#include <cstdint>
#include <vector>

#include "control/cluster/task_manager_registry.h"

namespace headrace::control::schedule {

/// One slot of one process.
struct SlotRef {
  cluster::ProcessKey process;
  std::uint32_t slot = 0;
  auto operator<=>(const SlotRef&) const = default;
};

/// A process with its free slots, ascending.
struct Candidate {
  cluster::ProcessKey process;
  std::uint32_t total_slots = 0;
  std::vector<std::uint32_t> free_slots;
};

/// Picks `count` slots: each time on the process with the smallest share of used slots, so that load spreads; among equals
/// on one that this job uses already, then on the one with more free slots, then by id, so that equal choices pack and the
/// answer never depends on chance. The n-th slot runs the n-th subtask of every vertex. Empty when there are too few.
std::vector<SlotRef> Place(std::vector<Candidate> candidates, std::uint32_t count);

}  // namespace headrace::control::schedule
