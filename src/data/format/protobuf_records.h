#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "data/format/protobuf_rows.h"
#include "data/format/schema_registry.h"

namespace headrace::data::format {

/// Decodes Protobuf records as they stand in topics: each behind its schema's id in a registry and the place of its message in the
/// schema, or all of one message that the job names.
/// Errors:  as AvroRecords. Thread: its owner's, which waits for the registry at each schema that is new to it.
class ProtobufRecords {
 public:
  /// `registry` null: records are messages `message` (empty: the first) of the .proto text `schema_text`, without an id.
  static Result<std::unique_ptr<ProtobufRecords>> Make(const std::shared_ptr<arrow::Schema>& schema,
                                                       std::shared_ptr<SchemaRegistry> registry, std::string_view schema_text,
                                                       const std::string& message);
  Status Append(std::string_view record);
  std::int64_t num_rows() const { return rows_->num_rows(); }
  std::int64_t size_bytes() const { return rows_->size_bytes(); }
  Result<std::shared_ptr<arrow::RecordBatch>> Finish() { return rows_->Finish(); }

 private:
  struct Writer {
    std::unique_ptr<ProtobufPlan> plan;
    Status refused;
  };
  using Key = std::pair<std::int32_t, std::vector<int>>;
  ProtobufRecords() = default;
  Result<Writer*> WriterOf(const Key& key);

  std::unique_ptr<ProtobufRowDecoder> rows_;
  std::shared_ptr<SchemaRegistry> registry_;
  std::map<Key, Writer> writers_;
  Key last_key_, key_;
  Writer* last_ = nullptr;
};

}  // namespace headrace::data::format
