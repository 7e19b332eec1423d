#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/format/avro_schema.h"
#include "data/format/row_columns.h"

namespace headrace::data::format {

struct AvroStep;

/// How records of one writer's schema go into typed columns: fields by name, those that no column wants are stepped over. Compiled once
/// per schema. Keeps the schema; immutable.
class AvroPlan {
 public:
  /// Invalid when the schema is no record, lacks a column that may not be null, or a field's type does not go into its column.
  static Result<std::unique_ptr<const AvroPlan>> Make(std::shared_ptr<const AvroSchema> schema, std::vector<ColumnBuilder>& columns);
  ~AvroPlan();

 private:
  friend class AvroRowDecoder;
  AvroPlan();
  std::shared_ptr<const AvroSchema> schema_;
  std::unique_ptr<AvroStep> root_;
};

/// Decodes Avro binary records straight into typed columns by the plan of their writer's schema.
/// Shape:   out the schema's columns. Ints and longs go into every number that holds them, and as ms into timestamps; timestamp, date,
///          time and decimal logical types into theirs; enum as text; a map as a list of structs (key, value).
/// Errors:  Invalid with the column and why: bytes that end too early or go on, a value that does not fit, null where there may be none,
///          text that is not UTF-8. A refused row leaves nothing behind.
/// Thread:  its owner's. No allocation per row.
class AvroRowDecoder {
 public:
  static Result<std::unique_ptr<AvroRowDecoder>> Make(const std::shared_ptr<arrow::Schema>& schema);
  Result<std::unique_ptr<const AvroPlan>> PlanFor(std::shared_ptr<const AvroSchema> writer) {
    return AvroPlan::Make(std::move(writer), rows_.columns());
  }
  Status Append(std::string_view record, const AvroPlan& plan);
  /// Takes one record off the front of `bytes`, also one that is refused; nothing is left of them when its end cannot be found.
  Status AppendFront(std::string_view* bytes, const AvroPlan& plan);
  std::int64_t num_rows() const { return rows_.num_rows(); }
  std::int64_t size_bytes() const { return rows_.size_bytes(); }
  Result<std::shared_ptr<arrow::RecordBatch>> Finish() { return rows_.Finish(); }

 private:
  explicit AvroRowDecoder(RowColumns rows) : rows_(std::move(rows)) {}
  RowColumns rows_;
};

}  // namespace headrace::data::format
