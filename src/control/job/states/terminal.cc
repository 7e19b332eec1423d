#include <memory>

#include "base/executor.h"
#include "control/deploy/task_stopper.h"
#include "control/job/states/states.h"

namespace headrace::control::job {
namespace {

JobState StateOf(const metastore::JobResult& result) {
  for (const JobState state : {JobState::kFinished, JobState::kFailed, JobState::kCanceled}) {
    if (result.state == NameOf(state)) return state;
  }
  return JobState::kFailed;  // a word from a newer version; the row stands, the job never runs again
}

/// The end is durable. What is left of the job is removed: workers that outlived their tasks, slots, blobs.
class Terminal final : public JobStateHandler {
 public:
  Terminal(JobMaster* job, const metastore::JobResult& result)
      : JobStateHandler(job),
        state_(StateOf(result)),
        ended_wall_ms_(result.ended_wall_ms),
        stopper_(job->services().executor, job->services().leadership, job->services().registry, job->id(), &job->facts().touched) {}
  JobState state() const override { return state_; }

  void Enter() override {
    job().facts().end_wall_ms = ended_wall_ms_;
    stopper_.Start([this] { job().Release(); });
  }

  void Leave() override {
    JobStateHandler::Leave();
    stopper_.Close();
  }

  void OnProcessLost(const cluster::ProcessKey& process, bool needed) override { stopper_.OnProcessLost(); }
  void OnCancel() override {}

 private:
  const JobState state_;
  const std::int64_t ended_wall_ms_;
  deploy::TaskStopper stopper_;
};

}  // namespace

std::unique_ptr<JobStateHandler> MakeTerminal(JobMaster* job, const metastore::JobResult& result) {
  return std::make_unique<Terminal>(job, result);
}

}  // namespace headrace::control::job
