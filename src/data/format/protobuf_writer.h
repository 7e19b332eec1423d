#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "data/format/protobuf_schema.h"

namespace headrace::data::format {

struct ProtobufPut;

/// Writes typed rows as Protobuf messages. Columns go into the message's fields by name; a field without a column is left out. Null is an
/// absent field. Reserved columns are left out, but for __row_kind, a text.
/// Errors:  Make: Invalid for a column that has no field or does not go into it, and a required field without a column. Append: Invalid
///          for a value beyond its field's type, null where it cannot be told from a value; what it appended is to be taken back.
/// Thread:  its owner's. No virtual call a row; messages inside messages are written into memory that is kept.
class ProtobufRowWriter {
 public:
  static Result<std::unique_ptr<ProtobufRowWriter>> Make(const arrow::Schema& rows, std::shared_ptr<const ProtobufSchema> schema,
                                                         const google::protobuf::Descriptor& message);
  ~ProtobufRowWriter();
  /// The rows that Append() means from now on: they have at least the columns given to Make(). Borrowed.
  Status Bind(const arrow::RecordBatch& rows);
  Status Append(std::int64_t row, std::string* out);

 private:
  ProtobufRowWriter();
  std::shared_ptr<const ProtobufSchema> schema_;
  std::unique_ptr<ProtobufPut> root_;
};

}  // namespace headrace::data::format
