#pragma once
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace headrace {

/// A string with a type of its own, so that a job id is never passed for a TaskManager id.
template <typename Tag>
class StrongString {
 public:
  StrongString() = default;
  explicit StrongString(std::string value) : value_(std::move(value)) {}
  const std::string& str() const { return value_; }
  bool empty() const { return value_.empty(); }
  auto operator<=>(const StrongString&) const = default;

 private:
  std::string value_;
};

using JobId = StrongString<struct JobIdTag>;                  ///< 32 hex digits
using TaskManagerId = StrongString<struct TaskManagerIdTag>;  ///< TASK_MANAGER_ID, by default the host name
using Incarnation = StrongString<struct IncarnationTag>;      ///< random per process start
using OperatorUid = StrongString<struct OperatorUidTag>;
using BlobId = StrongString<struct BlobIdTag>;  ///< lower-case hex sha256 of the content

/// Position of a fused chain in a job's execution plan, from 0 in topological order.
using VertexIndex = std::uint32_t;
/// Counts the deployments of a job, from 1; each restart of the whole job takes the next.
using DeploymentNumber = std::uint32_t;
/// Fencing epoch of the leading JobManager.
using LeaderEpoch = std::uint64_t;

/// One run of one subtask. Text form "job/deployment/vertex/subtask".
struct AttemptId {
  JobId job;
  DeploymentNumber deployment = 0;
  VertexIndex vertex = 0;
  std::uint32_t subtask = 0;
  auto operator<=>(const AttemptId&) const = default;
  std::string ToString() const {
    return job.str() + "/" + std::to_string(deployment) + "/" + std::to_string(vertex) + "/" + std::to_string(subtask);
  }
};

}  // namespace headrace

template <typename Tag>
struct std::hash<headrace::StrongString<Tag>> {
  std::size_t operator()(const headrace::StrongString<Tag>& id) const noexcept { return std::hash<std::string>{}(id.str()); }
};
template <>
struct std::hash<headrace::AttemptId> {
  std::size_t operator()(const headrace::AttemptId& id) const noexcept {
    std::size_t h = std::hash<headrace::JobId>{}(id.job);
    return ((h * 1000003u + id.deployment) * 1000003u + id.vertex) * 1000003u + id.subtask;
  }
};
