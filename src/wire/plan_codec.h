#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "plan/deployment.h"
#include "plan/execution_plan.h"
#include "plan/job_graph.h"

namespace headrace::wire {

/// proto/plan.proto and proto/deploy.proto as bytes, both ways. Decoding checks form and caps, not sense: a job graph goes
/// through plan::Validate next. Any thread. Errors: kInvalidPlan, kUnknownFeature, kJobFileVersion, kTooLarge.
/// A job graph's python_version travels in the job file's header, not here.
Result<plan::JobGraph> DecodeJobGraph(std::string_view bytes);
std::string EncodeJobGraph(const plan::JobGraph& graph);

/// Refuses indices that point outside the plan.
Result<std::shared_ptr<const plan::ExecutionPlan>> DecodeExecutionPlan(std::string_view bytes);
std::string EncodeExecutionPlan(const plan::ExecutionPlan& plan);

/// Everything of a deployment but its plan, which travels as bytes of its own; the caller sets `plan`.
Result<plan::JobDeployment> DecodeJobDeployment(std::string_view bytes);
std::string EncodeJobDeployment(const plan::JobDeployment& deployment);

}  // namespace headrace::wire
