#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"

namespace headrace::columnar {

/// A 64-bit hash of each row over some columns, the same on every machine and in every version: it places rows in key groups.
/// The formula is docs/formats/row_hash.md. Equal values hash the same at any width of int and of float; -0.0 is 0.0; every NaN is the
/// same. `hashes` gets one number a row. Invalid for a column of another type.
Status HashRows(const arrow::RecordBatch& batch, std::span<const int> columns, std::vector<std::uint64_t>* hashes);

}  // namespace headrace::columnar
