#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/outcome.h"
#include "plan/deployment.h"

namespace headrace::wire {

/// Who speaks for the control plane. Receivers refuse a lower epoch, and the same epoch with another holder.
struct LeaderToken {
  LeaderEpoch epoch = 0;
  Incarnation holder;
  bool operator==(const LeaderToken&) const = default;
};

enum class TaskState { kDeploying, kRunning, kFinished, kFailed, kCanceled };

/// What went wrong in one attempt, in a form that can be shown to people as it is.
struct TaskFailure {
  int code = 0;               ///< ErrorCode number
  std::string message;        ///< one or two sentences
  std::string traceback;      ///< user frames, Python only
  std::string user_location;  ///< file:line, when known
  std::string operator_name, operator_uid;
  std::string hint;  ///< one sentence on what to do next; empty: the code's own says it
};

/// How far event time has come in a task.
struct TaskEventTime {
  std::optional<std::int64_t> watermark_ms;  ///< that its consumers were given; none before the first
  bool idle = false;                         ///< it holds its consumers back no more
  std::string held_by;                       ///< the split of a source that holds the watermark back; empty behind channels
  std::optional<std::int64_t> held_at_ms;    ///< that split's own watermark; none before its first row
  std::int64_t held_since_wall_ms = 0;       ///< since when it is that split
  std::vector<std::string> paused = {};      ///< splits that wait for their alignment group, the first ones
};

/// Small numbers that ride on heartbeats and on the last report of an attempt; everything else is scraped.
struct TaskMetrics {
  AttemptId attempt;
  std::uint64_t records_in = 0, records_out = 0, bytes_in = 0, bytes_out = 0, bad_records = 0, late_records = 0;
  double busy_ratio = 0, backpressured_ratio = 0;
  std::string waiting_reason;  ///< why a source or sink waits; empty when it does not
  std::vector<std::string> bad_record_samples;
  std::optional<TaskEventTime> event_time;  ///< none while the task has neither watermarks nor splits that hold them back
};

struct TaskReport {
  AttemptId attempt;
  TaskState state = TaskState::kDeploying;
  TaskFailure failure;                      ///< kFailed only
  std::optional<TaskMetrics> metrics = {};  ///< the last numbers of an attempt that has ended: no heartbeat may come after it
};

struct RegisterRequest {
  TaskManagerId id;
  Incarnation incarnation;
  std::string host;  ///< advertised
  std::uint16_t rpc_port = 0, exchange_port = 0, metrics_port = 0;
  std::uint32_t slots = 0;
  std::string version, python_version;
  std::vector<AttemptId> running;  ///< attempts that live on this process
  LeaderToken highest_leader;      ///< the highest that this process has heard of; epoch 0 when none
};
struct RegisterReply {
  LeaderToken leader;
  std::int64_t heartbeat_interval_ms = 1000;
  std::int64_t heartbeat_timeout_ms = 5000;
};

/// The least watermark of an alignment group's sources in some processes.
struct AlignedWatermark {
  JobId job;
  std::string group;
  std::int64_t watermark_ms = 0;
};

struct HeartbeatRequest {
  TaskManagerId id;
  Incarnation incarnation;
  std::uint64_t sequence = 0;
  std::vector<TaskReport> tasks;     ///< states of all attempts of live deployments, so that a lost report is repaired
  std::vector<TaskMetrics> metrics;  ///< of attempts that have not ended
  std::uint64_t resident_bytes = 0;
  std::uint32_t worker_processes = 0;
  std::vector<AlignedWatermark> aligned;  ///< of the sources here
  LeaderToken highest_leader;             ///< the highest that this process has heard of; epoch 0 when none
};
struct HeartbeatReply {
  LeaderToken leader;
  bool known = true;                           ///< false: register again
  std::vector<AlignedWatermark> aligned = {};  ///< of the sources in other processes
};

template <typename T>
using Reply = std::function<void(Outcome<T>)>;  ///< called exactly once, on any thread

/// What a TaskManager asks of the JobManager (port 6123). Calls return at once.
class JobManagerGateway {
 public:
  virtual ~JobManagerGateway() = default;
  virtual void Register(RegisterRequest request, Reply<RegisterReply> reply) = 0;
  virtual void Heartbeat(HeartbeatRequest request, Reply<HeartbeatReply> reply) = 0;
  virtual void ReportTask(TaskManagerId from, Incarnation incarnation, TaskReport report, Reply<Nothing> reply) = 0;
  /// The whole blob; the receiver checks its sha256.
  virtual void FetchBlob(BlobId id, Reply<std::string> reply) = 0;
};

/// What the JobManager asks of one TaskManager (port 6124). Calls return at once.
/// Every call names the process it means: another incarnation refuses it. Answers besides done:
///   not_done(kTaskManagerLost)  connection refused, or another incarnation answered: the process meant is certainly gone;
///   not_done(kStaleAttempt)     the deployment was cancelled or replaced before, and nothing of it runs or ever will;
///   not_done(kDeposed)          the token is older than one the process knows;
///   not_done(other)             the process lives and refuses, without effect;
///   unknown(kTaskManagerLost)   sent without an answer (reset, deadline): it may or may not have been received.
/// Messages may overtake each other: after Cancel(job, up_to) a process refuses every Deploy of the job with a number <= up_to.
class TaskManagerGateway {
 public:
  virtual ~TaskManagerGateway() = default;
  /// Done = all tasks are taken and will be reported; repeated calls with the same deployment are answered alike.
  virtual void Deploy(LeaderToken leader, Incarnation target, plan::JobDeployment deployment, Reply<Nothing> reply) = 0;
  /// Done = no task, worker, channel or slot of the job's deployments <= `up_to` is left. Idempotent.
  virtual void Cancel(LeaderToken leader, Incarnation target, JobId job, DeploymentNumber up_to, Reply<Nothing> reply) = 0;
  virtual void AddSplits(LeaderToken leader, Incarnation target, AttemptId attempt, plan::SourceAssignment splits,
                         Reply<Nothing> reply) = 0;
  /// Answers when the process lives: the second signal before a TaskManager counts as lost.
  virtual void Probe(LeaderToken leader, Incarnation target, Reply<Nothing> reply) = 0;
};

/// Makes gateways to TaskManagers; the control plane never sees a transport.
class TaskManagerConnector {
 public:
  virtual ~TaskManagerConnector() = default;
  virtual std::shared_ptr<TaskManagerGateway> Connect(const std::string& host, std::uint16_t rpc_port, const TaskManagerId& id) = 0;
};

}  // namespace headrace::wire
