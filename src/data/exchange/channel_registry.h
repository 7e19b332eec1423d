#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "data/exchange/input_queue.h"

namespace headrace::data::exchange {

/// Knows the consumers' ends of this process and which deployments are over. Thread-safe.
class ChannelRegistry {
 public:
  enum class Presence {
    kRegistered,
    kUnknown,     ///< not registered yet, perhaps later
    kSuperseded,  ///< its deployment is over
  };
  struct Lookup {
    Presence presence;
    std::shared_ptr<InputQueue> queue;
  };
  /// Errors: kStaleAttempt when the deployment is over; Invalid when the id is taken.
  Status Add(std::shared_ptr<InputQueue> queue);
  Lookup Find(const ChannelId& id) const;
  bool IsOver(const JobId& job, DeploymentNumber deployment) const;
  /// Declares the deployment, and those before it, over. Returns the queues of this one.
  std::vector<std::shared_ptr<InputQueue>> Release(const JobId& job, DeploymentNumber deployment);
  std::vector<std::shared_ptr<InputQueue>> ReleaseAll();

 private:
  bool IsOverLocked(const JobId& job, DeploymentNumber deployment) const;

  mutable std::mutex mutex_;
  std::map<ChannelId, std::shared_ptr<InputQueue>> queues_;
  std::map<JobId, DeploymentNumber> over_;  // the newest deployment that is over, of the jobs seen last
  std::deque<JobId> over_order_;
};

}  // namespace headrace::data::exchange
