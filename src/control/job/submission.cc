#include "control/job/submission.h"

#include <fmt/format.h>

#include <utility>

#include "control/cluster/leadership.h"
#include "control/job/transitions.h"
#include "control/metastore/metastore.h"
#include "control/schedule/slot_pool.h"

namespace headrace::control::job {
namespace {

constexpr Duration kStoreRetry = std::chrono::milliseconds(500);

}  // namespace

Submission::Submission(Owner* owner, JobServices* services, SubmitTiming timing, JobId id, SubmitRequest request)
    : owner_(owner), services_(services), timing_(timing), outside_(services->executor, services->planner), mailbox_(services->executor) {
  record_.id = std::move(id);
  record_.name = std::move(request.job_name);
  record_.job_file = std::move(request.job_file);
  record_.idempotency_key = std::move(request.idempotency_key);
  record_.submitted_wall_ms = services_->executor->clock().WallTimeMs();
  record_.parallelism_override = request.parallelism.value_or(0);
  zero_parallelism_ = request.parallelism == 0u;  // validation takes 0 for "not given"
}

void Submission::Run(Answer answer) {
  answers_.push_back(std::move(answer));
  if (!services_->leadership->may_act())
    return End(Error(ErrorCode::kNotReady, "This JobManager does not lead, or the metadata store does not answer."));
  if (record_.idempotency_key.empty()) return Check();
  LookUpKey();
}

void Submission::RunChecks(PlanAnswer answer) {
  plan_answer_ = std::move(answer);
  Check();
}

void Submission::LookUpKey() {
  services_->store->FindByIdempotencyKey(record_.idempotency_key, mailbox_.Bind([this](Outcome<std::optional<JobId>> outcome) {
    if (!outcome.done()) return End(outcome.reason());
    if (outcome.value()) return AnswerOlder(*outcome.value());
    Check();
  }));
}

void Submission::AnswerOlder(const JobId& id) {
  const Result<JobState> state = owner_->StateOf(id);
  if (!state.ok()) return End(state.status());
  SubmitAnswer answer;
  answer.job = id;
  answer.status = *state;
  if (const JobMaster* job = owner_->FindJob(id)) answer.warnings = job->facts().description.warnings;
  End(answer);
}

void Submission::Check() {
  if (zero_parallelism_) return End(Error(ErrorCode::kBadParallelism, "The parallelism given with the request is 0."));
  Result<JobDescription> prepared = PrepareJob(owner_->read_job_file(), record_);
  if (!prepared.ok()) return End(prepared.status());
  description_ = std::move(prepared).ValueUnsafe();
  record_.name = description_.record.name;
  if (const Status python = CheckPythonVersion(*description_.plan, *services_->registry); !python.ok()) return End(python);
  const std::uint32_t needed = description_.plan->slots_needed(), registered = services_->slots->total_slots();
  if (registered > 0 && needed > registered) return End(Error(ErrorCode::kNotEnoughSlots, services_->slots->Shortage(needed)));
  outside_.Start(description_.plan, timing_.outside, [this](OutsideChecks::Findings findings) { OnOutsideChecked(std::move(findings)); });
}

void Submission::OnOutsideChecked(OutsideChecks::Findings findings) {
  if (!findings.error.ok()) return End(findings.error);
  description_.planned = std::move(findings.planned);
  for (std::string& warning : findings.warnings) description_.warnings.push_back(std::move(warning));
  if (plan_answer_) return End(SubmitAnswer{});
  awaiting_slots_ = true;
  mailbox_.After(timing_.slots, [this] {
    if (awaiting_slots_) End(Error(ErrorCode::kNotEnoughSlots, services_->slots->Shortage(description_.plan->slots_needed())));
  });
  AwaitSlots();
}

void Submission::AwaitSlots() {
  // TaskManagers may have registered since the first look.
  if (const Status python = CheckPythonVersion(*description_.plan, *services_->registry); !python.ok()) return End(python);
  const std::uint32_t needed = description_.plan->slots_needed(), registered = services_->slots->total_slots();
  if (registered > 0 && needed > registered) return End(Error(ErrorCode::kNotEnoughSlots, services_->slots->Shortage(needed)));
  if (!services_->slots->Acquire(record_.id, needed, description_.plan->python_version).ok()) return;
  awaiting_slots_ = false;
  holds_slots_ = true;
  mailbox_.After(timing_.store, [this] {
    if (started_) return;
    stop_storing_ = true;
    if (answered_) return;
    End(Error(ErrorCode::kStoreUnavailable, "Whether the job was stored is not known: the metadata store does not answer.",
              "Ask again with the same Idempotency-Key, or look at the list of jobs."));
  });
  Store();
}

void Submission::Store() {
  services_->store->InsertJob(services_->leadership->grant(), record_, mailbox_.Bind([this](Outcome<Nothing> outcome) {
    if (outcome.done()) return OnStored();
    const bool away = outcome.unknown() || CodeOf(outcome.reason()) == ErrorCode::kStoreUnavailable;
    if (away) {
      // The row may stand. The same row is written again until the store says so; after the caller has gone, more slowly.
      mailbox_.After(stop_storing_ ? kStoreRetry * 10 : kStoreRetry, [this] { Store(); });
      return;
    }
    if (CodeOf(outcome.reason()) == ErrorCode::kConflict && !record_.idempotency_key.empty()) return LookUpKey();
    End(outcome.reason());
    services_->leadership->NoteRefusal(outcome.reason());
  }));
}

void Submission::OnStored() {
  started_ = true;
  holds_slots_ = false;  // the job's own from here on
  record_.job_file.clear();
  description_.record.id = record_.id;
  JobMaster* job = owner_->StartJob(std::move(description_));
  if (answered_) return Finish();
  mailbox_.After(timing_.tasks, [this] {
    if (const JobMaster* late = owner_->FindJob(record_.id)) AnswerStatus(*late);
  });
  OnJobChanged(*job);
}

void Submission::OnCapacityChanged() {
  if (awaiting_slots_) AwaitSlots();
}

void Submission::OnJobChanged(const JobMaster& job) {
  if (!started_ || answered_ || job.id() != record_.id) return;
  const JobState state = job.state();
  // FAILED and FINISHED are answered once they are durable; RESTARTING says that the first deployment failed.
  if (state == JobState::kRunning || state == JobState::kRestarting || IsTerminal(state)) AnswerStatus(job);
}

void Submission::AnswerStatus(const JobMaster& job) {
  SubmitAnswer answer;
  answer.job = job.id();
  answer.status = job.state();
  answer.warnings = job.facts().description.warnings;
  End(answer);
}

void Submission::OnDeposed() {
  if (answered_) return Finish();
  End(Error(ErrorCode::kDeposed, "Another JobManager leads; ask that one."));
}

void Submission::End(const Result<SubmitAnswer>& answer) {
  const bool first = !std::exchange(answered_, true);
  awaiting_slots_ = false;
  if (first) {
    if (plan_answer_)
      plan_answer_(answer.ok() ? Result<std::string>(plan::ExplainJson(*description_.plan)) : Result<std::string>(answer.status()));
    for (const Answer& waiting : std::exchange(answers_, {})) waiting(answer);
    const bool row_may_stand = stop_storing_ && !started_ && services_->leadership->leading();
    if (row_may_stand) return;  // it is written until the store says what is there
  }
  Finish();
}

void Submission::Finish() {
  if (!mailbox_.is_open()) return;
  mailbox_.Close();
  if (holds_slots_) services_->slots->Release(record_.id);
  owner_->OnSubmissionEnded(this);
}

}  // namespace headrace::control::job
