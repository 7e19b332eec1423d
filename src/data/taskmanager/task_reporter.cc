#include "data/taskmanager/task_reporter.h"

#include <algorithm>
#include <utility>

#include "data/taskmanager/job_manager_link.h"

namespace headrace::data::taskmanager {

void TaskReporter::Report(const wire::TaskReport& report) {
  pending_[report.attempt] = {report, 0, 0};
  Send(report.attempt);
}

void TaskReporter::Forget(const JobId& job, DeploymentNumber up_to) {
  std::erase_if(pending_, [&](const auto& item) { return item.first.job == job && item.first.deployment <= up_to; });
}

void TaskReporter::Send(const AttemptId& attempt) {
  const auto found = pending_.find(attempt);
  if (found == pending_.end()) return;
  Pending& pending = found->second;
  const std::uint64_t call = pending.call = next_call_++;
  if (!link_->registered()) return Retry(attempt, pending);
  // Should no answer come at all, the report is sent again all the same.
  parts_->executor->PostAfter(std::chrono::milliseconds(options_->call_timeout_ms), [this, gate = gate_, attempt, call] {
    if (gate->open()) OnAnswer(attempt, call, Outcome<Nothing>::Unknown(Error(ErrorCode::kNotReady, "no answer")));
  });
  link_->gateway().ReportTask(options_->id, options_->incarnation, pending.report,
                              [this, gate = gate_, attempt, call](Outcome<Nothing> outcome) {
                                gate->Post([this, attempt, call, outcome = std::move(outcome)] { OnAnswer(attempt, call, outcome); });
                              });
}

void TaskReporter::OnAnswer(const AttemptId& attempt, std::uint64_t call, const Outcome<Nothing>& outcome) {
  const auto found = pending_.find(attempt);
  if (found == pending_.end() || found->second.call != call) return;
  const ErrorCode code = outcome.done() ? ErrorCode::kInternal : CodeOf(outcome.reason());
  if (outcome.done() || (outcome.not_done() && (code == ErrorCode::kStaleAttempt || code == ErrorCode::kNotFound))) {
    pending_.erase(found);
    return;
  }
  Retry(attempt, found->second);
}

void TaskReporter::Retry(const AttemptId& attempt, Pending& pending) {
  const std::uint64_t call = pending.call = next_call_++;
  const auto delay = std::min<std::int64_t>(100ll << std::min(pending.failures++, 6), 3'000);
  parts_->executor->PostAfter(std::chrono::milliseconds(delay), [this, gate = gate_, attempt, call] {
    if (!gate->open()) return;
    const auto found = pending_.find(attempt);
    if (found != pending_.end() && found->second.call == call) Send(attempt);
  });
}

}  // namespace headrace::data::taskmanager
