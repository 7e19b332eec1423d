#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "data/format/column_builder.h"

namespace headrace::data::format {

/// The columns of rows that a decoder fills. Owned by the decoder; its thread.
class RowColumns {
 public:
  static Result<RowColumns> Make(std::shared_ptr<arrow::Schema> schema);
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  std::vector<ColumnBuilder>& columns() { return columns_; }
  std::int64_t num_rows() const { return rows_; }
  /// Every column has got its value of this row.
  void CloseRow() { ++rows_; }
  /// Takes back what a row has left in the columns since the last CloseRow().
  void DropRow() {
    for (ColumnBuilder& column : columns_) column.Truncate(rows_);
  }
  std::int64_t size_bytes() const {
    std::int64_t bytes = rows_ * row_bytes_;
    for (const ColumnBuilder& column : columns_) bytes += column.variable_bytes();
    return bytes;
  }
  Result<std::shared_ptr<arrow::RecordBatch>> Finish();

 private:
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<ColumnBuilder> columns_;
  std::int64_t rows_ = 0, row_bytes_ = 0;
};

/// A value for messages: at most 60 bytes of it.
std::string ShownValue(std::string_view text);
/// `column "price": 12.5 does not fit int64`.
Status DoesNotFit(const ColumnBuilder& column, std::string_view shown);
/// `column "price" is null, but its type allows none`; the way out is in the text.
Status NullRefused(const ColumnBuilder& column, bool absent);

}  // namespace headrace::data::format
