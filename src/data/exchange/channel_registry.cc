#include "data/exchange/channel_registry.h"

#include <algorithm>
#include <utility>

namespace headrace::data::exchange {
namespace {
// A job that fell out is answered "not registered", and its sender gives up at its own deadline.
constexpr std::size_t kRememberedJobs = 4096;
}  // namespace

Status ChannelRegistry::Add(std::shared_ptr<InputQueue> queue) {
  std::lock_guard lock(mutex_);
  const ChannelId& id = queue->id();
  if (IsOverLocked(id.job, id.deployment))
    return Error(ErrorCode::kStaleAttempt, "channel " + id.ToString() + " belongs to a deployment that is over");
  const auto [at, added] = queues_.try_emplace(id, std::move(queue));
  return added ? Status::OK() : Status::Invalid("channel ", at->first.ToString(), " is registered twice");
}

ChannelRegistry::Lookup ChannelRegistry::Find(const ChannelId& id) const {
  std::lock_guard lock(mutex_);
  if (const auto at = queues_.find(id); at != queues_.end()) return {Presence::kRegistered, at->second};
  return {IsOverLocked(id.job, id.deployment) ? Presence::kSuperseded : Presence::kUnknown, nullptr};
}

bool ChannelRegistry::IsOver(const JobId& job, DeploymentNumber deployment) const {
  std::lock_guard lock(mutex_);
  return IsOverLocked(job, deployment);
}

bool ChannelRegistry::IsOverLocked(const JobId& job, DeploymentNumber deployment) const {
  const auto at = over_.find(job);
  return at != over_.end() && deployment <= at->second;
}

std::vector<std::shared_ptr<InputQueue>> ChannelRegistry::Release(const JobId& job, DeploymentNumber deployment) {
  std::vector<std::shared_ptr<InputQueue>> released;
  std::lock_guard lock(mutex_);
  const auto [over, added] = over_.try_emplace(job, deployment);
  over->second = std::max(over->second, deployment);
  if (added) over_order_.push_back(job);
  if (over_order_.size() > kRememberedJobs) {
    over_.erase(over_order_.front());
    over_order_.pop_front();
  }
  auto at = queues_.lower_bound(ChannelId{job, deployment, 0, 0, 0});
  while (at != queues_.end() && at->first.job == job && at->first.deployment == deployment) {
    released.push_back(std::move(at->second));
    at = queues_.erase(at);
  }
  return released;
}

std::vector<std::shared_ptr<InputQueue>> ChannelRegistry::ReleaseAll() {
  std::vector<std::shared_ptr<InputQueue>> released;
  std::lock_guard lock(mutex_);
  for (auto& [id, queue] : queues_) released.push_back(std::move(queue));
  queues_.clear();
  return released;
}

}  // namespace headrace::data::exchange
