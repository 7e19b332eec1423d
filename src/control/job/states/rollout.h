#pragma once
#include <functional>

#include "control/cluster/mailbox.h"
#include "control/deploy/deployer.h"
#include "control/job/job_master.h"

namespace headrace::control::job {

/// One deployment from the wish to running tasks: waits for slots, takes a number that was never used, sends the tasks,
/// waits until all of them run. Answers `running`, or `failed` with the cause, at most one of the two and once.
/// Owned by a state that has made sure that nothing of an older deployment is left; control executor only.
class Rollout {
 public:
  using Failed = std::function<void(ExceptionEntry, JobMaster::FailureKind)>;
  Rollout(JobMaster* job, std::function<void()> running, Failed failed);

  void Start() { Try(); }
  void Close();
  void OnTaskReport(const wire::TaskReport& report);
  void OnProcessLost(const cluster::ProcessKey& process, bool needed);
  void OnCapacityChanged();

 private:
  enum class Step { kWaitingForSlots, kTakingNumber, kDeploying, kEnded };
  void Try();
  void TakeNumber();
  void Deploy(DeploymentNumber number);
  void CheckRunning();
  void Fail(ExceptionEntry entry, JobMaster::FailureKind kind);

  JobMaster* const job_;
  std::function<void()> running_;
  Failed failed_;
  Step step_ = Step::kWaitingForSlots;
  bool taken_ = false;  ///< all processes have taken their tasks
  deploy::Deployer deployer_;
  cluster::Mailbox mailbox_;
};

/// The exception of a lost process.
ExceptionEntry LossEntry(const JobMaster& job, const cluster::ProcessKey& process);

}  // namespace headrace::control::job
