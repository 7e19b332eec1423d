#pragma once
#include <cstdint>
#include <map>
#include <memory>

#include "data/taskmanager/callback_gate.h"
#include "data/taskmanager/task_manager_parts.h"
#include "wire/gateways.h"

namespace headrace::data::taskmanager {

class JobManagerLink;

/// Tells the JobManager every change of a task's state, again and again until it was confirmed or does not matter any more.
/// Owned by the TaskManager; control executor only.
class TaskReporter {
 public:
  TaskReporter(const TaskManagerOptions* options, const TaskManagerParts* parts, std::shared_ptr<CallbackGate> gate, JobManagerLink* link)
      : options_(options), parts_(parts), gate_(std::move(gate)), link_(link) {}
  /// Replaces what is still unsaid of the same attempt.
  void Report(const wire::TaskReport& report);
  /// Nothing of the job's deployments up to `up_to` is told any more.
  void Forget(const JobId& job, DeploymentNumber up_to);
  std::size_t unconfirmed() const { return pending_.size(); }

 private:
  struct Pending {
    wire::TaskReport report;
    std::uint64_t call = 0;
    int failures = 0;
  };
  void Send(const AttemptId& attempt);
  void OnAnswer(const AttemptId& attempt, std::uint64_t call, const Outcome<Nothing>& outcome);
  void Retry(const AttemptId& attempt, Pending& pending);

  const TaskManagerOptions* options_;
  const TaskManagerParts* parts_;
  std::shared_ptr<CallbackGate> gate_;
  JobManagerLink* link_;
  std::map<AttemptId, Pending> pending_;
  std::uint64_t next_call_ = 1;
};

}  // namespace headrace::data::taskmanager
