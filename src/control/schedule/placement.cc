#include "control/schedule/placement.h"

#include <cstddef>
#include <tuple>

namespace headrace::control::schedule {
namespace {

/// Whether `a` is the better next choice. Shares are compared as a cross product: no rounding.
bool Better(const Candidate& a, bool a_used_here, const Candidate& b, bool b_used_here) {
  const std::uint64_t a_share = std::uint64_t{a.total_slots - a.free_slots.size()} * b.total_slots;
  const std::uint64_t b_share = std::uint64_t{b.total_slots - b.free_slots.size()} * a.total_slots;
  if (a_share != b_share) return a_share < b_share;
  if (a_used_here != b_used_here) return a_used_here;
  if (a.free_slots.size() != b.free_slots.size()) return a.free_slots.size() > b.free_slots.size();
  return a.process < b.process;
}

}  // namespace

std::vector<SlotRef> Place(std::vector<Candidate> candidates, std::uint32_t count) {
  std::vector<bool> used_here(candidates.size(), false);
  std::vector<SlotRef> slots;
  while (slots.size() < count) {
    std::size_t best = candidates.size();
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (candidates[i].free_slots.empty()) continue;
      if (best == candidates.size() || Better(candidates[i], used_here[i], candidates[best], used_here[best])) best = i;
    }
    if (best == candidates.size()) return {};
    Candidate& chosen = candidates[best];
    slots.push_back({chosen.process, chosen.free_slots.front()});
    chosen.free_slots.erase(chosen.free_slots.begin());
    used_here[best] = true;
  }
  return slots;
}

}  // namespace headrace::control::schedule
