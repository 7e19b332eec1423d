#pragma once
#include <arrow/type_fwd.h>

#include <string>

#include "base/status.h"
#include "data/format/json_writer.h"

namespace headrace::data::format {

/// Schemas of what writers make of typed rows: the text that is registered when the user gives none. `name` is the record's full name,
/// "Row" or "org.example.Bid". Columns that may be null are unions with null and default null (Avro), optional (Protobuf), or not
/// required (JSON Schema), so that a column that is added later is a compatible change. Pure.
/// Errors:  Invalid for a name that the format does not take and a column without a type in it.
Result<std::string> AvroSchemaOf(const arrow::Schema& rows, const std::string& name);
Result<std::string> ProtobufSchemaOf(const arrow::Schema& rows, const std::string& name);
Result<std::string> JsonSchemaOf(const arrow::Schema& rows, const std::string& name, TimestampText timestamps);

}  // namespace headrace::data::format
