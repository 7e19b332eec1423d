#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/outcome.h"
#include "wire/gateways.h"

namespace headrace::plan {
struct ExecutionPlan;
}

namespace headrace::control::job {

/// Job states of the REST interface. Legal changes stand in transitions.h and nowhere else.
enum class JobState {
  kInitializing,
  kCreated,
  kRunning,
  kFailing,
  kFailed,
  kCancelling,
  kCanceled,
  kStopping,
  kFinished,
  kRestarting,
  kSuspended,
  kReconciling,
};
const char* NameOf(JobState state);  ///< "INITIALIZING" …
bool IsTerminal(JobState state);

struct SubmitRequest {
  std::string job_file;                      ///< bytes of the .pkl
  std::optional<std::uint32_t> parallelism;  ///< replaces the job's own
  std::string job_name;                      ///< empty = the job's own
  std::string idempotency_key;
};
struct SubmitAnswer {
  JobId job;
  JobState status = JobState::kCreated;
  std::vector<std::string> warnings;
};

/// One failure of a job as shown under /jobs/{id}/exceptions; the first is kept for ever, of the rest the newest 20.
struct ExceptionEntry {
  std::int64_t wall_time_ms = 0;
  wire::TaskFailure failure;
  std::string task_name;  ///< vertex name and subtask, empty for failures of the job as a whole
  std::string task_manager;
  DeploymentNumber deployment = 0;
};

struct SubtaskView {
  std::uint32_t subtask = 0;
  wire::TaskState state = wire::TaskState::kDeploying;
  TaskManagerId task_manager;
  wire::TaskMetrics metrics;
};
struct VertexView {
  VertexIndex index = 0;
  std::string name;
  std::uint32_t parallelism = 1;
  std::vector<SubtaskView> subtasks;
};
/// Everything REST says of one job; a copy, made on the control executor.
struct JobView {
  JobId id;
  std::string name;
  JobState state = JobState::kInitializing;
  std::string reason;  ///< why it waits: "need 12 slots, 8 free", "broker … does not answer"; else empty
  std::int64_t start_wall_ms = 0, end_wall_ms = 0, state_since_wall_ms = 0;
  DeploymentNumber deployment = 0;
  std::uint32_t restarts = 0;
  std::uint32_t slots_needed = 0;
  std::vector<std::string> warnings;
  std::vector<VertexView> vertices;
  std::vector<ExceptionEntry> exceptions;           ///< oldest first
  std::shared_ptr<const plan::ExecutionPlan> plan;  ///< with the job's settings; null for a job that an earlier JobManager ended
};
struct TaskManagerView {
  TaskManagerId id;
  std::string host;
  std::uint16_t rpc_port = 0, exchange_port = 0, metrics_port = 0;
  std::uint32_t slots = 0, free_slots = 0;
  std::string status;  ///< ACTIVE, SUSPECT, LOST
  std::string version, python_version;
  std::int64_t last_heartbeat_wall_ms = 0;
  std::uint64_t resident_bytes = 0;
  std::uint32_t worker_processes = 0;
};
struct ClusterView {
  std::uint32_t total_task_managers = 0, active_task_managers = 0, total_slots = 0, available_slots = 0, total_jobs = 0, running_jobs = 0;
  bool leader = false;
  LeaderEpoch leader_epoch = 0;
  std::string leader_address;  ///< empty while nobody can serve requests
  bool store_reachable = false;
};

/// The control plane's front door. Every call may come from any thread, returns at once, and answers exactly once from the
/// control executor. Reads are copies of the state at that turn.
class Dispatcher {
 public:
  virtual ~Dispatcher() = default;
  /// Reads, validates, stores and starts a job. Waits ≤ 10 s for slots and ≤ 5 s for all tasks, then answers the true status.
  /// Errors carry an ErrorCode: what REST answers (400, 409 "need 13 slots, 12 free", …).
  virtual void Submit(SubmitRequest request, std::function<void(Result<SubmitAnswer>)> answer) = 0;
  /// Everything that Submit checks, without running anything. Answers the plan that would run.
  virtual void Validate(SubmitRequest request, std::function<void(Result<std::shared_ptr<const plan::ExecutionPlan>>)> answer) = 0;
  /// Answers when the job is CANCELED and its slots are free. kNotFound; kConflict when it ended otherwise.
  virtual void Cancel(JobId job, std::function<void(Result<JobState>)> answer) = 0;
  /// Without vertices and exceptions, newest first; of the ended ones the newest 200, GetJob finds the others too. kNotReady
  /// while the stored jobs are still read: an empty list would be a lie that people act on.
  virtual void ListJobs(std::function<void(Result<std::vector<JobView>>)> answer) = 0;
  virtual void GetJob(JobId job, std::function<void(Result<JobView>)> answer) = 0;
  virtual void ListTaskManagers(std::function<void(std::vector<TaskManagerView>)> answer) = 0;
  virtual void GetCluster(std::function<void(ClusterView)> answer) = 0;
};

}  // namespace headrace::control::job
