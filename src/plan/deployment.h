#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "plan/execution_plan.h"
#include "plan/split.h"

namespace headrace::plan {

/// Where a TaskManager's exchange listens.
struct ExchangeAddress {
  TaskManagerId task_manager;
  Incarnation incarnation;
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const ExchangeAddress&) const = default;
};

/// The other end of one channel of this task.
struct ChannelPeer {
  ChannelRef channel;
  ExchangeAddress peer;
};

struct SourceAssignment {
  OperatorUid source;
  std::vector<SourceSplit> splits;
  bool more_may_come = false;  ///< partitions found later are added by AddSplits
};

/// One subtask to run. Channel peers cover every input and output edge of its vertex, in ExpandEdge order.
struct TaskDeployment {
  AttemptId attempt;
  std::uint32_t slot = 0;  ///< slot index on its TaskManager
  std::vector<ChannelPeer> inputs;
  std::vector<ChannelPeer> outputs;
  std::vector<SourceAssignment> sources;
};

/// A file set that workers need, fetched by hash when the TaskManager does not have it.
struct ArchiveRef {
  std::string name;
  BlobId sha256;
  std::uint64_t size_bytes = 0;
  bool python_path = false;
};

/// All subtasks of one deployment on one TaskManager, with the plan they run.
struct JobDeployment {
  JobId job;
  DeploymentNumber deployment = 0;
  std::shared_ptr<const ExecutionPlan> plan;
  std::vector<ArchiveRef> archives;
  std::vector<TaskDeployment> tasks;
};

}  // namespace headrace::plan
