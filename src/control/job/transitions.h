#pragma once
#include "control/job/dispatcher.h"

namespace headrace::control::job {

/// The only table of legal state changes; every change of a job is checked against it. See docs/design/control_plane.md.
bool MayChange(JobState from, JobState to);

}  // namespace headrace::control::job
