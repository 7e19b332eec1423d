#pragma once
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "plan/execution_plan.h"

namespace headrace::wire {

/// Decoded plans of a TaskManager by the sha256 of their bytes, the last few used. Any thread.
class PlanCache {
 public:
  using Plan = std::shared_ptr<const plan::ExecutionPlan>;
  /// Null when it is not there.
  Plan Find(const BlobId& id);
  /// Decodes and keeps; an error is not kept. The bytes must have this id.
  Result<Plan> Add(const BlobId& id, std::string_view bytes);

 private:
  static constexpr std::size_t kMostPlans = 8;
  std::mutex mutex_;
  std::list<std::pair<BlobId, Plan>> plans_;  ///< guarded by mutex_; latest first
};

}  // namespace headrace::wire
