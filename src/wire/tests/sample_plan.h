#pragma once
#include "plan/deployment.h"
#include "wire/gateways.h"
#include "wire/job_file.h"

namespace headrace::wire::testing {

/// A small word count with an archive, as a client would write it.
JobFile SampleJobFile();
/// Its execution plan; `function_bytes` makes the functions that large.
std::shared_ptr<const plan::ExecutionPlan> SamplePlan(std::size_t function_bytes = 10);
/// One TaskManager's part of it with two tasks, channels to two processes and splits.
plan::JobDeployment SampleDeployment(std::size_t function_bytes = 10);

}  // namespace headrace::wire::testing
