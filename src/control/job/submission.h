#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "control/cluster/mailbox.h"
#include "control/job/dispatcher.h"
#include "control/job/job_master.h"
#include "control/job/job_services.h"
#include "control/job/submit_checks.h"

namespace headrace::control::job {

/// How long a submission waits for others before it answers.
struct SubmitTiming {
  Duration slots = std::chrono::seconds(10);
  Duration outside = std::chrono::seconds(7);
  Duration tasks = std::chrono::seconds(5);
  Duration store = std::chrono::seconds(20);
};

/// One submit or validate call from its bytes to its answer: idempotency key, job file, Python version, plan, slots that
/// exist at all, topics, free slots, the stored row; then the job starts and the answer waits for its tasks.
/// Answers exactly once. Owned by the dispatcher; control executor only.
class Submission {
 public:
  /// What a submission needs of its owner.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual const JobFileReader& read_job_file() const = 0;
    /// Starts a stored job; the job outlives the submission.
    virtual JobMaster* StartJob(JobDescription description) = 0;
    virtual JobMaster* FindJob(const JobId& id) = 0;
    /// A job that has no JobMaster any more, as its stored result says. kNotFound, kStoreUnavailable.
    virtual void FindEnded(const JobId& id, std::function<void(Result<JobView>)> answer) = 0;
    /// The answer was given; the submission is destroyed in a later turn.
    virtual void OnSubmissionEnded(Submission* submission) = 0;
  };
  using Answer = std::function<void(Result<SubmitAnswer>)>;
  using PlanAnswer = std::function<void(Result<std::shared_ptr<const plan::ExecutionPlan>>)>;

  Submission(Owner* owner, JobServices* services, SubmitTiming timing, JobId id, SubmitRequest request);
  void Run(Answer answer);
  /// Checks only; answers the plan that would run.
  void RunChecks(PlanAnswer answer);
  const std::string& idempotency_key() const { return record_->idempotency_key; }
  /// Of the job file, as long as it is held.
  std::size_t file_bytes() const { return record_->job_file.size(); }
  /// Another call with the same idempotency key gets the same answer.
  void AddAnswer(Answer answer);
  void OnCapacityChanged();
  void OnJobChanged(const JobMaster& job);
  void OnDeposed();

 private:
  void LookUpKey();
  void AnswerOlder(const JobId& id);
  void Check();
  void OnPrepared(Result<JobDescription> prepared);
  void OnOutsideChecked(OutsideChecks::Findings findings);
  void AwaitSlots();
  void Store();
  void OnStored();
  void AnswerStatus(const JobMaster& job);
  /// From now on, until the job is stored or `timing_.store` has passed.
  void LimitStoring();
  /// Answers everybody who waits.
  void AnswerAll(const Result<SubmitAnswer>& answer);
  /// AnswerAll(), and nothing more happens.
  void End(const Result<SubmitAnswer>& answer);
  void Finish();

  Owner* const owner_;
  JobServices* const services_;
  const SubmitTiming timing_;
  /// Shared with the reading and the storing of the file, which may outlive this object; not changed while they go on.
  std::shared_ptr<metastore::JobRecord> record_ = std::make_shared<metastore::JobRecord>();
  JobDescription description_;
  std::vector<Answer> answers_;  ///< who waits; may be empty while the row is still being written
  PlanAnswer plan_answer_;
  bool awaiting_slots_ = false, started_ = false, holds_slots_ = false, zero_parallelism_ = false;
  OutsideChecks outside_;
  cluster::Mailbox mailbox_;
};

}  // namespace headrace::control::job
