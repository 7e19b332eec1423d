#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <span>

#include "base/status.h"
#include "columnar/data_batch.h"

namespace headrace::data::window {

/// Rows of a batch beside what was found for them: row probes[i] with row i of `found`. Reserved columns stay last.
Result<columnar::DataBatch> JoinFound(const arrow::RecordBatch& records, std::span<const std::uint32_t> probes,
                                      const arrow::FieldVector& found_fields, const arrow::ArrayVector& found);

/// A column of chosen rows of another.
Result<std::shared_ptr<arrow::Array>> GatherColumn(const arrow::Array& column, std::span<const std::uint32_t> rows);

}  // namespace headrace::data::window
