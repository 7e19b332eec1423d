#pragma once
#include <functional>
#include <map>
#include <set>

#include "base/status.h"
#include "control/cluster/leadership.h"
#include "control/cluster/mailbox.h"
#include "control/cluster/task_manager_registry.h"
#include "plan/deployment.h"

namespace headrace::control::deploy {

/// Sends one deployment to its processes and says how it went: once all have taken it, or at the first that did not.
/// It never sends twice: an unknown answer is a failure, and the caller cancels and verifies before the next number.
/// Owned by one job's state; control executor only; a destroyed Deployer says nothing more.
class Deployer {
 public:
  struct Failure {
    cluster::ProcessKey process;
    Status reason;
    bool unknown = false;
  };
  using Done = std::function<void()>;
  using Failed = std::function<void(const Failure&)>;
  Deployer(Executor* executor, cluster::Leadership* leadership, cluster::TaskManagerRegistry* registry);

  /// The caller has recorded that these processes may hold tasks. Call once.
  void Deploy(std::map<cluster::ProcessKey, plan::JobDeployment> deployments, Done done, Failed failed);
  /// Nothing is said from here on.
  void Close() { mailbox_.Close(); }

 private:
  void OnAnswer(const cluster::ProcessKey& process, const Outcome<Nothing>& outcome);

  cluster::Leadership* const leadership_;
  cluster::TaskManagerRegistry* const registry_;
  std::set<cluster::ProcessKey> waiting_for_;
  Done done_;
  Failed failed_;
  cluster::Mailbox mailbox_;
};

}  // namespace headrace::control::deploy
