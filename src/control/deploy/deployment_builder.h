#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "control/cluster/task_manager_registry.h"
#include "control/schedule/placement.h"
#include "plan/deployment.h"
#include "plan/execution_plan.h"
#include "plan/split.h"

namespace headrace::control::deploy {

/// The splits of one source in the order in which they were stored; the n-th belongs to subtask n mod parallelism.
struct SourceSplits {
  std::vector<plan::SourceSplit> splits;
  bool more_may_come = false;
};

/// Everything one deployment is made from.
struct DeploymentInput {
  JobId job;
  DeploymentNumber deployment = 0;
  std::shared_ptr<const plan::ExecutionPlan> plan;
  std::vector<plan::ArchiveRef> archives;
  std::vector<schedule::SlotRef> slots;                            ///< the n-th runs subtask n of every vertex
  std::map<cluster::ProcessKey, plan::ExchangeAddress> addresses;  ///< of every process in `slots`
  std::map<OperatorUid, SourceSplits> sources;
};

/// What each process has to run: its tasks with the peers of all their channels and their splits. Pure.
std::map<cluster::ProcessKey, plan::JobDeployment> BuildDeployments(const DeploymentInput& input);

}  // namespace headrace::control::deploy
