#pragma once
#include <memory>
#include <mutex>
#include <string>

#include "base/ids.h"
#include "plan/execution_plan.h"

namespace headrace::wire {

/// Encodes and hashes a plan once for all TaskManagers of one deployment: a plan may have tens of megabytes, and its bytes are
/// wanted as often as there are TaskManagers. Keeps nothing alive. Shared by the clients of one connector; any thread.
class PlanPacker {
 public:
  struct Packed {
    BlobId id;  ///< sha256 of the bytes
    std::shared_ptr<const std::string> bytes;
  };
  Packed Pack(const std::shared_ptr<const plan::ExecutionPlan>& plan);

 private:
  std::mutex mutex_;
  // Guarded by mutex_: the plan that was packed last, and its bytes while somebody uses them.
  std::weak_ptr<const plan::ExecutionPlan> plan_;
  std::weak_ptr<const std::string> bytes_;
  BlobId id_;
};

}  // namespace headrace::wire
