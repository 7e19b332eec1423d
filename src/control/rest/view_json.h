#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "control/job/dispatcher.h"
#include "plan/execution_plan.h"

namespace headrace::control::rest {

/// RUNNING and so on.
std::string_view StateName(wire::TaskState state);
/// The JSON bodies of openapi.yaml from the views of the control plane. Pure; bytes that are not UTF-8 are replaced.
std::string JobListJson(const std::vector<job::JobView>& jobs);
std::string JobJson(const job::JobView& job);
std::string JobPlanJson(const job::JobView& job);
std::string JobConfigJson(const job::JobView& job);
std::string JobStatusJson(const job::JobView& job);
std::string JobMetricsJson(const job::JobView& job);
std::string JobExceptionsJson(const job::JobView& job);
std::string ValidatedJson(const plan::ExecutionPlan& plan);
std::string SubmittedJson(const job::SubmitAnswer& answer);
std::string CancelledJson(const JobId& job, job::JobState state);
std::string TaskManagerListJson(const std::vector<job::TaskManagerView>& task_managers);
std::string TaskManagerJson(const job::TaskManagerView& task_manager);
std::string ClusterJson(const job::ClusterView& cluster);
std::string LeaderJson(const job::ClusterView& cluster);

}  // namespace headrace::control::rest
