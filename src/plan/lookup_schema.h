#pragma once
#include <arrow/type_fwd.h>

#include <memory>

#include "base/status.h"
#include "plan/job_graph.h"

namespace headrace::plan {

/// The rows that leave a lookup join. kInvalidPlan naming operator and column: no such column, keys of different types, a column of
/// both sides, a table without columns or without an end.
Result<std::shared_ptr<arrow::Schema>> LookupSchema(const OperatorSpec& spec, const LookupSpec& lookup, const arrow::Schema& input);

}  // namespace headrace::plan
