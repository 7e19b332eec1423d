#include "control/job/submission.h"

#include <fmt/format.h>

#include <memory>
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
  record_->id = std::move(id);
  record_->name = std::move(request.job_name);
  record_->job_file = std::move(request.job_file);
  record_->idempotency_key = std::move(request.idempotency_key);
  record_->submitted_wall_ms = services_->executor->clock().WallTimeMs();
  record_->parallelism_override = request.parallelism.value_or(0);
  zero_parallelism_ = request.parallelism == 0u;  // validation takes 0 for "not given"
}

void Submission::Run(Answer answer) {
  answers_.push_back(std::move(answer));
  if (!services_->leadership->may_act())
    return End(Error(ErrorCode::kNotReady, "This JobManager does not lead, or the metadata store does not answer."));
  if (record_->idempotency_key.empty()) return Check();
  LookUpKey();
}

void Submission::RunChecks(PlanAnswer answer) {
  plan_answer_ = std::move(answer);
  Check();
}

void Submission::LookUpKey() {
  services_->store->FindByIdempotencyKey(record_->idempotency_key, mailbox_.Bind([this](Outcome<std::optional<JobId>> outcome) {
    if (!outcome.done()) return End(outcome.reason());
    if (outcome.value()) return AnswerOlder(*outcome.value());
    Check();
  }));
}

void Submission::AnswerOlder(const JobId& id) {
  if (const JobMaster* job = owner_->FindJob(id)) return AnswerStatus(*job);
  owner_->FindEnded(id, mailbox_.Bind([this](const Result<JobView>& ended) {
    if (!ended.ok()) return End(ended.status());
    End(SubmitAnswer{ended->id, ended->state, {}});
  }));
}

void Submission::Check() {
  if (zero_parallelism_) return End(Error(ErrorCode::kBadParallelism, "The parallelism given with the request is 0."));
  using Prepared = std::shared_ptr<Result<JobDescription>>;
  auto prepared = mailbox_.Bind([this](const Prepared& answer) { OnPrepared(std::move(*answer)); });
  services_->side->Post([read = owner_->read_job_file(), record = record_, prepared = std::move(prepared)] {
    prepared(std::make_shared<Result<JobDescription>>(PrepareJob(read, *record)));
  });
}

void Submission::OnPrepared(Result<JobDescription> prepared) {
  if (!prepared.ok()) return End(prepared.status());
  description_ = std::move(prepared).ValueUnsafe();
  record_->name = description_.record.name;
  if (const Status python = CheckPythonVersion(*description_.plan, *services_->registry); !python.ok()) return End(python);
  const std::uint32_t needed = description_.plan->slots_needed(), registered = services_->slots->total_slots();
  if (registered > 0 && needed > registered)
    return End(Error(ErrorCode::kNotEnoughSlots, services_->slots->Shortage(needed, description_.plan->python_version)));
  outside_.Start(description_.plan, timing_.outside, [this](OutsideChecks::Findings findings) { OnOutsideChecked(std::move(findings)); });
}

void Submission::OnOutsideChecked(OutsideChecks::Findings findings) {
  if (!findings.error.ok()) return End(findings.error);
  description_.planned = std::move(findings.planned);
  for (std::string& warning : findings.warnings) description_.warnings.push_back(std::move(warning));
  if (plan_answer_) return End(SubmitAnswer{});
  awaiting_slots_ = true;
  mailbox_.After(timing_.slots, [this] {
    if (awaiting_slots_)
      End(Error(ErrorCode::kNotEnoughSlots,
                services_->slots->Shortage(description_.plan->slots_needed(), description_.plan->python_version)));
  });
  AwaitSlots();
}

void Submission::AwaitSlots() {
  // TaskManagers may have registered since the first look.
  if (const Status python = CheckPythonVersion(*description_.plan, *services_->registry); !python.ok()) return End(python);
  const std::uint32_t needed = description_.plan->slots_needed(), registered = services_->slots->total_slots();
  if (registered > 0 && needed > registered)
    return End(Error(ErrorCode::kNotEnoughSlots, services_->slots->Shortage(needed, description_.plan->python_version)));
  if (!services_->slots->Acquire(record_->id, needed, description_.plan->python_version).ok()) return;
  awaiting_slots_ = false;
  holds_slots_ = true;
  LimitStoring();
  Store();
}

void Submission::LimitStoring() {
  mailbox_.After(timing_.store, [this] {
    if (started_) return;
    AnswerAll(Error(ErrorCode::kStoreUnavailable, "Whether the job was stored is not known: the metadata store does not answer.",
                    "Ask again with the same Idempotency-Key, or look at the list of jobs."));
  });
}

void Submission::AddAnswer(Answer answer) {
  const bool nobody_waited = answers_.empty();
  answers_.push_back(std::move(answer));
  if (nobody_waited) LimitStoring();
}

void Submission::Store() {
  services_->store->InsertJob(services_->leadership->grant(), record_, mailbox_.Bind([this](Outcome<Nothing> outcome) {
    if (outcome.done()) return OnStored();
    const ErrorCode code = CodeOf(outcome.reason());
    if (outcome.unknown() || code == ErrorCode::kStoreUnavailable || code == ErrorCode::kDeposed) {
      // The row may stand, from this try or an earlier one. The same row is written again until the store says so, or until
      // another JobManager is known to lead; once nobody waits for it, more slowly.
      mailbox_.After(answers_.empty() ? kStoreRetry * 10 : kStoreRetry, [this] { Store(); });
      services_->leadership->NoteRefusal(outcome.reason());
      return;
    }
    if (code == ErrorCode::kConflict && !record_->idempotency_key.empty()) return LookUpKey();
    End(outcome.reason());
  }));
}

void Submission::OnStored() {
  started_ = true;
  holds_slots_ = false;                                                   // the job's own from here on
  record_ = std::make_shared<metastore::JobRecord>(description_.record);  // the store has the file now
  JobMaster* job = owner_->StartJob(std::move(description_));
  if (answers_.empty()) return Finish();
  mailbox_.After(timing_.tasks, [this] {
    if (const JobMaster* late = owner_->FindJob(record_->id)) AnswerStatus(*late);
  });
  OnJobChanged(*job);
}

void Submission::OnCapacityChanged() {
  if (awaiting_slots_) AwaitSlots();
}

void Submission::OnJobChanged(const JobMaster& job) {
  if (!started_ || job.id() != record_->id) return;
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

void Submission::OnDeposed() { End(Error(ErrorCode::kDeposed, "Another JobManager leads; ask that one.")); }

void Submission::AnswerAll(const Result<SubmitAnswer>& answer) {
  if (const PlanAnswer waiting = std::exchange(plan_answer_, nullptr)) {
    if (answer.ok()) {
      waiting(description_.plan);
    } else {
      waiting(answer.status());
    }
  }
  for (const Answer& waiting : std::exchange(answers_, {})) waiting(answer);
}

void Submission::End(const Result<SubmitAnswer>& answer) {
  awaiting_slots_ = false;
  AnswerAll(answer);
  Finish();
}

void Submission::Finish() {
  if (!mailbox_.is_open()) return;
  mailbox_.Close();
  if (holds_slots_) services_->slots->Release(record_->id);
  owner_->OnSubmissionEnded(this);
}

}  // namespace headrace::control::job
