#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"

namespace headrace::data::format {

/// How sinks write timestamps: ISO 8601 text with the column's own precision, or ms since 1970.
enum class TimestampText { kIso, kMilliseconds };

/// Writes rows of one batch as JSON objects straight from their columns: one object a row, fields in the columns' order, reserved
/// columns (names that begin with __) left out, but for __row_kind, a text. null for null, NaN and infinities; decimals, dates and times as
/// text, binary as base64. What JsonRowDecoder reads back equals what was written, but for NaN and infinities. Thread:  its owner's.
/// Borrows nothing: it keeps the batch. No virtual call and no allocation per row.
class JsonRowWriter {
 public:
  /// NotImplemented for column types that rows do not have.
  static Result<JsonRowWriter> Make(std::shared_ptr<arrow::RecordBatch> batch, TimestampText timestamps = TimestampText::kIso);
  JsonRowWriter(JsonRowWriter&&) noexcept;
  JsonRowWriter& operator=(JsonRowWriter&&) noexcept;
  ~JsonRowWriter();
  /// `row` in [0, num_rows). Invalid when a value of an untyped column cannot be decoded.
  Status Append(std::int64_t row, std::string* out) const;
  /// One column's value as JSON; `column` counts the columns that are written.
  Status AppendValue(std::size_t column, std::int64_t row, std::string* out) const;

  struct Column;

 private:
  JsonRowWriter();
  std::shared_ptr<arrow::RecordBatch> batch_;
  std::vector<Column> columns_;
  const std::uint8_t* kinds_ = nullptr;  // of batch_, when its rows have kinds
};

}  // namespace headrace::data::format
