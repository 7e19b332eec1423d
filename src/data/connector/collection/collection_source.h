#pragma once
#include <memory>

#include "base/status.h"
#include "data/connector/source.h"
#include "plan/job_graph.h"

namespace headrace::data::connector {

/// Emits the values of the job's payload, one value-encoded list, in order. One split, {"position": rows done}.
/// Shape:   out {value}: large_utf8 when all values are str, int64 when all are int, else headrace.value; with a schema its columns
///          (columnar::TypedRowBuilder).
/// Errors:  kInvalidPlan for a damaged payload, kBadRecord for a row that does not fit the schema. Thread: the task's; none of its own.
Result<std::unique_ptr<SourceReader>> MakeCollectionSourceReader(const plan::ConnectorSpec& spec);

}  // namespace headrace::data::connector
