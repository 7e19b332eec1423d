#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/taskmanager/callback_gate.h"
#include "data/taskmanager/deployment_run.h"
#include "data/taskmanager/job_files.h"
#include "data/taskmanager/job_manager_link.h"
#include "data/taskmanager/task_manager_parts.h"
#include "data/taskmanager/task_reporter.h"
#include "wire/epoch_guard.h"
#include "wire/gateways.h"

namespace headrace::data::taskmanager {

/// The process' side of the control protocol: takes deployments, runs them, reports, cancels. At most one deployment of a job
/// runs at a time; what was cancelled never starts again, whatever the order in which messages arrive.
/// Owns runs and job files. Gateway calls may come from any thread and are only posted; everything else on the control
/// executor. Stop: RequestStop() cancels everything and says when nothing is left; then destroy it, with or after the executor.
class TaskManager final : public wire::TaskManagerGateway {
 public:
  TaskManager(TaskManagerOptions options, TaskManagerParts parts);
  ~TaskManager() override;
  /// Starts to register. Ports other than 0 replace those of the options: servers that use this gateway listen before it
  /// registers. Any thread.
  void Start(std::uint16_t rpc_port = 0, std::uint16_t metrics_port = 0);
  /// `stopped` is called once on the control executor when nothing runs any more.
  void RequestStop(std::function<void()> stopped);
  /// Asks the JobManager that this process is registered with. Any thread; once the TaskManager is gone the reply is dropped.
  void FetchBlob(BlobId id, wire::Reply<std::string> reply);

  void Deploy(wire::LeaderToken leader, Incarnation target, plan::JobDeployment deployment, wire::Reply<Nothing> reply) override;
  void Cancel(wire::LeaderToken leader, Incarnation target, JobId job, DeploymentNumber up_to, wire::Reply<Nothing> reply) override;
  void AddSplits(wire::LeaderToken leader, Incarnation target, AttemptId attempt, plan::SourceAssignment splits,
                 wire::Reply<Nothing> reply) override;
  void Probe(wire::LeaderToken leader, Incarnation target, wire::Reply<Nothing> reply) override;

 private:
  using Replies = std::vector<wire::Reply<Nothing>>;
  struct CancelWaiter {
    DeploymentNumber up_to;
    wire::Reply<Nothing> reply;
  };
  struct JobEntry {
    DeploymentNumber cancelled_up_to = 0;
    std::unique_ptr<JobFiles> files;
    std::unique_ptr<DeploymentRun> run;  // the newest; maybe closing
    bool start_known = false;
    Status start_result;     // of `run`
    Replies deploy_waiters;  // until start_known
    std::vector<CancelWaiter> cancel_waiters;
    std::shared_ptr<plan::JobDeployment> next;  // waits until `run` is gone
    wire::Reply<Nothing> next_reply;
    Executor::TimerId watchdog = 0, removal = 0;
  };
  /// Wrong process or wrong leader.
  Status Admit(const wire::LeaderToken& leader, const Incarnation& target);
  void DoDeploy(plan::JobDeployment deployment, wire::Reply<Nothing> reply);
  void Begin(const JobId& job, plan::JobDeployment deployment, wire::Reply<Nothing> reply);
  void OnStarted(const JobId& job, DeploymentNumber number, const Status& status);
  void OnReport(const wire::TaskReport& report);
  void OnClosed(const JobId& job, DeploymentNumber number);
  void DoCancel(const JobId& job, DeploymentNumber up_to, wire::Reply<Nothing> reply);
  void CancelRun(const JobId& job, JobEntry& entry);
  void AnswerCancels(JobEntry& entry);
  void ForgetLater(const JobId& job, JobEntry& entry);
  void FillHeartbeat(wire::HeartbeatRequest* request);
  void OnAligned(const std::vector<wire::AlignedWatermark>& elsewhere);
  void OnContactLost();
  void CheckStopped();

  TaskManagerOptions options_;
  TaskManagerParts parts_;
  std::shared_ptr<CallbackGate> gate_;
  wire::EpochGuard guard_;
  JobManagerLink link_;
  TaskReporter reporter_;
  std::map<JobId, JobEntry> jobs_;
  std::function<void()> stopped_;
  bool stopping_ = false;
  std::shared_ptr<Gauge> slots_gauge_, tasks_gauge_, workers_gauge_, resident_gauge_;
};

}  // namespace headrace::data::taskmanager
