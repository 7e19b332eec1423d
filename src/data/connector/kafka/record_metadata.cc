#include "data/connector/kafka/record_metadata.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/utf8.h"

namespace headrace::data::connector {
namespace {

using What = plan::MetadataColumn::What;
using format::ColumnBuilder;

Status Refused(const ColumnBuilder& column, std::string_view why) {
  return Status::Invalid(fmt::format("column \"{}\": {}", column.name(), why));
}

/// Bytes, or null when `data` is none.
Status AppendBytes(const void* data, std::size_t size, std::string_view what, ColumnBuilder* column) {
  if (data == nullptr) {
    if (!column->nullable())
      return Refused(*column, fmt::format("the record has no {}; declare it as \"{} | None\"", what, column->type_name()));
    column->AppendNull();
    return Status::OK();
  }
  const std::string_view bytes(static_cast<const char*>(data), size);
  if (column->kind() == ColumnBuilder::Kind::kText && !IsUtf8(bytes))
    return Refused(*column, fmt::format("the record's {} is not UTF-8; declare it as binary", what));
  if (!column->AppendBytes(bytes)) return Refused(*column, fmt::format("the record's {} is too large", what));
  return Status::OK();
}

Status AppendTime(const rd_kafka_message_t& record, ColumnBuilder* column) {
  rd_kafka_timestamp_type_t type{};
  const std::int64_t ms = rd_kafka_message_timestamp(&record, &type);
  if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE) {
    if (!column->nullable())
      return Refused(*column, fmt::format("the record has no timestamp; declare it as \"{} | None\"", column->type_name()));
    column->AppendNull();
    return Status::OK();
  }
  const bool fits = column->kind() == ColumnBuilder::Kind::kTimestamp ? column->AppendTicks(ms, 1000) : column->AppendInteger(ms);
  return fits ? Status::OK() : Refused(*column, fmt::format("the record's timestamp {} does not fit", ms));
}

Status AppendHeaders(const rd_kafka_message_t& record, ColumnBuilder* column) {
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&record, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    ColumnBuilder& header = column->items();
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      HR_RETURN_NOT_OK(AppendBytes(name, std::string_view(name).size(), "header's name", &header.children()[0]));
      HR_RETURN_NOT_OK(AppendBytes(value, size, fmt::format("header \"{:.100}\"", name), &header.children()[1]));
      header.CloseStruct();
    }
  }
  column->CloseList();
  return Status::OK();
}

}  // namespace

Result<RecordMetadata> RecordMetadata::Make(const std::shared_ptr<arrow::Schema>& schema, const std::vector<plan::MetadataColumn>& wanted) {
  RecordMetadata made;
  made.schema_ = made.value_schema_ = schema;
  if (schema == nullptr) return made;
  arrow::FieldVector values;
  for (int i = 0; i < schema->num_fields(); ++i) {
    const auto& field = schema->field(i);
    const auto found =
        std::find_if(wanted.begin(), wanted.end(), [&](const plan::MetadataColumn& column) { return column.column == field->name(); });
    if (found == wanted.end()) {
      values.push_back(field);
      continue;
    }
    HR_ASSIGN_OR_RAISE(ColumnBuilder builder, ColumnBuilder::Make(*field));
    made.columns_.push_back({found->what, i, std::move(builder)});
  }
  if (!made.columns_.empty()) made.value_schema_ = arrow::schema(std::move(values));
  return made;
}

Status RecordMetadata::AppendTo(Column* column, const rd_kafka_message_t& record, const std::string& topic) {
  ColumnBuilder& builder = column->builder;
  switch (column->what) {
    case What::kTopic:
      return AppendBytes(topic.data(), topic.size(), "topic", &builder);
    case What::kPartition:
      builder.AppendInteger(record.partition);
      return Status::OK();
    case What::kOffset:
      builder.AppendInteger(record.offset);
      return Status::OK();
    case What::kTimestamp:
      return AppendTime(record, &builder);
    case What::kKey:
      return AppendBytes(record.key, record.key_len, "key", &builder);
    case What::kHeaders:
      return AppendHeaders(record, &builder);
  }
  return Status::OK();
}

Status RecordMetadata::Append(const rd_kafka_message_t& record, const std::string& topic) {
  for (Column& column : columns_) {
    const Status status = AppendTo(&column, record, topic);
    if (status.ok()) continue;
    for (Column& begun : columns_) begun.builder.Truncate(rows_);
    return status;
  }
  ++rows_;
  return Status::OK();
}

void RecordMetadata::DropLast() {
  --rows_;
  for (Column& column : columns_) column.builder.Truncate(rows_);
}

std::int64_t RecordMetadata::size_bytes() const {
  std::int64_t bytes = 0;
  for (const Column& column : columns_) bytes += column.builder.variable_bytes();
  return bytes;
}

Result<columnar::DataBatch> RecordMetadata::Complete(const columnar::DataBatch& values) {
  const arrow::RecordBatch& records = *values.records();
  HR_CHECK(records.num_rows() == rows_, "a row has no metadata");
  arrow::FieldVector fields;
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  int next_value = 0;
  std::size_t next = 0;
  for (int i = 0; i < schema_->num_fields(); ++i) {
    fields.push_back(schema_->field(i));
    if (next == columns_.size() || columns_[next].index != i) {
      columns.push_back(records.column_data(next_value++));
      continue;
    }
    HR_ASSIGN_OR_RAISE(auto made, columns_[next++].builder.Finish());
    columns.push_back(std::move(made));
  }
  for (; next_value < records.num_columns(); ++next_value) {
    fields.push_back(records.schema()->field(next_value));
    columns.push_back(records.column_data(next_value));
  }
  rows_ = 0;
  return columnar::DataBatch(
      arrow::RecordBatch::Make(arrow::schema(std::move(fields), schema_->metadata()), records.num_rows(), std::move(columns)));
}

}  // namespace headrace::data::connector
