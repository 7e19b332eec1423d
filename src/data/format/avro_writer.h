#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "data/format/avro_schema.h"

namespace headrace::data::format {

struct AvroPut;

/// Writes typed rows as Avro records of a schema. Columns go into the schema's fields by name; a field without a column takes its default,
/// or null. Reserved columns are left out, but for __row_kind, a text.
/// Errors:  Make: Invalid for a column that has no field or does not go into it, and a field that gets nothing. Append: Invalid for a
///          value beyond its field's type, null where there is none, text that is no symbol; what it appended is to be taken back.
/// Thread:  its owner's. No virtual call and no allocation a row.
class AvroRowWriter {
 public:
  static Result<std::unique_ptr<AvroRowWriter>> Make(const arrow::Schema& rows, std::shared_ptr<const AvroSchema> schema);
  ~AvroRowWriter();
  /// The rows that Append() means from now on: they have at least the columns given to Make(). Borrowed.
  Status Bind(const arrow::RecordBatch& rows);
  Status Append(std::int64_t row, std::string* out) const;

 private:
  AvroRowWriter();
  std::shared_ptr<const AvroSchema> schema_;
  std::unique_ptr<AvroPut> root_;
};

}  // namespace headrace::data::format
