#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/cluster/task_manager_registry.h"
#include "control/deploy/deployment_builder.h"
#include "control/deploy/task_stopper.h"
#include "control/job/dispatcher.h"
#include "control/job/exception_history.h"
#include "control/job/execution_graph.h"
#include "control/job/job_services.h"
#include "control/job/job_state.h"
#include "control/metastore/metastore.h"
#include "control/recovery/restart_strategy.h"
#include "plan/execution_plan.h"
#include "plan/job_graph.h"

namespace headrace::control::job {

/// A checked job on its way to run.
struct JobDescription {
  metastore::JobRecord record;  ///< without job_file: the store keeps it
  std::shared_ptr<const plan::ExecutionPlan> plan;
  std::vector<plan::Archive> archives;
  std::vector<std::string> warnings;
  /// Splits that the submit check found already; the rest is asked for while INITIALIZING.
  std::map<OperatorUid, std::vector<plan::SourceSplit>> planned;
};

/// The facts of one job that outlive a state.
struct JobFacts {
  JobDescription description;
  std::vector<plan::ArchiveRef> archives;
  std::map<OperatorUid, deploy::SourceSplits> sources;  ///< as stored; never shrinks
  DeploymentNumber deployment = 0;                      ///< the current one; 0 before the first
  ExecutionGraph execution;
  deploy::TouchedProcesses touched;    ///< may hold tasks: to be cancelled before anything new
  deploy::TouchedProcesses abandoned;  ///< were lost with tasks: to be cancelled should they come back
  ExceptionHistory exceptions;
  std::uint32_t restarts = 0;
  std::string reason;  ///< why the job waits, for people
  std::int64_t end_wall_ms = 0;
};

/// One job: a state machine fed by turns of the control executor. It decides what the job does next; the states do it.
/// Owns the facts and the current state; owned by the dispatcher. No threads; stops when destroyed, without touching tasks.
class JobMaster {
 public:
  using StateListener = std::function<void(JobMaster&)>;
  using CancelAnswer = std::function<void(Result<JobState>)>;
  /// `changed` is called after every change of state.
  JobMaster(JobServices* services, JobDescription description, StateListener changed);
  ~JobMaster();

  void Start();
  /// Ends a stored job that cannot run (its file is not readable any more).
  void StartFailed(const Status& cause);
  void Cancel(CancelAnswer answer);
  /// Another JobManager leads: nothing is decided any more.
  void Suspend();

  void OnTaskReport(const cluster::ProcessKey& process, const wire::TaskReport& report);
  void OnHeartbeat(const cluster::ProcessKey& process, const wire::HeartbeatRequest& heartbeat);
  void OnProcessLost(const cluster::ProcessKey& process);
  void OnProcessCleaned(const cluster::ProcessKey& process, DeploymentNumber up_to);
  void OnCapacityChanged();
  /// The highest deployment of this job that must not live on the process, given what it says it runs; 0 = none.
  DeploymentNumber StaleOn(const cluster::ProcessKey& process, const std::vector<AttemptId>& running) const;

  const JobId& id() const { return facts_.description.record.id; }
  JobState state() const;
  /// Terminal, and nothing of it is left on any process or in any slot.
  bool released() const { return released_; }
  JobView View(bool with_details) const;

  // For the states.
  enum class FailureKind { kOwn, kProcessLost, kInfrastructure };
  JobServices& services() { return *services_; }
  JobFacts& facts() { return facts_; }
  const JobFacts& facts() const { return facts_; }
  recovery::RestartStrategy& strategy() { return strategy_; }
  std::uint32_t slots_needed() const { return facts_.description.plan->slots_needed(); }
  /// Leaves the current state. The change must be in transitions.h.
  void ChangeTo(std::unique_ptr<JobStateHandler> next);
  /// Keeps the failure and goes to RESTARTING or FAILING.
  void FailDeployment(ExceptionEntry entry, FailureKind kind);
  void RecordException(ExceptionEntry entry);
  ExceptionEntry EntryOf(const wire::TaskReport& report) const;
  ExceptionEntry EntryOf(const Status& status, const std::string& task_manager = {}) const;
  /// Whether the job's own code raised it, rather than a process or connection that went away.
  static FailureKind KindOf(const wire::TaskFailure& failure);
  void SetReason(std::string reason) { facts_.reason = std::move(reason); }
  /// Everything is gone: frees slots and blobs and answers who waits for the end.
  void Release();

 private:
  void AnswerCancels();

  JobServices* const services_;
  JobFacts facts_;
  recovery::RestartStrategy strategy_;
  const StateListener changed_;
  std::unique_ptr<JobStateHandler> state_;
  std::vector<CancelAnswer> cancel_answers_;
  std::int64_t state_since_wall_ms_ = 0;
  bool released_ = false;
  std::shared_ptr<Counter> restarts_total_;
};

}  // namespace headrace::control::job
