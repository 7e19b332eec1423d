#pragma once
#include <functional>
#include <string>

#include "apps/signal_waiter.h"
#include "base/status.h"
#include "control/job/dispatcher.h"

namespace headrace::apps {

/// Submits one job to a dispatcher of this process and follows it. Main thread; blocking. Whoever owns the dispatcher calls
/// SignalWaiter::Notify() when a job changes; without that an end is seen up to a second late.
class JobRunner {
 public:
  JobRunner(control::job::Dispatcher* dispatcher, SignalWaiter* signals) : dispatcher_(dispatcher), signals_(signals) {}
  /// The job's id once it is accepted; the warnings go to standard error.
  Result<JobId> Submit(control::job::SubmitRequest request);
  /// Its present state.
  Result<control::job::JobView> View(const JobId& job);
  /// Waits until the job ended; a signal cancels it first. OK when it FINISHED, or was cancelled by a signal; otherwise an
  /// error that shows the first failure as people read it: message, operator, user's place, traceback.
  /// `watch`: what else may fail it, looked at with each change; its error cancels the job and is the answer.
  Status AwaitEnd(const JobId& job, const std::function<Status()>& watch = {});
  Status Cancel(const JobId& job);
  /// Whether a signal ended the wait.
  bool interrupted() const { return interrupted_; }

 private:
  control::job::Dispatcher* const dispatcher_;
  SignalWaiter* const signals_;
  bool interrupted_ = false;
};

}  // namespace headrace::apps
