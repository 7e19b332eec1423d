#include <memory>

#include "base/executor.h"
#include "control/deploy/task_stopper.h"
#include "control/job/states/result_writer.h"
#include "control/job/states/states.h"

namespace headrace::control::job {
namespace {

/// The user ends the job: everything stops, then the end is written. CANCELED therefore means that no task is left.
class Cancelling final : public JobStateHandler {
 public:
  explicit Cancelling(JobMaster* job)
      : JobStateHandler(job),
        stopper_(job->services().executor, job->services().leadership, job->services().registry, job->id(), &job->facts().touched),
        writer_(job) {}
  JobState state() const override { return JobState::kCancelling; }

  void Enter() override {
    job().SetReason(stopper_.Describe());
    stopper_.Start([this] { writer_.Write(JobState::kCanceled); });
  }

  void Leave() override {
    JobStateHandler::Leave();
    stopper_.Close();
    writer_.Close();
  }

  void OnProcessLost(const cluster::ProcessKey& process, bool needed) override { stopper_.OnProcessLost(); }
  void OnCancel() override {}  // it is on its way

 private:
  deploy::TaskStopper stopper_;
  ResultWriter writer_;
};

}  // namespace

std::unique_ptr<JobStateHandler> MakeCancelling(JobMaster* job) { return std::make_unique<Cancelling>(job); }

}  // namespace headrace::control::job
