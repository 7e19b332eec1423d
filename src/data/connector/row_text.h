#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "columnar/value_column.h"
#include "data/format/json_writer.h"

namespace headrace::data::connector {

/// How a sink writes a row. kAuto: str as UTF-8, bytes as they are, anything else as JSON; kString: str as UTF-8, anything else as
/// Python's str() shows it; kBytes: bytes and str only; kJson: always JSON.
enum class RowFormat { kAuto, kString, kBytes, kJson };

/// "auto", "string", "bytes", "json"; anything else is kAuto (options are checked before).
RowFormat RowFormatOf(std::string_view name);

/// Appends rows of one batch as text; typed rows are JSON objects straight from their columns, unless the format is kString.
/// Borrowed batch; the task's thread.
class RowTextWriter {
 public:
  static Result<RowTextWriter> Make(const columnar::DataBatch& batch, RowFormat format,
                                    format::TimestampText timestamps = format::TimestampText::kIso);
  /// True when the rows' bytes in the value column are the text itself, so that nothing has to be copied.
  bool rows_are_text() const { return rows_are_text_; }
  /// kBadRecord when the row does not fit the format.
  Status Append(std::int64_t row, std::string* out) const;

 private:
  RowTextWriter(columnar::ValueRowReader reader, columnar::ValueForm form, RowFormat format);
  columnar::ValueRowReader reader_;
  columnar::ValueForm form_;
  RowFormat format_;
  std::optional<format::JsonRowWriter> json_;  ///< of typed rows
  bool rows_are_text_ = false;
};

/// "ms", anything else is ISO 8601.
inline format::TimestampText TimestampTextOf(std::string_view name) {
  return name == "ms" ? format::TimestampText::kMilliseconds : format::TimestampText::kIso;
}

/// Message keys out of columns of typed rows: one column's text as it is and its other values as JSON shows them, several columns as a
/// JSON array. Keeps its part of the batch; the task's thread.
class KeyTextWriter {
 public:
  static Result<KeyTextWriter> Make(const columnar::DataBatch& batch, const std::vector<std::string>& columns,
                                    format::TimestampText timestamps);
  Status Append(std::int64_t row, std::string* out) const;

 private:
  KeyTextWriter(format::JsonRowWriter values, std::shared_ptr<arrow::RecordBatch> keys)
      : values_(std::move(values)), keys_(std::move(keys)) {}
  format::JsonRowWriter values_;
  std::shared_ptr<arrow::RecordBatch> keys_;
};

}  // namespace headrace::data::connector
