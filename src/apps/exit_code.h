#pragma once
#include "base/status.h"

namespace headrace::apps {

/// What a command ends with. Scripts rely on these.
enum ExitCode : int { kExitOk = 0, kExitFailed = 1, kExitUsage = 2, kExitNotFound = 3, kExitTimeout = 4 };

/// The exit code that fits a failure.
ExitCode ExitCodeOf(const Status& status);
/// Prints a failure to standard error as people read it: what, hint, code; at most a few lines. Returns its exit code.
ExitCode PrintFailure(const Status& status);
/// kExitOk, or PrintFailure.
inline ExitCode PrintFailureOrOk(const Status& status) { return status.ok() ? kExitOk : PrintFailure(status); }

}  // namespace headrace::apps
