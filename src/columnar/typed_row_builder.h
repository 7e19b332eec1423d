#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "columnar/data_batch.h"

namespace headrace::columnar {

/// Builds typed rows from encoded Python values: each row is a dict of column name to value, or a dataclass.
/// Shape:   out: the schema's columns. A nullable column that a row leaves out is null. Ints go into float and decimal columns when they
///          fit exactly; an int in a timestamp or duration column is ms, whatever the column's unit.
/// Errors:  Invalid, naming column and value: another type, out of range, null where there may be none, an unknown column.
/// Thread:  its owner's; reused between batches.
class TypedRowBuilder {
 public:
  /// NotImplemented for column types that no Python value stands for.
  static Result<std::unique_ptr<TypedRowBuilder>> Make(std::shared_ptr<arrow::Schema> schema);
  ~TypedRowBuilder();
  /// One encoded row. After an error the builder is of no more use.
  Status Append(std::string_view row);
  std::int64_t num_rows() const { return rows_; }
  /// Bytes of the encoded rows since the last Finish().
  std::int64_t size_bytes() const { return bytes_; }
  Result<DataBatch> Finish();

 private:
  explicit TypedRowBuilder(std::shared_ptr<arrow::Schema> schema);

  const std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> columns_;
  std::int64_t rows_ = 0, bytes_ = 0;
};

}  // namespace headrace::columnar
