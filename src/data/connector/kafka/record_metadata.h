#pragma once
#include <arrow/type_fwd.h>
#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "columnar/data_batch.h"
#include "data/format/column_builder.h"
#include "plan/kafka_metadata.h"

namespace headrace::data::connector {

/// The columns of typed rows that stand in the Kafka record and not in its value: topic, partition, offset, timestamp, key, headers.
/// Shape:   Append() or DropLast() a record, then Complete() puts the columns among those that the value's decoder has made of the same
/// rows. Errors:  Invalid for a record that has no such thing, or a key or header that is not UTF-8 in a text column; nothing is left
/// behind. Thread:  the source's reading thread.
class RecordMetadata {
 public:
  /// Those of `wanted` that `schema` has; it may have been cut to the columns that are read.
  static Result<RecordMetadata> Make(const std::shared_ptr<arrow::Schema>& schema, const std::vector<plan::MetadataColumn>& wanted);
  bool empty() const { return columns_.empty(); }
  /// What is left for the value.
  const std::shared_ptr<arrow::Schema>& value_schema() const { return value_schema_; }
  Status Append(const rd_kafka_message_t& record, const std::string& topic);
  void DropLast();
  std::int64_t size_bytes() const;
  /// `values` may have reserved columns behind those of its schema.
  Result<columnar::DataBatch> Complete(const columnar::DataBatch& values);

 private:
  struct Column {
    plan::MetadataColumn::What what;
    int index;  ///< in the schema
    format::ColumnBuilder builder;
  };
  Status AppendTo(Column* column, const rd_kafka_message_t& record, const std::string& topic);

  std::shared_ptr<arrow::Schema> schema_, value_schema_;
  std::vector<Column> columns_;
  std::int64_t rows_ = 0;
};

}  // namespace headrace::data::connector
