#include "data/taskmanager/task_manager.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/logging.h"
#include "data/taskmanager/resident_memory.h"

namespace headrace::data::taskmanager {

namespace {

/// How long the files of a job without a deployment are kept for its next one, and the memory of what was cancelled for
/// messages that are still on their way.
constexpr Duration kKeepEntry = std::chrono::minutes(10);

Outcome<Nothing> Done() { return Outcome<Nothing>::Done({}); }
Outcome<Nothing> Refused(Status why) { return Outcome<Nothing>::NotDone(std::move(why)); }

}  // namespace

TaskManager::TaskManager(TaskManagerOptions options, TaskManagerParts parts)
    : options_(std::move(options)),
      parts_(std::move(parts)),
      gate_(std::make_shared<CallbackGate>(parts_.executor)),
      link_(&options_, &parts_, gate_, &guard_,
            {[this] {
               std::vector<AttemptId> running;
               for (const auto& [id, entry] : jobs_) {
                 if (entry.run == nullptr) continue;
                 for (const auto& report : entry.run->Reports()) {
                   if (report.state == wire::TaskState::kDeploying || report.state == wire::TaskState::kRunning)
                     running.push_back(report.attempt);
                 }
               }
               return running;
             },
             [this](wire::HeartbeatRequest* request) { FillHeartbeat(request); },
             [this](const std::vector<wire::AlignedWatermark>& elsewhere) { OnAligned(elsewhere); }, [this] { OnContactLost(); }}),
      reporter_(&options_, &parts_, gate_, &link_) {
  if (parts_.metrics == nullptr) return;
  const MetricLabels labels = {{"tm", options_.id.str()}};
  slots_gauge_ = parts_.metrics->GetGauge("headrace_task_slots", "Slots of the TaskManager", labels);
  slots_gauge_->Set(options_.slots);
  tasks_gauge_ = parts_.metrics->GetGauge("headrace_tasks", "Tasks that run", labels);
  workers_gauge_ = parts_.metrics->GetGauge("headrace_python_workers", "Python worker processes", labels);
  resident_gauge_ = parts_.metrics->GetGauge("headrace_resident_bytes", "Resident memory of the process", labels);
}

TaskManager::~TaskManager() { gate_->Close(); }

void TaskManager::Start(std::uint16_t rpc_port, std::uint16_t metrics_port) {
  gate_->Post([this, rpc_port, metrics_port] {
    if (rpc_port != 0) options_.rpc_port = rpc_port;
    if (metrics_port != 0) options_.metrics_port = metrics_port;
    link_.Start();
  });
}

void TaskManager::RequestStop(std::function<void()> stopped) {
  gate_->Post([this, stopped = std::move(stopped)] {
    stopping_ = true;
    stopped_ = stopped;
    link_.Stop();
    for (auto& [id, entry] : jobs_) {
      if (entry.run != nullptr) CancelRun(id, entry);
    }
    CheckStopped();
  });
}

void TaskManager::FetchBlob(BlobId id, wire::Reply<std::string> reply) {
  gate_->Post([this, id = std::move(id), reply = std::move(reply)] { link_.gateway().FetchBlob(id, reply); });
}

void TaskManager::CheckStopped() {
  if (!stopped_ || std::any_of(jobs_.begin(), jobs_.end(), [](const auto& item) { return item.second.run != nullptr; })) return;
  for (auto& [id, entry] : jobs_) {
    if (entry.files != nullptr) entry.files->Remove();
  }
  std::exchange(stopped_, nullptr)();
}

Status TaskManager::Admit(const wire::LeaderToken& leader, const Incarnation& target) {
  if (target != options_.incarnation)
    return Error(ErrorCode::kTaskManagerLost,
                 fmt::format("this process is {} of TaskManager {}, not {}", options_.incarnation.str(), options_.id.str(), target.str()));
  if (stopping_) return Error(ErrorCode::kNotReady, "the TaskManager stops");
  return guard_.Admit(leader);
}

void TaskManager::Deploy(wire::LeaderToken leader, Incarnation target, plan::JobDeployment deployment, wire::Reply<Nothing> reply) {
  gate_->Post([this, leader = std::move(leader), target = std::move(target), deployment = std::move(deployment), reply = std::move(reply)] {
    const Status admitted = Admit(leader, target);
    if (!admitted.ok()) return reply(Refused(admitted));
    DoDeploy(deployment, reply);
  });
}

void TaskManager::DoDeploy(plan::JobDeployment deployment, wire::Reply<Nothing> reply) {
  const JobId job = deployment.job;
  JobEntry& entry = jobs_[job];
  const DeploymentNumber number = deployment.deployment;
  if (number <= entry.cancelled_up_to)
    return reply(Refused(Error(ErrorCode::kStaleAttempt, fmt::format("deployment {} was cancelled before", number))));
  if (entry.run != nullptr && entry.run->number() == number) {
    if (!entry.start_known) {
      entry.deploy_waiters.push_back(std::move(reply));
    } else {
      reply(entry.start_result.ok() ? Done() : Refused(entry.start_result));
    }
    return;
  }
  if (entry.run == nullptr) return Begin(job, std::move(deployment), std::move(reply));
  if (number < entry.run->number() || (entry.next != nullptr && number < entry.next->deployment)) {
    return reply(Refused(Error(ErrorCode::kStaleAttempt, fmt::format("deployment {} was replaced by {}", number, entry.run->number()))));
  }
  // A newer one replaces what runs, once that is gone. A repeated message replaces its first copy.
  if (entry.next_reply) entry.next_reply(Refused(Error(ErrorCode::kStaleAttempt, "replaced by a newer message")));
  entry.next = std::make_shared<plan::JobDeployment>(std::move(deployment));
  entry.next_reply = std::move(reply);
  CancelRun(job, entry);
}

void TaskManager::Begin(const JobId& job, plan::JobDeployment deployment, wire::Reply<Nothing> reply) {
  JobEntry& entry = jobs_[job];
  if (deployment.plan == nullptr || std::any_of(deployment.tasks.begin(), deployment.tasks.end(), [&](const plan::TaskDeployment& task) {
        return task.attempt.job != job || task.attempt.deployment != deployment.deployment ||
               task.attempt.vertex >= deployment.plan->vertices.size();
      })) {
    return reply(Refused(Error(ErrorCode::kDeployFailed, "the deployment does not fit its plan")));
  }
  if (entry.removal != 0) parts_.executor->Cancel(std::exchange(entry.removal, 0));
  if (entry.files == nullptr) {
    entry.files = std::make_unique<JobFiles>(
        job, options_.work_dir, gate_, parts_.blocking,
        [this](BlobId id, wire::Reply<std::string> answer) { link_.gateway().FetchBlob(std::move(id), std::move(answer)); });
  }
  const DeploymentNumber number = deployment.deployment;
  entry.start_known = false;
  entry.deploy_waiters.push_back(std::move(reply));
  entry.run = std::make_unique<DeploymentRun>(
      std::move(deployment), &options_, &parts_, gate_,
      DeploymentRun::Callbacks{[this, job, number](Status status) { OnStarted(job, number, status); },
                               [this](const wire::TaskReport& report) { OnReport(report); },
                               [this, job, number] { gate_->Post([this, job, number] { OnClosed(job, number); }); }});
  LogInfo("taskmanager", fmt::format("deployment {} of {}", number, entry.run->plan()->job_name),
          {{"job_id", job.str()}, {"tm_id", options_.id.str()}});
  entry.files->Prepare(entry.run->archives(), [this, job, number](Result<std::vector<std::string>> paths) {
    const auto found = jobs_.find(job);
    if (found == jobs_.end() || found->second.run == nullptr || found->second.run->number() != number) return;
    if (paths.ok()) {
      found->second.run->Start(std::move(*paths));
    } else {
      found->second.run->FailStart(paths.status());
    }
  });
}

void TaskManager::OnStarted(const JobId& job, DeploymentNumber number, const Status& status) {
  JobEntry& entry = jobs_[job];
  entry.start_known = true;
  entry.start_result = status;
  for (auto& reply : std::exchange(entry.deploy_waiters, {})) reply(status.ok() ? Done() : Refused(status));
}

void TaskManager::OnReport(const wire::TaskReport& report) {
  const auto found = jobs_.find(report.attempt.job);
  if (found == jobs_.end() || report.attempt.deployment <= found->second.cancelled_up_to) return;  // Cancel's answer says it all
  reporter_.Report(report);
}

void TaskManager::Cancel(wire::LeaderToken leader, Incarnation target, JobId job, DeploymentNumber up_to, wire::Reply<Nothing> reply) {
  gate_->Post([this, leader = std::move(leader), target = std::move(target), job = std::move(job), up_to, reply = std::move(reply)] {
    const Status admitted = Admit(leader, target);
    if (!admitted.ok()) return reply(Refused(admitted));
    DoCancel(job, up_to, reply);
  });
}

void TaskManager::DoCancel(const JobId& job, DeploymentNumber up_to, wire::Reply<Nothing> reply) {
  JobEntry& entry = jobs_[job];
  entry.cancelled_up_to = std::max(entry.cancelled_up_to, up_to);
  reporter_.Forget(job, up_to);
  if (entry.next != nullptr && entry.next->deployment <= up_to) {
    entry.next.reset();
    std::exchange(entry.next_reply, nullptr)(Refused(Error(ErrorCode::kStaleAttempt, "cancelled before it started")));
  }
  entry.cancel_waiters.push_back({up_to, std::move(reply)});
  if (entry.run == nullptr) ForgetLater(job, entry);
  if (entry.run != nullptr && entry.run->number() <= up_to) CancelRun(job, entry);
  AnswerCancels(entry);
}

void TaskManager::CancelRun(const JobId& job, JobEntry& entry) {
  if (entry.watchdog == 0) {
    entry.watchdog = parts_.executor->PostAfter(std::chrono::milliseconds(options_.cancel_timeout_ms), [this, gate = gate_, job] {
      if (!gate->open()) return;
      const auto found = jobs_.find(job);
      if (found == jobs_.end() || found->second.run == nullptr) return;
      const std::string why = fmt::format("tasks of job {} did not cancel within {} ms: {}", job.str(), options_.cancel_timeout_ms,
                                          found->second.run->DescribeLive());
      LogError("taskmanager", why, {{"job_id", job.str()}});
      if (parts_.end_process) parts_.end_process(why);
    });
  }
  entry.run->Cancel();
}

void TaskManager::OnClosed(const JobId& job, DeploymentNumber number) {
  JobEntry& entry = jobs_[job];
  if (entry.run == nullptr || entry.run->number() != number) return;
  if (entry.watchdog != 0) parts_.executor->Cancel(std::exchange(entry.watchdog, 0));
  entry.run.reset();
  AnswerCancels(entry);
  ForgetLater(job, entry);
  if (stopping_) return CheckStopped();
  if (entry.next == nullptr) return;
  plan::JobDeployment next = std::move(*std::exchange(entry.next, nullptr));
  Begin(job, std::move(next), std::exchange(entry.next_reply, nullptr));
}

void TaskManager::AnswerCancels(JobEntry& entry) {
  std::vector<CancelWaiter> waiting;
  for (auto& waiter : std::exchange(entry.cancel_waiters, {})) {
    if (entry.run != nullptr && entry.run->number() <= waiter.up_to) {
      waiting.push_back(std::move(waiter));
    } else {
      waiter.reply(Done());
    }
  }
  entry.cancel_waiters = std::move(waiting);
}

void TaskManager::ForgetLater(const JobId& job, JobEntry& entry) {
  if (entry.removal != 0) return;
  entry.removal = parts_.executor->PostAfter(kKeepEntry, [this, gate = gate_, job] {
    if (!gate->open()) return;
    const auto found = jobs_.find(job);
    found->second.removal = 0;
    if (found->second.run != nullptr) return;
    if (found->second.files != nullptr) found->second.files->Remove();
    jobs_.erase(found);
  });
}

void TaskManager::AddSplits(wire::LeaderToken leader, Incarnation target, AttemptId attempt, plan::SourceAssignment splits,
                            wire::Reply<Nothing> reply) {
  gate_->Post([this, leader = std::move(leader), target = std::move(target), attempt = std::move(attempt), splits = std::move(splits),
               reply = std::move(reply)] {
    Status status = Admit(leader, target);
    const auto found = jobs_.find(attempt.job);
    if (status.ok() && (found == jobs_.end() || found->second.run == nullptr || found->second.run->number() != attempt.deployment)) {
      status = Error(ErrorCode::kStaleAttempt, "no such attempt runs here");
    }
    if (status.ok()) status = found->second.run->AddSplits(attempt, splits);
    reply(status.ok() ? Done() : Refused(status));
  });
}

void TaskManager::Probe(wire::LeaderToken leader, Incarnation target, wire::Reply<Nothing> reply) {
  gate_->Post([this, leader = std::move(leader), target = std::move(target), reply = std::move(reply)] {
    const Status admitted = Admit(leader, target);
    reply(admitted.ok() ? Done() : Refused(admitted));
  });
}

void TaskManager::FillHeartbeat(wire::HeartbeatRequest* request) {
  std::size_t live = 0;
  for (auto& [id, entry] : jobs_) {
    if (entry.run == nullptr || entry.run->number() <= entry.cancelled_up_to) continue;
    for (auto& report : entry.run->Reports()) {
      live += report.state == wire::TaskState::kDeploying || report.state == wire::TaskState::kRunning ? 1 : 0;
      request->tasks.push_back(std::move(report));
    }
    for (auto& metrics : entry.run->Metrics()) request->metrics.push_back(std::move(metrics));
    request->worker_processes += entry.run->num_workers();
    for (auto& [group, watermark_ms] : entry.run->alignment().OwnLeast()) request->aligned.push_back({id, group, watermark_ms});
  }
  request->resident_bytes = ResidentBytes();
  if (tasks_gauge_ == nullptr) return;
  tasks_gauge_->Set(static_cast<double>(live));
  workers_gauge_->Set(request->worker_processes);
  resident_gauge_->Set(static_cast<double>(request->resident_bytes));
}

void TaskManager::OnAligned(const std::vector<wire::AlignedWatermark>& elsewhere) {
  for (auto& [id, entry] : jobs_) {
    if (entry.run == nullptr) continue;
    std::map<std::string, std::int64_t> least;
    for (const wire::AlignedWatermark& watermark : elsewhere) {
      if (watermark.job == id) least[watermark.group] = watermark.watermark_ms;
    }
    entry.run->alignment().SetOthers(std::move(least));
  }
}

void TaskManager::OnContactLost() {
  const Status why = Error(ErrorCode::kTaskManagerLost, fmt::format("no contact with a JobManager for {} ms", options_.contact_timeout_ms));
  bool any = false;
  for (auto& [id, entry] : jobs_) {
    if (entry.run == nullptr) continue;
    any = true;
    entry.run->FailAll(why);
  }
  if (any) LogError("taskmanager", why.message() + ": sources and sinks are stopped", {{"tm_id", options_.id.str()}});
}

}  // namespace headrace::data::taskmanager
