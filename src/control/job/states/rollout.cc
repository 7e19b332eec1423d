#include "control/job/states/rollout.h"

#include <fmt/format.h>

#include <utility>

#include "base/executor.h"
#include "control/cluster/leadership.h"
#include "control/job/states/states.h"
#include "control/schedule/slot_pool.h"

namespace headrace::control::job {

using cluster::ProcessKey;

ExceptionEntry LossEntry(const JobMaster& job, const ProcessKey& process) {
  return job.EntryOf(
      Error(ErrorCode::kTaskManagerLost, fmt::format("TaskManager {} was lost while it ran tasks of this job.", process.id.str())),
      process.id.str());
}

Rollout::Rollout(JobMaster* job, std::function<void()> running, Failed failed)
    : job_(job),
      running_(std::move(running)),
      failed_(std::move(failed)),
      deployer_(job->services().executor, job->services().leadership, job->services().registry),
      mailbox_(job->services().executor) {}

void Rollout::Close() {
  step_ = Step::kEnded;
  deployer_.Close();
  mailbox_.Close();
}

void Rollout::OnCapacityChanged() {
  if (step_ == Step::kWaitingForSlots) Try();
}

void Rollout::Try() {
  JobServices& services = job_->services();
  step_ = Step::kWaitingForSlots;
  if (!services.leadership->may_act()) return job_->SetReason("waiting until the metadata store answers again");
  const std::uint32_t needed = job_->slots_needed();
  if (!services.slots->Holds(job_->id(), needed)) {
    const Result<std::vector<schedule::SlotRef>> slots =
        services.slots->Acquire(job_->id(), needed, job_->facts().description.plan->python_version);
    if (!slots.ok()) return job_->SetReason(slots.status().message());
  }
  job_->SetReason("");
  TakeNumber();
}

void Rollout::TakeNumber() {
  step_ = Step::kTakingNumber;
  JobServices& services = job_->services();
  services.store->NextDeployment(services.leadership->grant(), job_->id(), mailbox_.Bind([this](Outcome<DeploymentNumber> outcome) {
    if (outcome.done()) return Deploy(outcome.value());
    if (outcome.not_done() && CodeOf(outcome.reason()) == ErrorCode::kConflict) {
      return job_->ChangeTo(MakeFailing(job_));  // the job has ended already; writing its end reads what stands there
    }
    // Unknown or away: the next number will do as well.
    job_->SetReason("the metadata store does not answer: " + outcome.reason().message());
    mailbox_.After(job_->services().timing.store_retry, [this] { Try(); });
    job_->services().leadership->NoteRefusal(outcome.reason());
  }));
}

void Rollout::Deploy(DeploymentNumber number) {
  JobServices& services = job_->services();
  JobFacts& facts = job_->facts();
  if (!services.leadership->may_act() || !services.slots->Holds(job_->id(), job_->slots_needed())) return Try();
  HR_CHECK(number > facts.deployment, "a deployment number was used before");
  HR_CHECK(facts.touched.empty(), "a deployment starts while an older one may have tasks");
  deploy::DeploymentInput input;
  input.job = job_->id();
  input.deployment = number;
  input.plan = facts.description.plan;
  input.archives = facts.archives;
  input.slots = services.slots->HeldBy(job_->id());
  input.sources = facts.sources;
  for (const schedule::SlotRef& slot : input.slots) {
    const cluster::TaskManagerEntry* entry = services.registry->FindAlive(slot.process);
    input.addresses[slot.process] = {entry->key.id, entry->key.incarnation, entry->info.host, entry->info.exchange_port};
  }
  facts.deployment = number;
  facts.execution.Reset(job_->id(), number, facts.description.plan, input.slots);
  std::map<ProcessKey, plan::JobDeployment> deployments = deploy::BuildDeployments(input);
  for (const auto& [process, deployment] : deployments) facts.touched[process] = number;
  step_ = Step::kDeploying;
  job_->SetReason("waiting until all tasks run");
  deployer_.Deploy(
      std::move(deployments),
      [this] {
        taken_ = true;
        job_->facts().execution.NoteTaken();
        CheckRunning();
      },
      [this](const deploy::Deployer::Failure& failure) {
        const Status reason = WithContext(failure.reason, fmt::format("TaskManager {} did not take its tasks", failure.process.id.str()));
        const ExceptionEntry entry = job_->EntryOf(reason, failure.process.id.str());
        // A process that lives and refuses does so because of the job: waiting times have to grow.
        const JobMaster::FailureKind kind = failure.unknown ? JobMaster::FailureKind::kInfrastructure : JobMaster::KindOf(entry.failure);
        Fail(entry, kind);
      });
}

void Rollout::OnTaskReport(const wire::TaskReport& report) {
  if (step_ != Step::kDeploying) return;
  if (report.state == wire::TaskState::kFailed || report.state == wire::TaskState::kCanceled) {
    const ExceptionEntry entry = job_->EntryOf(report);
    return Fail(entry, JobMaster::KindOf(entry.failure));
  }
  CheckRunning();
}

void Rollout::OnProcessLost(const ProcessKey& process, bool needed) {
  if (step_ == Step::kDeploying && needed) Fail(LossEntry(*job_, process), JobMaster::FailureKind::kProcessLost);
}

void Rollout::CheckRunning() {
  // Reports may overtake the answers; a task that runs was taken, but another process may still refuse its part.
  if (step_ != Step::kDeploying || !taken_ || !job_->facts().execution.all_started()) return;
  Close();
  const std::function<void()> running = std::exchange(running_, nullptr);
  running();
}

void Rollout::Fail(ExceptionEntry entry, JobMaster::FailureKind kind) {
  Close();
  const Failed failed = std::exchange(failed_, nullptr);
  failed(std::move(entry), kind);
}

}  // namespace headrace::control::job
