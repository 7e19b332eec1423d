#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/status.h"
#include "data/format/avro_writer.h"
#include "data/format/json_writer.h"
#include "data/format/protobuf_writer.h"
#include "data/format/schema_registry.h"

namespace headrace::data::format {

struct RecordEncoderOptions {
  enum class Format { kAvro, kProtobuf, kJsonSchema } format = Format::kAvro;
  /// Of whose names a subject is made: "<topic>-value", the record's full name, or "<topic>-<record's full name>".
  enum class Subject { kTopic, kRecord, kTopicRecord } subject = Subject::kTopic;
  std::shared_ptr<arrow::Schema> rows;
  TimestampText timestamps = TimestampText::kIso;  ///< kJsonSchema
  std::string topic;
  RegistryAccess registry;          ///< none: records without an id
  std::string schema;               ///< that is written; empty: made of the rows' columns
  std::string record_name = "Row";  ///< of a schema that is made; of .proto text, its message ("Row": also the first)
  bool registers = true;            ///< false: the registry must have the schema
  bool uses_latest = false;         ///< the subject's newest schema is written, whatever the columns say
};

/// Writes typed rows as records of a schema, behind its id in a registry: the one place where sinks turn rows into such bytes.
/// Errors:  Make: as SchemaRegistry says; kBadOption for a schema into which the rows do not go. Append: Invalid for a row that does not
///          fit; what it appended is to be taken back.
/// Thread:  Make() blocks, so a side thread's; then its owner's. No virtual call a row.
class RecordEncoder {
 public:
  static Result<std::unique_ptr<RecordEncoder>> Make(const RecordEncoderOptions& options);
  /// The rows that Append() means from now on. Borrowed.
  Status Bind(const std::shared_ptr<arrow::RecordBatch>& rows);
  Status Append(std::int64_t row, std::string* out);

 private:
  RecordEncoder() = default;
  Status UseSchema(const RecordEncoderOptions& options, const RegisteredSchema& schema);
  Status UseProtobuf(const RecordEncoderOptions& options, const RegisteredSchema& schema);

  std::variant<std::optional<JsonRowWriter>, std::unique_ptr<AvroRowWriter>, std::unique_ptr<ProtobufRowWriter>> rows_;
  TimestampText timestamps_ = TimestampText::kIso;
  std::string full_name_;      ///< of the record
  std::string message_place_;  ///< Protobuf: where in its file the message stands, behind the id
  std::string head_;           ///< before every record
};

}  // namespace headrace::data::format
