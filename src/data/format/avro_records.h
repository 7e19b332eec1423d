#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/status.h"
#include "data/format/avro_rows.h"
#include "data/format/schema_registry.h"

namespace headrace::data::format {

/// Decodes Avro records as they stand in topics: each behind its schema's id in a registry, or all of one schema that the job names.
/// Errors:  Invalid for a record that is refused, also when its schema does not go into the columns; the registry's own errors while
///          it does not answer: the record can be tried again.
/// Thread:  its owner's, which waits for the registry at each schema that is new to it.
class AvroRecords {
 public:
  /// `registry` null: `writer_schema` is that of all records, which have no id.
  static Result<std::unique_ptr<AvroRecords>> Make(const std::shared_ptr<arrow::Schema>& schema, std::shared_ptr<SchemaRegistry> registry,
                                                   std::string_view writer_schema);
  Status Append(std::string_view record);
  std::int64_t num_rows() const { return rows_->num_rows(); }
  std::int64_t size_bytes() const { return rows_->size_bytes(); }
  Result<std::shared_ptr<arrow::RecordBatch>> Finish() { return rows_->Finish(); }

 private:
  /// How records of one id are read, or why they cannot be.
  struct Writer {
    std::unique_ptr<const AvroPlan> plan;
    Status refused;
  };
  AvroRecords() = default;
  Result<const Writer*> WriterOf(std::int32_t id);

  std::unique_ptr<AvroRowDecoder> rows_;
  std::shared_ptr<SchemaRegistry> registry_;
  std::unordered_map<std::int32_t, Writer> writers_;
  std::int32_t last_id_ = -1;
  const Writer* last_ = nullptr;
};

}  // namespace headrace::data::format
