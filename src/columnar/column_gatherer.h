#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <span>

#include "base/status.h"

namespace headrace::columnar {

/// Appends chosen rows of columns of one type to a column under construction. One virtual call per column and batch, none
/// per row. Owned by a partitioner or an input gate, its thread only.
class ColumnGatherer {
 public:
  /// Invalid for dictionaries, views, maps and unions; lists and structs cost a call a row.
  static Result<std::unique_ptr<ColumnGatherer>> Make(const std::shared_ptr<arrow::DataType>& type);
  virtual ~ColumnGatherer() = default;
  /// Appends rows `indices[0..count)` of `column` (relative to its offset).
  virtual Status Append(const arrow::ArrayData& column, const std::uint32_t* indices, std::int64_t count) = 0;
  /// Appends rows [first, first + count) of `column` (relative to its offset).
  virtual Status AppendRange(const arrow::ArrayData& column, std::int64_t first, std::int64_t count);
  /// Room for so many more rows, where that is known beforehand and worth it.
  virtual Status Reserve(std::int64_t rows) { return Status::OK(); }
  /// Bytes collected since the last Finish().
  virtual std::int64_t size_bytes() const = 0;
  /// The column so far; starts the next one.
  virtual Result<std::shared_ptr<arrow::ArrayData>> Finish() = 0;
};

/// A batch of rows `indices` of another, in that order. For few rows now and then: it makes its gatherers anew.
Result<std::shared_ptr<arrow::RecordBatch>> GatherRows(const arrow::RecordBatch& batch, std::span<const std::uint32_t> indices);

}  // namespace headrace::columnar
