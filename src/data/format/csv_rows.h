#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/format/row_columns.h"

namespace headrace::data::format {

struct CsvOptions {
  char delimiter = ',';
  std::string null_text;  ///< a field that is this and not in quotes is null
};

/// Decodes CSV records (RFC 4180: fields in quotes may hold delimiters, line ends and doubled quotes) into typed columns.
/// Shape:   out the schema's columns, by name; columns that the file has besides are left out. Values as text: numbers, true/false, ISO
///          8601 dates and times, base64 for binary.
/// Errors:  Invalid with the column, the value and why; a record with more or fewer fields than there are columns. A refused row leaves
///          nothing behind.
/// Thread:  its owner's. No allocation per row.
class CsvRowDecoder {
 public:
  static Result<std::unique_ptr<CsvRowDecoder>> Make(const std::shared_ptr<arrow::Schema>& schema, CsvOptions options);
  /// The columns of the records to come, in order. Invalid when one that may not be null is missing, or a name stands twice.
  Status SetColumns(const std::vector<std::string>& names);
  /// A record without its line end; SetColumns() comes first.
  Status Append(std::string_view record);
  std::int64_t num_rows() const { return rows_.num_rows(); }
  std::int64_t size_bytes() const { return rows_.size_bytes(); }
  Result<std::shared_ptr<arrow::RecordBatch>> Finish() { return rows_.Finish(); }

 private:
  CsvRowDecoder(RowColumns rows, CsvOptions options) : rows_(std::move(rows)), options_(std::move(options)) {}
  Status AppendRow(std::string_view record);
  Status AppendField(std::string_view text, bool quoted, ColumnBuilder* column) const;

  RowColumns rows_;
  const CsvOptions options_;
  std::vector<int> column_of_field_;  ///< -1: left out
  std::vector<int> absent_;           ///< columns that the file does not have
  std::string unquoted_;
};

/// The fields of one record, quotes taken away.
Result<std::vector<std::string>> CsvFields(std::string_view record, char delimiter);
/// True when the line ends inside quotes: the record goes on in the next line.
bool CsvGoesOn(std::string_view record);

/// Appends rows of typed columns as CSV records, without line ends; text that needs it stands in quotes, null is the empty field.
class CsvRowWriter {
 public:
  static Result<CsvRowWriter> Make(std::shared_ptr<arrow::RecordBatch> batch, bool milliseconds, char delimiter = ',');
  CsvRowWriter(CsvRowWriter&&) noexcept;
  ~CsvRowWriter();
  void AppendHeader(std::string* out) const;
  Status Append(std::int64_t row, std::string* out);

 private:
  struct State;
  explicit CsvRowWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace headrace::data::format
