#include "wire/grpc/plan_cache.h"

#include <algorithm>

#include "wire/plan_codec.h"

namespace headrace::wire {

PlanCache::Plan PlanCache::Find(const BlobId& id) {
  std::lock_guard lock(mutex_);
  auto found = std::find_if(plans_.begin(), plans_.end(), [&](const auto& entry) { return entry.first == id; });
  if (found == plans_.end()) return nullptr;
  plans_.splice(plans_.begin(), plans_, found);
  return plans_.front().second;
}

Result<PlanCache::Plan> PlanCache::Add(const BlobId& id, std::string_view bytes) {
  HR_ASSIGN_OR_RAISE(Plan plan, DecodeExecutionPlan(bytes));
  std::lock_guard lock(mutex_);
  plans_.remove_if([&](const auto& entry) { return entry.first == id; });
  plans_.emplace_front(id, plan);
  if (plans_.size() > kMostPlans) plans_.pop_back();
  return plan;
}

}  // namespace headrace::wire
