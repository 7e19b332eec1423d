#pragma once
#include "base/status.h"
#include "plan/process.h"
#include "proto/plan.pb.h"

namespace headrace::wire {

void ToMessage(const plan::ProcessSpec& spec, proto::ProcessFunction* message);
/// kUnknownFeature for a kind of state that this version does not know.
Result<plan::ProcessSpec> FromMessage(const proto::ProcessFunction& message);

}  // namespace headrace::wire
