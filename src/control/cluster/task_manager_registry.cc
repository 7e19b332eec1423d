#include "control/cluster/task_manager_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/logging.h"
#include "base/status.h"

namespace headrace::control::cluster {
namespace {

constexpr Duration kCleanRetry = std::chrono::milliseconds(500);

ProcessKey KeyOf(const wire::RegisterRequest& request) { return {request.id, request.incarnation}; }

bool IsGone(const Outcome<Nothing>& outcome) { return outcome.not_done() && CodeOf(outcome.reason()) == ErrorCode::kTaskManagerLost; }

}  // namespace

const char* NameOf(ProcessStatus status) {
  switch (status) {
    case ProcessStatus::kActive:
      return "ACTIVE";
    case ProcessStatus::kSuspect:
      return "SUSPECT";
    case ProcessStatus::kLost:
      return "LOST";
  }
  return "LOST";
}

TaskManagerRegistry::TaskManagerRegistry(Executor* executor, Leadership* leadership, wire::TaskManagerConnector* connector, Options options,
                                         RegistryListener* listener)
    : leadership_(leadership), connector_(connector), options_(options), listener_(listener), mailbox_(executor) {}

void TaskManagerRegistry::Start() { Tick(); }

void TaskManagerRegistry::Register(wire::RegisterRequest request, wire::Reply<wire::RegisterReply> reply) {
  if (!leadership_->leading())
    return reply(Outcome<wire::RegisterReply>::NotDone(Error(ErrorCode::kNotReady, "This JobManager does not lead.")));
  leadership_->NoteOtherLeader(request.highest_leader);
  if (request.id.empty() || request.incarnation.empty() || request.slots == 0) {
    return reply(Outcome<wire::RegisterReply>::NotDone(
        Error(ErrorCode::kBadRequest, fmt::format("TaskManager \"{}\" registered without id, incarnation or slots.", request.id.str()))));
  }
  const auto known = entries_.find(request.id);
  const bool other_process = known != entries_.end() && known->second.key.incarnation != request.incarnation;
  if (other_process && known->second.status != ProcessStatus::kLost) return ProbeBeforeReplacing(std::move(request), std::move(reply));
  Accept(std::move(request), reply);
}

void TaskManagerRegistry::ProbeBeforeReplacing(wire::RegisterRequest request, wire::Reply<wire::RegisterReply> reply) {
  TaskManagerEntry& old = entries_.at(request.id);
  const ProcessKey old_key = old.key;
  old.gateway->Probe(leadership_->token(), old_key.incarnation,
                     mailbox_.Bind([this, old_key, request = std::move(request), reply = std::move(reply)](Outcome<Nothing> outcome) {
                       if (!outcome.done()) leadership_->NoteRefusal(outcome.reason());
                       TaskManagerEntry* current = Alive(old_key);
                       if (current != nullptr && IsGone(outcome)) {
                         MarkLost(current, "another process took its id and it refuses connections");
                         current = nullptr;
                       }
                       const auto now = entries_.find(request.id);
                       const bool taken = now != entries_.end() && now->second.status != ProcessStatus::kLost &&
                                          now->second.key.incarnation != request.incarnation;
                       if (!leadership_->leading())
                         return reply(Outcome<wire::RegisterReply>::NotDone(Error(ErrorCode::kNotReady, "This JobManager does not lead.")));
                       if (!taken) return Accept(request, reply);
                       reply(Outcome<wire::RegisterReply>::NotDone(Error(
                           ErrorCode::kConflict,
                           fmt::format("TaskManager id \"{}\" belongs to a process at {}:{} that is not known to be dead.",
                                       request.id.str(), now->second.info.host, now->second.info.rpc_port),
                           "Give each TaskManager its own TASK_MANAGER_ID; a restarted one gets in once the old process is known dead.")));
                     }));
}

void TaskManagerRegistry::Accept(wire::RegisterRequest request, const wire::Reply<wire::RegisterReply>& reply) {
  const ProcessKey key = KeyOf(request);
  TaskManagerEntry& entry = entries_[request.id];
  const bool again = entry.key == key && entry.status != ProcessStatus::kLost && entry.gateway != nullptr;
  if (!again) {
    entry = TaskManagerEntry{};
    entry.key = key;
    LogInfo("control.cluster",
            fmt::format("TaskManager {} registered with {} slots at {}:{}.", key.id.str(), request.slots, request.host, request.rpc_port),
            {{"tm_id", key.id.str()}});
  }
  if (!again || entry.info.host != request.host || entry.info.rpc_port != request.rpc_port) {
    entry.gateway = connector_->Connect(request.host, request.rpc_port, request.id);
  }
  const std::vector<AttemptId> running = std::move(request.running);
  entry.info = std::move(request);
  entry.status = ProcessStatus::kActive;
  entry.last_heartbeat = mailbox_.executor()->clock().Now();
  entry.last_heartbeat_wall_ms = mailbox_.executor()->clock().WallTimeMs();
  for (const auto& [job, up_to] : listener_->OnProcessRegistered(key, running)) Clean(key, job, up_to);
  reply(Outcome<wire::RegisterReply>::Done({leadership_->token(),
                                            std::chrono::duration_cast<std::chrono::milliseconds>(options_.heartbeat_interval).count(),
                                            std::chrono::duration_cast<std::chrono::milliseconds>(options_.heartbeat_timeout).count()}));
  listener_->OnCapacityChanged();
}

void TaskManagerRegistry::Heartbeat(wire::HeartbeatRequest request, wire::Reply<wire::HeartbeatReply> reply) {
  if (!leadership_->leading())
    return reply(Outcome<wire::HeartbeatReply>::NotDone(Error(ErrorCode::kNotReady, "This JobManager does not lead.")));
  leadership_->NoteOtherLeader(request.highest_leader);
  const ProcessKey key{request.id, request.incarnation};
  TaskManagerEntry* entry = Alive(key);
  if (entry == nullptr) return reply(Outcome<wire::HeartbeatReply>::Done({leadership_->token(), /*known=*/false, {}}));
  reply(Outcome<wire::HeartbeatReply>::Done({leadership_->token(), /*known=*/true, AlignedElsewhere(key)}));
  // A repeated or overtaken heartbeat is no sign of life: it was sent before one that is already here.
  if (request.sequence <= entry->sequence) return;
  entry->sequence = request.sequence;
  entry->last_heartbeat = mailbox_.executor()->clock().Now();
  entry->last_heartbeat_wall_ms = mailbox_.executor()->clock().WallTimeMs();
  entry->resident_bytes = request.resident_bytes;
  entry->worker_processes = request.worker_processes;
  entry->aligned = request.aligned;
  const bool back = std::exchange(entry->status, ProcessStatus::kActive) == ProcessStatus::kSuspect;
  listener_->OnHeartbeat(key, request);
  if (back) listener_->OnCapacityChanged();
}

std::vector<wire::AlignedWatermark> TaskManagerRegistry::AlignedElsewhere(const ProcessKey& process) const {
  std::map<std::pair<JobId, std::string>, std::int64_t> least;
  for (const auto& [id, entry] : entries_) {
    if (entry.key == process || entry.status != ProcessStatus::kActive) continue;
    for (const wire::AlignedWatermark& watermark : entry.aligned) {
      const auto [known, added] = least.emplace(std::pair(watermark.job, watermark.group), watermark.watermark_ms);
      if (!added) known->second = std::min(known->second, watermark.watermark_ms);
    }
  }
  std::vector<wire::AlignedWatermark> aligned;
  for (const auto& [group, watermark_ms] : least) aligned.push_back({group.first, group.second, watermark_ms});
  return aligned;
}

void TaskManagerRegistry::ReportTask(const ProcessKey& from, const wire::TaskReport& report, wire::Reply<Nothing> reply) {
  if (!leadership_->leading()) return reply(Outcome<Nothing>::NotDone(Error(ErrorCode::kNotReady, "This JobManager does not lead.")));
  if (Alive(from) == nullptr) {
    return reply(Outcome<Nothing>::NotDone(
        Error(ErrorCode::kNotReady, fmt::format("TaskManager {} is not registered; register first.", from.id.str()))));
  }
  listener_->OnTaskReport(from, report);
  reply(Outcome<Nothing>::Done({}));
}

void TaskManagerRegistry::NoteFailedCall(const ProcessKey& process, const Status& reason) {
  const ErrorCode code = CodeOf(reason);
  if (code == ErrorCode::kDeposed) return leadership_->NoteRefusal(reason);
  if (code != ErrorCode::kTaskManagerLost) return;
  if (TaskManagerEntry* entry = Alive(process)) Probe(entry);
}

void TaskManagerRegistry::Clean(const ProcessKey& process, const JobId& job, DeploymentNumber up_to) {
  TaskManagerEntry* entry = Alive(process);
  if (entry == nullptr) return;
  const auto [left, added] = entry->cleaning.emplace(job, up_to);
  if (!added && left->second >= up_to) return;
  left->second = up_to;
  if (added) SendClean(process, job);  // otherwise the running one sees the higher number when it is answered
}

void TaskManagerRegistry::SendClean(const ProcessKey& process, const JobId& job) {
  TaskManagerEntry* entry = Alive(process);
  if (entry == nullptr || entry->cleaning.count(job) == 0 || !leadership_->leading()) return;
  const DeploymentNumber up_to = entry->cleaning.at(job);
  entry->gateway->Cancel(leadership_->token(), process.incarnation, job, up_to,
                         mailbox_.Bind([this, process, job, up_to](Outcome<Nothing> outcome) {
                           TaskManagerEntry* alive = Alive(process);
                           if (alive == nullptr) return;
                           const auto left = alive->cleaning.find(job);
                           if (left == alive->cleaning.end()) return;
                           if (outcome.done() && left->second <= up_to) {
                             alive->cleaning.erase(left);
                             listener_->OnProcessCleaned(process, job, up_to);
                             if (alive->cleaning.empty()) listener_->OnCapacityChanged();
                             return;
                           }
                           if (!outcome.done()) NoteFailedCall(process, outcome.reason());
                           mailbox_.After(kCleanRetry, [this, process, job] { SendClean(process, job); });
                         }));
}

const TaskManagerEntry* TaskManagerRegistry::FindAlive(const ProcessKey& process) const {
  return const_cast<TaskManagerRegistry*>(this)->Alive(process);
}

TaskManagerEntry* TaskManagerRegistry::Alive(const ProcessKey& process) {
  const auto found = entries_.find(process.id);
  if (found == entries_.end() || found->second.key != process || found->second.status == ProcessStatus::kLost) return nullptr;
  return &found->second;
}

void TaskManagerRegistry::Tick() {
  const MonotonicTime now = mailbox_.executor()->clock().Now();
  bool changed = false;
  for (auto it = entries_.begin(); it != entries_.end();) {
    TaskManagerEntry& entry = it->second;
    const Duration silence = now - entry.last_heartbeat;
    if (entry.status == ProcessStatus::kLost) {
      it = silence > options_.forget_lost_after ? entries_.erase(it) : std::next(it);
      continue;
    }
    if (silence > options_.heartbeat_interval * 5 / 2) {
      changed |= std::exchange(entry.status, ProcessStatus::kSuspect) == ProcessStatus::kActive;
      Probe(&entry);
    }
    ++it;
  }
  mailbox_.After(options_.heartbeat_interval / 2, [this] { Tick(); });
  if (changed) listener_->OnCapacityChanged();
}

void TaskManagerRegistry::Probe(TaskManagerEntry* entry) {
  if (entry->probing || !leadership_->leading()) return;
  entry->probing = true;
  const MonotonicTime sent = mailbox_.executor()->clock().Now();
  entry->gateway->Probe(leadership_->token(), entry->key.incarnation,
                        mailbox_.Bind([this, process = entry->key, sent](Outcome<Nothing> outcome) { OnProbed(process, sent, outcome); }));
}

void TaskManagerRegistry::OnProbed(const ProcessKey& process, MonotonicTime sent, const Outcome<Nothing>& outcome) {
  TaskManagerEntry* entry = Alive(process);
  if (entry == nullptr) return;
  entry->probing = false;
  if (outcome.done()) return;
  if (CodeOf(outcome.reason()) == ErrorCode::kDeposed) return leadership_->NoteRefusal(outcome.reason());
  if (IsGone(outcome)) return MarkLost(entry, "it refuses connections");
  const bool silent_when_probed = sent - entry->last_heartbeat > options_.heartbeat_timeout;
  if (silent_when_probed) MarkLost(entry, "it sent no heartbeat and did not answer a probe");
}

void TaskManagerRegistry::MarkLost(TaskManagerEntry* entry, const std::string& why) {
  entry->status = ProcessStatus::kLost;
  entry->cleaning.clear();
  entry->probing = false;
  const ProcessKey key = entry->key;
  LogWarn("control.cluster", fmt::format("TaskManager {} is lost: {}.", key.id.str(), why), {{"tm_id", key.id.str()}});
  listener_->OnProcessLost(key);
  listener_->OnCapacityChanged();
}

}  // namespace headrace::control::cluster
