#pragma once
#include "base/status.h"
#include "plan/deployment.h"
#include "plan/execution_plan.h"
#include "plan/job_graph.h"

namespace headrace::proto {
class AttemptId;
class JobSettings;
class Operator;
class SourceAssignment;
}  // namespace headrace::proto

namespace headrace::wire {

// Parts of plans as protobuf messages, both ways. For wire's own sources only. Decoding checks form, not sense.
void ToMessage(const plan::OperatorSpec& spec, proto::Operator* message);
Result<plan::OperatorSpec> FromMessage(const proto::Operator& message);
void ToMessage(const plan::JobSettings& settings, proto::JobSettings* message);
Result<plan::JobSettings> FromMessage(const proto::JobSettings& message);
void ToMessage(const plan::SourceAssignment& assignment, proto::SourceAssignment* message);
plan::SourceAssignment FromMessage(const proto::SourceAssignment& message);
void ToMessage(const AttemptId& attempt, proto::AttemptId* message);
AttemptId FromMessage(const proto::AttemptId& message);
/// The number of a proto::Partitioning as it came; kInvalidPlan for one that is not known.
Result<plan::Partitioning> PartitioningFromNumber(int number);
int NumberOf(plan::Partitioning partitioning);

}  // namespace headrace::wire
