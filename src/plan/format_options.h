#pragma once
#include <arrow/type_fwd.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "plan/job_graph.h"

namespace headrace::plan {

/// Names of columns as options carry them: a JSON array of text. Empty for "". Invalid when it is none.
Result<std::vector<std::string>> ColumnNames(std::string_view json);

/// Formats whose records are written by a schema: avro, protobuf, json_schema.
bool HasSchema(std::string_view format);

/// Does the connector's format go with its row type? `who` is OperatorSpec::Describe(). kBadOption.
Status CheckFormat(const ConnectorSpec& spec, bool is_source, std::string_view who);

/// May these rows go into this sink? `rows` null: untyped. kBadOption, or kInvalidPlan for a key column that is not there.
Status CheckSinkRows(const ConnectorSpec& sink, const arrow::Schema* rows, std::string_view who);

}  // namespace headrace::plan
