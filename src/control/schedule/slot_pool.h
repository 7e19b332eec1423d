#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "control/cluster/task_manager_registry.h"
#include "control/schedule/placement.h"

namespace headrace::control::schedule {

/// Who holds which slot. One slot holds one subtask of every vertex of one job, so a job needs as many as its largest
/// parallelism. Capacity is read from the registry; only holdings are kept here.
/// Owned by the control plane; control executor only.
class SlotPool {
 public:
  explicit SlotPool(const cluster::TaskManagerRegistry* registry) : registry_(registry) {}

  /// All `count` slots or none; what the job held before is given back first. `python_version` empty = any process.
  /// kNotEnoughSlots: "need 12 slots, 8 free".
  Result<std::vector<SlotRef>> Acquire(const JobId& job, std::uint32_t count, std::string_view python_version);
  void Release(const JobId& job);
  /// Called whenever slots were given back, inside that turn.
  void set_on_freed(std::function<void()> on_freed) { on_freed_ = std::move(on_freed); }
  /// Slots of a lost process are nobody's.
  void DropProcess(const cluster::ProcessKey& process);
  /// True when the job holds `count` slots on processes that can be used.
  bool Holds(const JobId& job, std::uint32_t count) const;
  const std::vector<SlotRef>& HeldBy(const JobId& job) const;

  std::uint32_t total_slots() const;  ///< of all processes that are not lost
  std::uint32_t free_slots() const;
  std::uint32_t free_slots(const cluster::TaskManagerEntry& entry) const;
  /// "need 13 slots, 12 free"; with " with Python 3.11" when processes of other versions were left out.
  std::string Shortage(std::uint32_t need, std::string_view python_version) const;

 private:
  std::vector<Candidate> Candidates(std::string_view python_version) const;

  const cluster::TaskManagerRegistry* const registry_;
  std::map<JobId, std::vector<SlotRef>> held_;
  std::map<SlotRef, JobId> holder_;
  std::function<void()> on_freed_;
};

}  // namespace headrace::control::schedule
