#include "control/job/states/result_writer.h"

#include "base/executor.h"
#include "control/cluster/leadership.h"
#include "control/job/exception_history.h"
#include "control/job/job_master.h"
#include "control/job/states/states.h"

namespace headrace::control::job {

ResultWriter::ResultWriter(JobMaster* job) : job_(job), mailbox_(job->services().executor) {}

void ResultWriter::Write(JobState end) {
  result_.id = job_->id();
  result_.state = NameOf(end);
  result_.ended_wall_ms = job_->services().executor->clock().WallTimeMs();
  const ExceptionEntry* newest = job_->facts().exceptions.newest();
  if (end == JobState::kFailed && newest != nullptr) result_.failure_json = FailureJson(*newest);
  job_->SetReason("writing the end of the job to the metadata store");
  Send();
}

void ResultWriter::Send() {
  JobServices& services = job_->services();
  services.store->InsertResult(services.leadership->grant(), result_, mailbox_.Bind([this](Outcome<metastore::JobResult> outcome) {
    if (outcome.done()) return job_->ChangeTo(MakeTerminal(job_, outcome.value()));
    if (outcome.not_done() && CodeOf(outcome.reason()) == ErrorCode::kBadRequest)
      result_.failure_json.clear();  // a text that no store takes
    mailbox_.After(job_->services().timing.store_retry, [this] { Send(); });
    job_->services().leadership->NoteRefusal(outcome.reason());  // may suspend the job
  }));
}

}  // namespace headrace::control::job
