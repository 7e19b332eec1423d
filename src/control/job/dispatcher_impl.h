#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/cluster/leadership.h"
#include "control/cluster/task_manager_registry.h"
#include "control/job/blob_store.h"
#include "control/job/control_metrics.h"
#include "control/job/dispatcher.h"
#include "control/job/job_manager_endpoint.h"
#include "control/job/job_master.h"
#include "control/job/job_services.h"
#include "control/job/submission.h"
#include "control/job/submit_checks.h"
#include "control/schedule/slot_pool.h"

namespace headrace::control::job {

/// What the control plane stands on; everything outlives it.
struct ControlPlaneParts {
  Executor* executor = nullptr;
  metastore::Metastore* store = nullptr;  ///< answers on `executor`
  wire::TaskManagerConnector* connector = nullptr;
  SplitPlanner* planner = nullptr;
  Random* random = nullptr;            ///< used on `executor` only
  MetricsRegistry* metrics = nullptr;  ///< may be null
  /// Reads job files, which takes longer than a turn may. Stopped before the control plane is destroyed; null = `executor`.
  Executor* side = nullptr;
};
struct ControlPlaneOptions {
  std::string address;          ///< host:port of the REST interface, for followers
  JobFileReader read_job_file;  ///< empty = wire::ReadJobFile
  cluster::Leadership::Options leadership;
  cluster::TaskManagerRegistry::Options registry;
  SubmitTiming submit;
  /// Job files of submissions that wait, for slots or for the store: one that would exceed this has to ask again later.
  std::size_t most_waiting_bytes = 256u << 20;
  JobTiming job;
  plan::RestartSettings default_restart;  ///< of jobs that set none
  /// Called on the executor after the lead was taken, slots came or went, or a job changed its state. May call the
  /// dispatcher; may not block.
  std::function<void()> on_change;
};

/// The whole control plane of one JobManager: takes the lead, recovers the stored jobs, knows the TaskManagers, runs one
/// JobMaster per job. Owns all of them. The Dispatcher calls and gateway() may be used from any thread; everything else
/// happens in turns of the executor. Stop: end the executor (RequestStop, Join), then destroy; no tasks are touched.
class DispatcherImpl final : public Dispatcher,
                             private cluster::LeadershipListener,
                             private cluster::RegistryListener,
                             private Submission::Owner {
 public:
  DispatcherImpl(const ControlPlaneParts& parts, ControlPlaneOptions options);
  ~DispatcherImpl() override;
  /// Begins to take the lead. Call once, from any thread.
  void Start();
  /// What TaskManagers call. May be held longer than this object lives, but not called.
  std::shared_ptr<wire::JobManagerGateway> gateway() const { return endpoint_; }

  void Submit(SubmitRequest request, std::function<void(Result<SubmitAnswer>)> answer) override;
  void Validate(SubmitRequest request, std::function<void(Result<std::shared_ptr<const plan::ExecutionPlan>>)> answer) override;
  void Cancel(JobId job, std::function<void(Result<JobState>)> answer) override;
  void ListJobs(std::function<void(Result<std::vector<JobView>>)> answer) override;
  void GetJob(JobId job, std::function<void(Result<JobView>)> answer) override;
  void ListTaskManagers(std::function<void(std::vector<TaskManagerView>)> answer) override;
  void GetCluster(std::function<void(ClusterView)> answer) override;

 private:
  // LeadershipListener
  void OnLeading() override;
  void OnThawed() override { OfferCapacity(); }
  void OnDeposed() override;
  // RegistryListener
  std::map<JobId, DeploymentNumber> OnProcessRegistered(const cluster::ProcessKey& process, const std::vector<AttemptId>& running) override;
  void OnProcessCleaned(const cluster::ProcessKey& process, const JobId& job, DeploymentNumber up_to) override;
  void OnProcessLost(const cluster::ProcessKey& process) override;
  void OnTaskReport(const cluster::ProcessKey& process, const wire::TaskReport& report) override;
  void OnHeartbeat(const cluster::ProcessKey& process, const wire::HeartbeatRequest& heartbeat) override;
  void OnCapacityChanged() override { OfferCapacity(); }
  // Submission::Owner
  const JobFileReader& read_job_file() const override { return options_.read_job_file; }
  JobMaster* StartJob(JobDescription description) override;
  JobMaster* FindJob(const JobId& id) override;
  void FindEnded(const JobId& id, std::function<void(Result<JobView>)> answer) override;
  void OnSubmissionEnded(Submission* submission) override;

  void RecoverFinished();
  void RecoverUnfinished();
  /// A stored job that was read again, or why it cannot be.
  struct RecoveredJob {
    metastore::JobRecord record;  ///< without job_file
    Result<JobDescription> prepared;
  };
  void OnRecovered(std::vector<RecoveredJob> jobs);
  JobMaster* AddJob(JobDescription description);
  void CleanStale(const cluster::ProcessKey& process, const wire::HeartbeatRequest& heartbeat);
  /// In a later turn: whoever waits for slots may look again. Oldest first.
  void OfferCapacity();
  /// kNotReady until the stored jobs were read; afterwards everything that is not here can be denied.
  Status CheckRecovered() const;
  void OnJobChanged(JobMaster& job);
  /// Jobs that ended long ago leave the memory; the store keeps their results.
  void ForgetOldJobs();
  std::vector<JobMaster*> JobsByAge();
  ClusterView Cluster() const;
  void SetMetrics();
  void NotifyChange();
  void DoSubmit(SubmitRequest request, std::function<void(Result<SubmitAnswer>)> answer);
  /// kTooManyRequests when the waiting submissions hold too much already.
  Result<Submission*> AddSubmission(SubmitRequest request);

  const ControlPlaneOptions options_;
  Random* const random_;
  BlobStore blobs_;
  cluster::Leadership leadership_;
  cluster::TaskManagerRegistry registry_;
  schedule::SlotPool slots_;
  JobServices services_;
  std::optional<ControlMetrics> metrics_;
  std::map<JobId, std::unique_ptr<JobMaster>> jobs_;
  std::vector<JobId> job_order_;           ///< of submission
  std::map<JobId, JobView> ended_before_;  ///< ended under an earlier JobManager
  std::vector<std::unique_ptr<Submission>> submissions_;
  bool recovered_ = false, capacity_offered_ = false;
  const std::shared_ptr<JobManagerEndpoint> endpoint_;
  cluster::Mailbox mailbox_;
};

}  // namespace headrace::control::job
