#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>

#include "base/status.h"

namespace headrace::data::format {

/// May a column that a file holds as `from` fill the typed column `to`? Only what loses nothing does: wider integers and floats, finer
/// or coarser times (cut off, as in JSON), decimals with room, lists, maps and structs by the names of their fields.
/// Invalid says what does not go into what.
Status GoesInto(const arrow::DataType& from, const arrow::Field& to);

/// The column as its typed column has it; GoesInto() held. Shares the buffers where the two are laid out alike.
/// Errors:  Invalid with the row (the first is `first_row`): null where there may be none, text that is not UTF-8, a time beyond the
/// column's range.
Result<std::shared_ptr<arrow::ArrayData>> ColumnAs(const std::shared_ptr<arrow::Array>& column, const arrow::Field& to,
                                                   std::int64_t first_row);

}  // namespace headrace::data::format
