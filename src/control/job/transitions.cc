#include "control/job/transitions.h"

#include <algorithm>
#include <initializer_list>

namespace headrace::control::job {
namespace {

using S = JobState;

/// The states that may follow one state.
struct Row {
  S from;
  std::initializer_list<S> to;
};

// A job goes to a terminal state only when its result row says so. CANCELLING and FAILING may therefore end in another
// terminal state than their own: the row that was written first wins.
const Row kTable[] = {
    // CREATED once the splits are stored; FAILING when the job is wrong: its topic is gone, its file cannot be read.
    {S::kInitializing, {S::kCreated, S::kFailing, S::kCancelling}},
    // RUNNING once all tasks run; RESTARTING when the first deployment failed.
    {S::kCreated, {S::kRunning, S::kRestarting, S::kFailing, S::kCancelling}},
    // FINISHED once all tasks finished.
    {S::kRunning, {S::kFinished, S::kRestarting, S::kFailing, S::kCancelling}},
    // RESTARTING again when the new deployment failed as well; FAILING when no attempts are left.
    {S::kRestarting, {S::kRunning, S::kRestarting, S::kFailing, S::kCancelling}},
    {S::kFailing, {S::kFailed, S::kFinished, S::kCanceled, S::kCancelling}},
    {S::kCancelling, {S::kCanceled, S::kFinished, S::kFailed}},
};

}  // namespace

bool MayChange(JobState from, JobState to) {
  if (IsTerminal(from) || from == S::kSuspended) return false;
  if (to == S::kSuspended) return true;  // another JobManager leads: this one forgets the job
  for (const Row& row : kTable) {
    if (row.from == from) return std::find(row.to.begin(), row.to.end(), to) != row.to.end();
  }
  return false;
}

const char* NameOf(JobState state) {
  switch (state) {
    case S::kInitializing:
      return "INITIALIZING";
    case S::kCreated:
      return "CREATED";
    case S::kRunning:
      return "RUNNING";
    case S::kFailing:
      return "FAILING";
    case S::kFailed:
      return "FAILED";
    case S::kCancelling:
      return "CANCELLING";
    case S::kCanceled:
      return "CANCELED";
    case S::kStopping:
      return "STOPPING";
    case S::kFinished:
      return "FINISHED";
    case S::kRestarting:
      return "RESTARTING";
    case S::kSuspended:
      return "SUSPENDED";
    case S::kReconciling:
      return "RECONCILING";
  }
  return "UNKNOWN";
}

bool IsTerminal(JobState state) { return state == S::kFailed || state == S::kCanceled || state == S::kFinished; }

}  // namespace headrace::control::job
