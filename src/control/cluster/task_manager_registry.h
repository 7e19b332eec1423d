#pragma once
#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/ids.h"
#include "base/outcome.h"
#include "control/cluster/leadership.h"
#include "control/cluster/mailbox.h"
#include "wire/gateways.h"

namespace headrace::control::cluster {

/// One process: the same TaskManager id with a new incarnation is another process.
struct ProcessKey {
  TaskManagerId id;
  Incarnation incarnation;
  auto operator<=>(const ProcessKey&) const = default;
};

enum class ProcessStatus { kActive, kSuspect, kLost };
const char* NameOf(ProcessStatus status);  ///< "ACTIVE" …

/// What is known of one TaskManager. A copy of nothing: read it in the same turn.
struct TaskManagerEntry {
  ProcessKey key;
  wire::RegisterRequest info;
  ProcessStatus status = ProcessStatus::kActive;
  MonotonicTime last_heartbeat{};
  std::int64_t last_heartbeat_wall_ms = 0;
  std::uint64_t sequence = 0;  ///< of the newest heartbeat
  std::uint64_t resident_bytes = 0;
  std::uint32_t worker_processes = 0;
  std::vector<wire::AlignedWatermark> aligned;  ///< of its sources
  std::shared_ptr<wire::TaskManagerGateway> gateway;
  std::map<JobId, DeploymentNumber> cleaning;  ///< left-overs being cancelled; its slots cannot be used until this is empty
  bool probing = false;

  bool usable() const { return status == ProcessStatus::kActive && cleaning.empty(); }
};

/// Told of changes on the control executor, inside the turn that made them.
class RegistryListener {
 public:
  virtual ~RegistryListener() = default;
  /// Answers what must be cancelled on the process before its slots are used: job and highest deployment.
  virtual std::map<JobId, DeploymentNumber> OnProcessRegistered(const ProcessKey& process, const std::vector<AttemptId>& running) = 0;
  /// Nothing of the job's deployments up to `up_to` is left on the process, as Clean() wanted.
  virtual void OnProcessCleaned(const ProcessKey& process, const JobId& job, DeploymentNumber up_to) = 0;
  virtual void OnProcessLost(const ProcessKey& process) = 0;
  virtual void OnTaskReport(const ProcessKey& process, const wire::TaskReport& report) = 0;
  virtual void OnHeartbeat(const ProcessKey& process, const wire::HeartbeatRequest& heartbeat) = 0;
  virtual void OnCapacityChanged() = 0;
};

/// Knows every TaskManager and decides who is lost. A silent one becomes suspect and is probed; it is lost when the probe is
/// refused (certain) or when the timeout passed and a probe sent after it failed. It never decides on silence alone.
/// Owned by the control plane; control executor only; stops when destroyed.
class TaskManagerRegistry {
 public:
  struct Options {
    Duration heartbeat_interval = std::chrono::milliseconds(1000);
    Duration heartbeat_timeout = std::chrono::milliseconds(5000);
    Duration forget_lost_after = std::chrono::minutes(10);
  };
  TaskManagerRegistry(Executor* executor, Leadership* leadership, wire::TaskManagerConnector* connector, Options options,
                      RegistryListener* listener);

  void Start();
  void Register(wire::RegisterRequest request, wire::Reply<wire::RegisterReply> reply);
  void Heartbeat(wire::HeartbeatRequest request, wire::Reply<wire::HeartbeatReply> reply);
  void ReportTask(const ProcessKey& from, const wire::TaskReport& report, wire::Reply<Nothing> reply);

  /// A gateway call failed: a refusal or a lost answer starts a probe, a newer epoch deposes this JobManager.
  void NoteFailedCall(const ProcessKey& process, const Status& reason);
  /// Cancels what is left of a job on a process, again and again until it is done or the process is lost.
  void Clean(const ProcessKey& process, const JobId& job, DeploymentNumber up_to);

  /// The process, unless it is lost, replaced or was never known.
  const TaskManagerEntry* FindAlive(const ProcessKey& process) const;
  const std::map<TaskManagerId, TaskManagerEntry>& entries() const { return entries_; }
  const Options& options() const { return options_; }

 private:
  /// The least watermarks of alignment groups in all processes but one.
  std::vector<wire::AlignedWatermark> AlignedElsewhere(const ProcessKey& process) const;
  TaskManagerEntry* Alive(const ProcessKey& process);
  void Accept(wire::RegisterRequest request, const wire::Reply<wire::RegisterReply>& reply);
  void ProbeBeforeReplacing(wire::RegisterRequest request, wire::Reply<wire::RegisterReply> reply);
  void Tick();
  void Probe(TaskManagerEntry* entry);
  void OnProbed(const ProcessKey& process, MonotonicTime sent, const Outcome<Nothing>& outcome);
  void MarkLost(TaskManagerEntry* entry, const std::string& why);
  void SendClean(const ProcessKey& process, const JobId& job);

  Leadership* const leadership_;
  wire::TaskManagerConnector* const connector_;
  const Options options_;
  RegistryListener* const listener_;
  std::map<TaskManagerId, TaskManagerEntry> entries_;
  Mailbox mailbox_;
};

}  // namespace headrace::control::cluster
