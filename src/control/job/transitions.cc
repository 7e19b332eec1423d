#include "control/job/transitions.h"

namespace headrace::control::job {
namespace {

using S = JobState;

struct Transition {
  JobState from, to;
};

// A job goes to a terminal state only when its result row says so. CANCELLING and FAILING may therefore end in another
// terminal state than their own: the row that was written first wins.
constexpr Transition kTransitions[] = {
    {S::kInitializing, S::kCreated},                                 // splits are stored
    {S::kInitializing, S::kFailing},                                 // the job is wrong: its topic is gone, its file cannot be read
    {S::kInitializing, S::kCancelling}, {S::kCreated, S::kRunning},  // all tasks run
    {S::kCreated, S::kRestarting},                                   // the first deployment failed
    {S::kCreated, S::kFailing},         {S::kCreated, S::kCancelling},  {S::kRunning, S::kFinished},  // all tasks finished
    {S::kRunning, S::kRestarting},      {S::kRunning, S::kFailing},     {S::kRunning, S::kCancelling},  {S::kRestarting, S::kRunning},
    {S::kRestarting, S::kRestarting},  // the new deployment failed as well
    {S::kRestarting, S::kFailing},     // no attempts are left
    {S::kRestarting, S::kCancelling},   {S::kFailing, S::kFailed},      {S::kFailing, S::kFinished},    {S::kFailing, S::kCanceled},
    {S::kFailing, S::kCancelling},      {S::kCancelling, S::kCanceled}, {S::kCancelling, S::kFinished}, {S::kCancelling, S::kFailed},
};

}  // namespace

bool MayChange(JobState from, JobState to) {
  if (IsTerminal(from) || from == S::kSuspended) return false;
  if (to == S::kSuspended) return true;  // another JobManager leads: this one forgets the job
  for (const Transition& transition : kTransitions) {
    if (transition.from == from && transition.to == to) return true;
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
