#include <memory>

#include "control/job/states/rollout.h"
#include "control/job/states/states.h"

namespace headrace::control::job {
namespace {

/// The first deployment.
class Created final : public JobStateHandler {
 public:
  explicit Created(JobMaster* job)
      : JobStateHandler(job),
        rollout_(
            job, [job] { job->ChangeTo(MakeRunning(job)); },
            [job](ExceptionEntry entry, JobMaster::FailureKind kind) { job->FailDeployment(std::move(entry), kind); }) {}
  JobState state() const override { return JobState::kCreated; }
  void Enter() override { rollout_.Start(); }
  void Leave() override {
    JobStateHandler::Leave();
    rollout_.Close();
  }
  void OnTaskReport(const wire::TaskReport& report) override { rollout_.OnTaskReport(report); }
  void OnProcessLost(const cluster::ProcessKey& process, bool needed) override { rollout_.OnProcessLost(process, needed); }
  void OnCapacityChanged() override { rollout_.OnCapacityChanged(); }

 private:
  Rollout rollout_;
};

}  // namespace

std::unique_ptr<JobStateHandler> MakeCreated(JobMaster* job) { return std::make_unique<Created>(job); }

}  // namespace headrace::control::job
