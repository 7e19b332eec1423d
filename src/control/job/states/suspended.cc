#include <memory>

#include "control/job/states/states.h"

namespace headrace::control::job {
namespace {

/// Another JobManager leads and decides for this job; nothing is done here any more.
class Suspended final : public JobStateHandler {
 public:
  using JobStateHandler::JobStateHandler;
  JobState state() const override { return JobState::kSuspended; }
  void Enter() override {}
  void OnCancel() override {}
};

}  // namespace

std::unique_ptr<JobStateHandler> MakeSuspended(JobMaster* job) { return std::make_unique<Suspended>(job); }

}  // namespace headrace::control::job
