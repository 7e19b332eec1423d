#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <utility>

#include "base/executor.h"
#include "control/deploy/task_stopper.h"
#include "control/job/states/rollout.h"
#include "control/job/states/states.h"

namespace headrace::control::job {
namespace {

using FailureKind = JobMaster::FailureKind;

/// Why the deployment failed is often known only after its tasks were stopped: a lost process shows first as a broken
/// exchange elsewhere, and so does a failing task. So the wait is decided when everything has stopped.
class Restarting final : public JobStateHandler {
 public:
  Restarting(JobMaster* job, FailureKind cause)
      : JobStateHandler(job),
        own_failure_(cause == FailureKind::kOwn),
        process_lost_(cause == FailureKind::kProcessLost),
        stopper_(job->services().executor, job->services().leadership, job->services().registry, job->id(), &job->facts().touched),
        rollout_(
            job, [job] { job->ChangeTo(MakeRunning(job)); },
            [job](ExceptionEntry entry, FailureKind kind) { job->FailDeployment(std::move(entry), kind); }) {}
  JobState state() const override { return JobState::kRestarting; }

  void Enter() override {
    stopping_ = true;
    stopper_.Start([this] { mailbox().Bind([this] { OnStopped(); })(); });
    job().SetReason(stopper_.Describe());
  }

  void Leave() override {
    JobStateHandler::Leave();
    stopper_.Close();
    rollout_.Close();
  }

  void OnTaskReport(const wire::TaskReport& report) override {
    if (!stopping_) return rollout_.OnTaskReport(report);
    if (report.state != wire::TaskState::kFailed || JobMaster::KindOf(report.failure) != FailureKind::kOwn) return;
    own_failure_ = true;
    job().RecordException(job().EntryOf(report));
  }

  void OnProcessLost(const cluster::ProcessKey& process, bool needed) override {
    if (!stopping_) return rollout_.OnProcessLost(process, needed);
    if (needed && !process_lost_) {
      process_lost_ = true;
      job().RecordException(LossEntry(job(), process));
    }
    job().SetReason(stopper_.Describe());
    stopper_.OnProcessLost();
  }

  void OnCapacityChanged() override {
    if (deploying_) rollout_.OnCapacityChanged();
  }

 private:
  void OnStopped() {
    stopping_ = false;
    Duration delay{};
    if (own_failure_) {
      const std::optional<Duration> backoff = job().strategy().OnTaskFailure();
      if (!backoff) return job().ChangeTo(MakeFailing(&job()));
      delay = *backoff;
    } else if (!process_lost_) {
      delay = job().services().timing.infrastructure_retry;
    }
    if (delay <= Duration::zero()) return Deploy();
    job().SetReason(fmt::format("restarts {:.1f} s after a failure", std::chrono::duration<double>(delay).count()));
    mailbox().After(delay, [this] { Deploy(); });
  }

  void Deploy() {
    deploying_ = true;
    rollout_.Start();
  }

  bool own_failure_, process_lost_;
  bool stopping_ = false, deploying_ = false;
  deploy::TaskStopper stopper_;
  Rollout rollout_;
};

}  // namespace

std::unique_ptr<JobStateHandler> MakeRestarting(JobMaster* job, FailureKind cause) { return std::make_unique<Restarting>(job, cause); }

}  // namespace headrace::control::job
