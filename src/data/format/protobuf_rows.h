#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "data/format/protobuf_schema.h"
#include "data/format/row_columns.h"

namespace headrace::data::format {

struct ProtobufMessagePlan;

/// How messages of one type go into typed columns: fields by name, others are stepped over. Keeps the schema. One decoder's.
class ProtobufPlan {
 public:
  /// Invalid when a field's type does not go into its column, or a column that may not be null has no field.
  static Result<std::unique_ptr<ProtobufPlan>> Make(std::shared_ptr<const ProtobufSchema> schema,
                                                    const google::protobuf::Descriptor& message, std::vector<ColumnBuilder>& columns);
  ~ProtobufPlan();

 private:
  friend class ProtobufRowDecoder;
  ProtobufPlan();
  std::shared_ptr<const ProtobufSchema> schema_;
  std::unique_ptr<ProtobufMessagePlan> root_;
};

/// Decodes Protobuf messages straight into typed columns by the plan of their type.
/// Shape:   out the schema's columns. A field that is absent is null when it can be told (optional, oneof, message, proto2), else its
///          type's default. Repeated fields are lists, maps lists of structs (key, value), enums text or their number, Timestamp, Duration
///          and the wrappers of google.protobuf are values. Of a single field given twice the last counts.
/// Errors:  Invalid with the column and why: bytes that end too early, a value that does not fit, text that is not UTF-8. A refused row
///          leaves nothing behind.
/// Thread:  its owner's. No allocation per row.
class ProtobufRowDecoder {
 public:
  static Result<std::unique_ptr<ProtobufRowDecoder>> Make(const std::shared_ptr<arrow::Schema>& schema);
  Result<std::unique_ptr<ProtobufPlan>> PlanFor(std::shared_ptr<const ProtobufSchema> schema, const google::protobuf::Descriptor& message) {
    return ProtobufPlan::Make(std::move(schema), message, rows_.columns());
  }
  Status Append(std::string_view record, ProtobufPlan* plan);
  std::int64_t num_rows() const { return rows_.num_rows(); }
  std::int64_t size_bytes() const { return rows_.size_bytes(); }
  Result<std::shared_ptr<arrow::RecordBatch>> Finish() { return rows_.Finish(); }

 private:
  explicit ProtobufRowDecoder(RowColumns rows) : rows_(std::move(rows)) {}
  RowColumns rows_;
};

}  // namespace headrace::data::format
