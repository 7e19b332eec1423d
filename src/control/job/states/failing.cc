#include <memory>

#include "base/executor.h"
#include "control/deploy/task_stopper.h"
#include "control/job/states/result_writer.h"
#include "control/job/states/states.h"

namespace headrace::control::job {
namespace {

/// No restart is left: everything stops, then the end is written.
class Failing final : public JobStateHandler {
 public:
  explicit Failing(JobMaster* job)
      : JobStateHandler(job),
        stopper_(job->services().executor, job->services().leadership, job->services().registry, job->id(), &job->facts().touched),
        writer_(job) {}
  JobState state() const override { return JobState::kFailing; }

  void Enter() override {
    job().SetReason(stopper_.Describe());
    stopper_.Start([this] { writer_.Write(JobState::kFailed); });
  }

  void Leave() override {
    JobStateHandler::Leave();
    stopper_.Close();
    writer_.Close();
  }

  void OnProcessLost(const cluster::ProcessKey& process, bool needed) override { stopper_.OnProcessLost(); }

 private:
  deploy::TaskStopper stopper_;
  ResultWriter writer_;
};

}  // namespace

std::unique_ptr<JobStateHandler> MakeFailing(JobMaster* job) { return std::make_unique<Failing>(job); }

}  // namespace headrace::control::job
