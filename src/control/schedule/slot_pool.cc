#include "control/schedule/slot_pool.h"

#include <fmt/format.h>

#include <utility>

namespace headrace::control::schedule {

using cluster::ProcessKey;
using cluster::ProcessStatus;
using cluster::TaskManagerEntry;

Result<std::vector<SlotRef>> SlotPool::Acquire(const JobId& job, std::uint32_t count, std::string_view python_version) {
  Release(job);
  std::vector<SlotRef> slots = Place(Candidates(python_version), count);
  if (slots.size() != count) return Error(ErrorCode::kNotEnoughSlots, Shortage(count, python_version));
  for (const SlotRef& slot : slots) {
    const bool free = holder_.emplace(slot, job).second;
    HR_CHECK(free, "a slot was given twice");
  }
  held_[job] = slots;
  return slots;
}

void SlotPool::Release(const JobId& job) {
  const auto held = held_.find(job);
  if (held == held_.end()) return;
  for (const SlotRef& slot : held->second) holder_.erase(slot);
  held_.erase(held);
  if (on_freed_) on_freed_();
}

void SlotPool::DropProcess(const ProcessKey& process) {
  for (auto& [job, slots] : held_) {
    std::erase_if(slots, [&](const SlotRef& slot) {
      if (slot.process != process) return false;
      holder_.erase(slot);
      return true;
    });
  }
  std::erase_if(held_, [](const auto& entry) { return entry.second.empty(); });
}

bool SlotPool::Holds(const JobId& job, std::uint32_t count) const {
  const std::vector<SlotRef>& slots = HeldBy(job);
  if (slots.size() != count) return false;
  for (const SlotRef& slot : slots) {
    const TaskManagerEntry* entry = registry_->FindAlive(slot.process);
    if (entry == nullptr || !entry->cleaning.empty()) return false;
  }
  return true;
}

const std::vector<SlotRef>& SlotPool::HeldBy(const JobId& job) const {
  static const std::vector<SlotRef> kNone;
  const auto held = held_.find(job);
  return held == held_.end() ? kNone : held->second;
}

std::uint32_t SlotPool::total_slots() const {
  std::uint32_t total = 0;
  for (const auto& [id, entry] : registry_->entries()) {
    if (entry.status != ProcessStatus::kLost) total += entry.info.slots;
  }
  return total;
}

std::uint32_t SlotPool::free_slots() const {
  std::uint32_t free = 0;
  for (const auto& [id, entry] : registry_->entries()) free += free_slots(entry);
  return free;
}

std::uint32_t SlotPool::free_slots(const TaskManagerEntry& entry) const {
  if (!entry.usable()) return 0;
  std::uint32_t free = entry.info.slots;
  for (auto it = holder_.lower_bound(SlotRef{entry.key, 0}); it != holder_.end() && it->first.process == entry.key; ++it) --free;
  return free;
}

std::string SlotPool::Shortage(std::uint32_t need, std::string_view python_version) const {
  std::size_t free = 0;
  for (const Candidate& candidate : Candidates(python_version)) free += candidate.free_slots.size();
  const bool some_left_out = free != free_slots();
  return fmt::format("need {} slots, {} free{}{}", need, free, some_left_out ? " with Python " : "", some_left_out ? python_version : "");
}

std::vector<Candidate> SlotPool::Candidates(std::string_view python_version) const {
  std::vector<Candidate> candidates;
  for (const auto& [id, entry] : registry_->entries()) {
    if (!entry.usable()) continue;
    if (!python_version.empty() && !entry.info.python_version.empty() && entry.info.python_version != python_version) continue;
    Candidate candidate{entry.key, entry.info.slots, {}};
    for (std::uint32_t slot = 0; slot < entry.info.slots; ++slot) {
      if (holder_.count({entry.key, slot}) == 0) candidate.free_slots.push_back(slot);
    }
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

}  // namespace headrace::control::schedule
