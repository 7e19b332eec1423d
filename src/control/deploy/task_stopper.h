#pragma once
#include <functional>
#include <map>
#include <string>

#include "base/ids.h"
#include "control/cluster/leadership.h"
#include "control/cluster/mailbox.h"
#include "control/cluster/task_manager_registry.h"

namespace headrace::control::deploy {

/// Processes that may hold tasks, workers or slots of one job, with the highest deployment that was sent to each.
using TouchedProcesses = std::map<cluster::ProcessKey, DeploymentNumber>;

/// Cancels a job on every process that it touched, again and again, until each one said that nothing is left or is lost.
/// Owned by one job's state; control executor only; a destroyed TaskStopper says nothing more.
class TaskStopper {
 public:
  /// `touched` is the job's own list: a process leaves it when it is known to hold nothing. The owner takes lost ones out.
  TaskStopper(Executor* executor, cluster::Leadership* leadership, cluster::TaskManagerRegistry* registry, JobId job,
              TouchedProcesses* touched);

  /// `stopped` is called once, in a later turn or at once when nothing is touched; nothing is sent from then on.
  void Start(std::function<void()> stopped);
  /// The owner took a lost process out of the list.
  void OnProcessLost() { Check(); }
  /// Nothing is said or sent from here on.
  void Close() {
    mailbox_.Close();
    stopped_ = nullptr;
  }
  /// "stopping tasks on tm1, tm2"
  std::string Describe() const;

 private:
  void Send(const cluster::ProcessKey& process);
  void Check();

  cluster::Leadership* const leadership_;
  cluster::TaskManagerRegistry* const registry_;
  const JobId job_;
  TouchedProcesses* const touched_;
  std::function<void()> stopped_;
  cluster::Mailbox mailbox_;
};

}  // namespace headrace::control::deploy
