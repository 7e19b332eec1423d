#include "apps/job_runner.h"

#include <fmt/core.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <future>
#include <memory>
#include <utility>

namespace headrace::apps {
namespace {

using control::job::JobState;
using control::job::JobView;

/// What ended the job, for a terminal.
Status CauseOfFailure(const JobView& view) {
  if (view.exceptions.empty())
    return Error(ErrorCode::kInternal, fmt::format("the job is {} without a recorded cause", control::job::NameOf(view.state)));
  // The first failure of the last deployment: what came before it was overcome, what came after it followed from it.
  const auto first = std::find_if(view.exceptions.begin(), view.exceptions.end(),
                                  [&view](const auto& entry) { return entry.deployment == view.exceptions.back().deployment; });
  const auto& failure = first->failure;
  std::string text = failure.message;
  if (!failure.operator_name.empty() && text.find(failure.operator_name) == std::string::npos)
    text += fmt::format(" (operator \"{}\"{})", failure.operator_name, failure.user_location.empty() ? "" : ", " + failure.user_location);
  if (!failure.traceback.empty()) text += "\n" + failure.traceback;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return Error(failure.code == 0 ? ErrorCode::kInternal : static_cast<ErrorCode>(failure.code), text, failure.hint);
}

}  // namespace

Result<JobId> JobRunner::Submit(control::job::SubmitRequest request) {
  auto promise = std::make_shared<std::promise<Result<control::job::SubmitAnswer>>>();
  auto future = promise->get_future();
  dispatcher_->Submit(std::move(request), [promise](Result<control::job::SubmitAnswer> answer) { promise->set_value(std::move(answer)); });
  Result<control::job::SubmitAnswer> answer = future.get();
  HR_RETURN_NOT_OK(answer.status());
  for (const auto& warning : answer->warnings) std::fprintf(stderr, "warning: %s\n", warning.c_str());
  return answer->job;
}

Result<JobView> JobRunner::View(const JobId& job) {
  auto promise = std::make_shared<std::promise<Result<JobView>>>();
  auto future = promise->get_future();
  dispatcher_->GetJob(job, [promise](Result<JobView> view) { promise->set_value(std::move(view)); });
  return future.get();
}

Status JobRunner::Cancel(const JobId& job) {
  auto promise = std::make_shared<std::promise<Status>>();
  auto future = promise->get_future();
  dispatcher_->Cancel(job, [promise](Result<JobState> state) { promise->set_value(state.status()); });
  return future.get();
}

Status JobRunner::AwaitEnd(const JobId& job, const std::function<Status()>& watch) {
  std::string shown_reason;
  std::uint64_t shown_deployment = 0;
  for (;;) {
    HR_ASSIGN_OR_RAISE(JobView view, View(job));
    if (Status seen = watch ? watch() : Status::OK(); !seen.ok()) {
      (void)Cancel(job);  // it may have ended
      return seen;
    }
    if (view.state == JobState::kFinished) return Status::OK();
    if (view.state == JobState::kFailed) return CauseOfFailure(view);
    if (view.state == JobState::kCanceled) return interrupted_ ? Status::OK() : Error(ErrorCode::kConflict, "the job was cancelled");
    if (view.state == JobState::kRestarting && !view.exceptions.empty() && view.exceptions.back().deployment > shown_deployment) {
      shown_deployment = view.exceptions.back().deployment;
      std::fprintf(stderr, "failed: %s\n", CauseOfFailure(view).message().c_str());
    }
    if (view.reason != shown_reason && !view.reason.empty()) std::fprintf(stderr, "waiting: %s\n", view.reason.c_str());
    shown_reason = view.reason;
    // A change of state wakes us; the reasons why a running job waits come with heartbeats, once a second.
    const int signal = signals_->WaitFor(std::chrono::seconds(1)).value_or(0);
    if (signal == 0) continue;
    interrupted_ = true;
    std::fputs("\ncancelling …\n", stderr);
    if (Status cancelled = Cancel(job); !cancelled.ok() && CodeOf(cancelled) != ErrorCode::kConflict) return cancelled;
  }
}

}  // namespace headrace::apps
