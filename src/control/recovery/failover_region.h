#pragma once
#include <set>

#include "base/ids.h"
#include "plan/execution_plan.h"

namespace headrace::control::recovery {

/// The vertices that have to restart with `failed`: everything connected to it by exchanges, in both directions. Replacing
/// less would lose or double the rows in flight.
std::set<VertexIndex> FailoverRegion(const plan::ExecutionPlan& plan, VertexIndex failed);

}  // namespace headrace::control::recovery
