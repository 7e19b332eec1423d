#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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

}  // namespace headrace::data::connector
