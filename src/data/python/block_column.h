#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"

namespace headrace::data::python {

/// The head of one column of a batch block (docs/formats/worker.md), as its writer says it: nothing is checked yet.
struct RawColumn {
  std::uint32_t role, form;
  std::uint64_t rows, offsets_at, data_at, data_length, validity_at;
};

/// The heads of a block's columns, at most `most`; `rows` is the block's own count. Invalid when they do not fit into the bytes.
Result<std::vector<RawColumn>> ReadColumnHeads(const arrow::Buffer& bytes, std::uint32_t most, std::uint32_t* rows);
/// The column's values without its validity, sharing `bytes`. Form, ranges, offsets and UTF-8 are checked.
Result<std::shared_ptr<arrow::Array>> ReadColumn(const std::shared_ptr<arrow::Buffer>& bytes, const RawColumn& column);
/// One byte a row, not 0 = present; null where the column has no validity. Its range is checked.
Result<const std::uint8_t*> ReadValidity(const arrow::Buffer& bytes, const RawColumn& column);

}  // namespace headrace::data::python
