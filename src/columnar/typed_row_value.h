#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <string>

#include "base/status.h"

namespace headrace::columnar {

/// Appends a typed row as one encoded dict of column name to value, reserved columns left out but for __row_kind, a text: how sinks and
/// Python see rows without a schema of theirs. NotImplemented for column types that have no Python value.
Status AppendTypedRow(const arrow::RecordBatch& batch, std::int64_t row, std::string* out);
/// Appends a row's columns of `schema`, which come first in the batch, as an instance of the Python class `record` ("module:qualname"), or
/// as a dict when that is empty.
Status AppendRecord(const arrow::RecordBatch& batch, const arrow::Schema& schema, const std::string& record, std::int64_t row,
                    std::string* out);
/// Appends one value of a column, None for null.
Status AppendColumnValue(const arrow::Array& column, std::int64_t row, std::string* out);

}  // namespace headrace::columnar
