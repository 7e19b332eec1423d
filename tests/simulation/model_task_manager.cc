#include "tests/simulation/model_task_manager.h"

#include <algorithm>
#include <chrono>

namespace headrace::simulation {

using namespace std::chrono_literals;
using wire::TaskState;

ModelTaskManager::ModelTaskManager(ManualClock* clock, Random* random, wire::JobManagerGateway* job_manager, Observer* observer,
                                   Options options)
    : random_(random),
      job_manager_(job_manager),
      observer_(observer),
      options_(std::move(options)),
      executor_(clock),
      mailbox_(&executor_) {}

Duration ModelTaskManager::Within(Duration longest) {
  return Duration(static_cast<std::int64_t>(random_->NextDouble() * static_cast<double>(longest.count())));
}

void ModelTaskManager::Start() {
  Register();
  BeatLoop();
}

void ModelTaskManager::Register() {
  if (registering_) return;
  registering_ = true;
  wire::RegisterRequest request;
  request.id = options_.id;
  request.incarnation = options_.incarnation;
  request.host = options_.host;
  request.rpc_port = 6124;
  request.exchange_port = 6125;
  request.slots = options_.slots;
  request.python_version = "3.11";
  for (const auto& [attempt, task] : tasks_) request.running.push_back(attempt);
  request.highest_leader = leader_;
  job_manager_->Register(request, mailbox_.Bind([this](Outcome<wire::RegisterReply> outcome) {
    registering_ = false;
    if (outcome.done() && outcome.value().leader.epoch >= leader_.epoch) {
      leader_ = outcome.value().leader;
      registered_ = true;
      Beat();
    } else {
      mailbox_.After(500ms + Within(500ms), [this] { Register(); });
    }
  }));
}

void ModelTaskManager::BeatLoop() {
  if (registered_ && !heartbeat_pause_) Beat();
  mailbox_.After(1s, [this] { BeatLoop(); });
}

void ModelTaskManager::Beat() {
  wire::HeartbeatRequest request;
  request.id = options_.id;
  request.incarnation = options_.incarnation;
  request.sequence = ++sequence_;
  request.highest_leader = leader_;
  for (const auto& [attempt, task] : tasks_) request.tasks.push_back({attempt, task.state, task.failure});
  job_manager_->Heartbeat(request, mailbox_.Bind([this](Outcome<wire::HeartbeatReply> outcome) {
    if (outcome.done() && !outcome.value().known) Register();
  }));
}

bool ModelTaskManager::Refuses(const wire::LeaderToken& leader, const Incarnation& target, const wire::Reply<Nothing>& reply) {
  if (target != options_.incarnation) {
    reply(Outcome<Nothing>::NotDone(Error(ErrorCode::kTaskManagerLost, "another process listens here now")));
    return true;
  }
  if (leader.epoch < leader_.epoch || (leader.epoch == leader_.epoch && leader.holder != leader_.holder)) {
    reply(Outcome<Nothing>::NotDone(Error(ErrorCode::kDeposed, "an old leader")));
    return true;
  }
  leader_ = leader;
  return false;
}

void ModelTaskManager::Deploy(wire::LeaderToken leader, const Incarnation& target, const plan::JobDeployment& deployment,
                              wire::Reply<Nothing> reply) {
  if (Refuses(leader, target, reply)) return;
  const auto cancelled = cancelled_up_to_.find(deployment.job);
  const bool was_cancelled = cancelled != cancelled_up_to_.end() && deployment.deployment <= cancelled->second;
  if (was_cancelled && !options_.forgets_cancelled) {
    return reply(Outcome<Nothing>::NotDone(Error(ErrorCode::kStaleAttempt, "the deployment was cancelled")));
  }
  bool taken = false;
  for (const auto& [attempt, task] : tasks_) {
    if (attempt.job != deployment.job) continue;
    taken |= attempt.deployment == deployment.deployment;
    if (attempt.deployment > deployment.deployment) {
      return reply(Outcome<Nothing>::NotDone(Error(ErrorCode::kStaleAttempt, "a newer deployment runs")));
    }
    if (attempt.deployment < deployment.deployment) {
      return observer_->OnViolation("deployment " + std::to_string(deployment.deployment) + " was sent while " + attempt.ToString() +
                                    " lives");
    }
  }
  if (!taken) {
    for (const plan::TaskDeployment& task : deployment.tasks) {
      observer_->OnTaskTaken(*this, task);
      tasks_[task.attempt] = {task.slot, TaskState::kDeploying, {}, false, deployment.plan->bounded(), false};
      mailbox_.After(Within(200ms), [this, attempt = task.attempt] { ChangeState(attempt, TaskState::kRunning, {}); });
    }
  }
  reply(Outcome<Nothing>::Done({}));
}

bool ModelTaskManager::HasTasks(const JobId& job, DeploymentNumber up_to) const {
  return std::any_of(tasks_.begin(), tasks_.end(), [&](const auto& e) { return e.first.job == job && e.first.deployment <= up_to; });
}

void ModelTaskManager::Cancel(wire::LeaderToken leader, const Incarnation& target, const JobId& job, DeploymentNumber up_to,
                              wire::Reply<Nothing> reply) {
  if (Refuses(leader, target, reply)) return;
  DeploymentNumber& cancelled = cancelled_up_to_[job];
  cancelled = std::max(cancelled, up_to);
  for (auto& [attempt, task] : tasks_) {
    if (attempt.job == job && attempt.deployment <= up_to) task.stopping = true;
  }
  if (!HasTasks(job, up_to)) return reply(Outcome<Nothing>::Done({}));
  mailbox_.After(Within(300ms), [this, job, up_to, reply] {
    std::erase_if(tasks_, [&](const auto& e) { return e.first.job == job && e.first.deployment <= up_to; });
    reply(Outcome<Nothing>::Done({}));
  });
}

void ModelTaskManager::AddSplits(wire::LeaderToken leader, const Incarnation& target, const AttemptId& attempt,
                                 wire::Reply<Nothing> reply) {
  if (Refuses(leader, target, reply)) return;
  if (tasks_.count(attempt) == 0) return reply(Outcome<Nothing>::NotDone(Error(ErrorCode::kStaleAttempt, "no such task")));
  ++added_splits_;
  reply(Outcome<Nothing>::Done({}));
}

void ModelTaskManager::Probe(wire::LeaderToken leader, const Incarnation& target, wire::Reply<Nothing> reply) {
  if (!Refuses(leader, target, reply)) reply(Outcome<Nothing>::Done({}));
}

bool ModelTaskManager::FailOneTask(const JobId& job, ErrorCode code) {
  for (const auto& [attempt, task] : tasks_) {
    if (attempt.job != job || task.state != TaskState::kRunning || task.stopping) continue;
    wire::TaskFailure failure;
    failure.code = static_cast<int>(code);
    failure.message = "made to fail";
    ChangeState(attempt, TaskState::kFailed, failure);
    return true;
  }
  return false;
}

void ModelTaskManager::ChangeState(const AttemptId& attempt, TaskState state, wire::TaskFailure failure) {
  const auto found = tasks_.find(attempt);
  if (found == tasks_.end() || found->second.stopping) return;
  if (found->second.state != TaskState::kDeploying && found->second.state != TaskState::kRunning) return;
  found->second.state = state;
  found->second.failure = std::move(failure);
  if (state == TaskState::kRunning && found->second.bounded) {
    mailbox_.After(options_.finish_after + Within(500ms), [this, attempt] { ChangeState(attempt, TaskState::kFinished, {}); });
  }
  Report(attempt);
}

void ModelTaskManager::Report(const AttemptId& attempt) {
  const auto found = tasks_.find(attempt);
  if (found == tasks_.end()) return;
  const TaskState state = found->second.state;
  // Sent once: heartbeats repair what is lost. An ended task is named until the job is cancelled here.
  job_manager_->ReportTask(options_.id, options_.incarnation, {attempt, state, found->second.failure}, [](Outcome<Nothing>) {});
}

std::map<AttemptId, std::uint32_t> ModelTaskManager::LiveTasks() const {
  std::map<AttemptId, std::uint32_t> live;
  for (const auto& [attempt, task] : tasks_) {
    if (task.state == TaskState::kDeploying || task.state == TaskState::kRunning) live[attempt] = task.slot;
  }
  return live;
}

}  // namespace headrace::simulation
