#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "control/cluster/task_manager_registry.h"
#include "control/job/dispatcher.h"
#include "control/schedule/placement.h"
#include "plan/execution_plan.h"
#include "wire/gateways.h"

namespace headrace::control::job {

/// One subtask of the current deployment, as far as its reports say.
struct TaskEntry {
  AttemptId attempt;
  cluster::ProcessKey process;
  std::uint32_t slot = 0;
  wire::TaskState state = wire::TaskState::kDeploying;
  wire::TaskMetrics metrics;  ///< of the newest heartbeat or the last report, with the newest samples of bad records ever sent
  std::uint32_t heartbeats_without_it = 0;  ///< in a row, since it was taken

  bool ended() const { return state != wire::TaskState::kDeploying && state != wire::TaskState::kRunning; }
};

/// The tasks of a job's current deployment. A value without behaviour in time; owned by the job, control executor only.
class ExecutionGraph {
 public:
  void Reset(const JobId& job, DeploymentNumber deployment, std::shared_ptr<const plan::ExecutionPlan> plan,
             const std::vector<schedule::SlotRef>& slots);

  /// Takes a report of `process`. False when it says nothing new: another deployment, another process, or a state that is
  /// not ahead of the known one (reports repeat and overtake each other).
  bool Apply(const cluster::ProcessKey& process, const wire::TaskReport& report);
  /// All processes have taken their tasks: from here on their heartbeats have to name them.
  void NoteTaken() { taken_ = true; }
  /// Notes which tasks a heartbeat of `process` named. Answers the tasks that must be there and were missing in `patience`
  /// heartbeats in a row.
  std::vector<AttemptId> NoteHeartbeat(const cluster::ProcessKey& process, const wire::HeartbeatRequest& heartbeat, std::uint32_t patience);
  /// True when a task that had not finished was on the process.
  bool NeedsProcess(const cluster::ProcessKey& process) const;

  bool empty() const { return tasks_.empty(); }
  bool all_started() const;  ///< each task runs or has finished
  bool all_finished() const;
  const TaskEntry* Find(const AttemptId& attempt) const;
  /// Why the first waiting source or sink waits, with its name; empty when none does.
  std::string WaitingReason() const;
  /// "lines -> split (2/4)"
  std::string TaskName(const AttemptId& attempt) const;
  std::vector<VertexView> View(const plan::ExecutionPlan& plan) const;

 private:
  std::shared_ptr<const plan::ExecutionPlan> plan_;
  std::map<AttemptId, TaskEntry> tasks_;
  bool taken_ = false;
};

}  // namespace headrace::control::job
