#include "data/format/record_decoder.h"

#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <type_traits>
#include <utility>

namespace headrace::data::format {
namespace {

/// Rows between two looks at the size; a record as large as a part of the batch asks for one at once.
constexpr std::int64_t kLookEvery = 128;
constexpr std::int64_t kLargeRecord = RecordDecoder::kBatchBytes / kLookEvery;

}  // namespace

RecordFormat RecordFormatOf(std::string_view name) {
  constexpr std::pair<std::string_view, RecordFormat> kNames[] = {
      {"json", RecordFormat::kJson}, {"bytes", RecordFormat::kBytes},       {"csv", RecordFormat::kCsv},
      {"avro", RecordFormat::kAvro}, {"protobuf", RecordFormat::kProtobuf}, {"json_schema", RecordFormat::kJsonSchema}};
  for (const auto& [known, format] : kNames)
    if (name == known) return format;
  return RecordFormat::kText;
}

Result<std::unique_ptr<RecordDecoder>> RecordDecoder::Make(RecordDecoderOptions options) {
  std::unique_ptr<RecordDecoder> made(new RecordDecoder());
  if (options.schema == nullptr) {
    if (options.format == RecordFormat::kJson) {
      made->rows_ = std::make_unique<UntypedJson>();
    } else {
      const auto form = options.format == RecordFormat::kBytes ? columnar::ValueForm::kRawBytes : columnar::ValueForm::kUtf8;
      made->rows_ = std::make_unique<columnar::ValueBatchBuilder>(form);
    }
    return made;
  }
  HR_RETURN_NOT_OK(made->MakeColumns(options));
  made->schema_ = made->batch_schema_ = options.schema;
  made->has_event_times_ = options.event_times;
  if (options.event_times) {
    HR_ASSIGN_OR_RAISE(made->batch_schema_,
                       options.schema->AddField(options.schema->num_fields(),
                                                arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), /*nullable=*/false)));
  }
  return made;
}

Status RecordDecoder::MakeColumns(const RecordDecoderOptions& options) {
  std::shared_ptr<SchemaRegistry> registry;
  if (!options.registry.url.empty() && options.format != RecordFormat::kJsonSchema) {
    HR_ASSIGN_OR_RAISE(registry, SchemaRegistry::Get(options.registry));
  }
  switch (options.format) {
    case RecordFormat::kJsonSchema:
      behind_schema_id_ = true;
      [[fallthrough]];
    case RecordFormat::kJson: {
      HR_ASSIGN_OR_RAISE(rows_, JsonRowDecoder::Make(options.schema));
      break;
    }
    case RecordFormat::kCsv: {
      HR_ASSIGN_OR_RAISE(rows_, CsvRowDecoder::Make(options.schema, options.csv));
      break;
    }
    case RecordFormat::kAvro: {
      HR_ASSIGN_OR_RAISE(rows_, AvroRecords::Make(options.schema, std::move(registry), options.writer_schema));
      break;
    }
    case RecordFormat::kProtobuf: {
      HR_ASSIGN_OR_RAISE(rows_, ProtobufRecords::Make(options.schema, std::move(registry), options.writer_schema, options.message));
      break;
    }
    case RecordFormat::kText:
    case RecordFormat::kBytes:
      return Status::Invalid("text and bytes have no columns");
  }
  return Status::OK();
}

Status RecordDecoder::Append(std::string_view record) {
  largest_record_ = std::max(largest_record_, static_cast<std::int64_t>(record.size()));
  if (auto* json = std::get_if<std::unique_ptr<JsonRowDecoder>>(&rows_)) {
    std::int32_t id = 0;
    if (behind_schema_id_) HR_RETURN_NOT_OK(TakeSchemaId(&record, &id));
    return (*json)->Append(record);
  }
  if (auto* builder = std::get_if<std::unique_ptr<columnar::ValueBatchBuilder>>(&rows_)) return (*builder)->AppendBytes(record);
  if (auto* csv = std::get_if<std::unique_ptr<CsvRowDecoder>>(&rows_)) return (*csv)->Append(record);
  if (auto* avro = std::get_if<std::unique_ptr<AvroRecords>>(&rows_)) return (*avro)->Append(record);
  if (auto* protobuf = std::get_if<std::unique_ptr<ProtobufRecords>>(&rows_)) return (*protobuf)->Append(record);
  UntypedJson& json = *std::get<std::unique_ptr<UntypedJson>>(rows_);
  json.encoded.clear();
  HR_RETURN_NOT_OK(json.reader.Append(record, &json.encoded));
  return json.builder.AppendBytes(json.encoded);
}

/// What is appended to: the builder of untyped JSON, else the decoder itself.
template <typename Use>
auto RecordDecoder::WithRows(Use use) const {
  return std::visit(
      [&](const auto& rows) {
        if constexpr (std::is_same_v<std::decay_t<decltype(*rows)>, UntypedJson>)
          return use(rows->builder);
        else
          return use(*rows);
      },
      rows_);
}

std::int64_t RecordDecoder::num_rows() const {
  return WithRows([](const auto& rows) { return rows.num_rows(); });
}

std::int64_t RecordDecoder::size_bytes() const {
  return WithRows([](const auto& rows) { return rows.size_bytes(); });
}

bool RecordDecoder::full() {
  const std::int64_t rows = num_rows();
  if (rows >= kBatchRows) return true;
  if (rows < next_look_ && largest_record_ < kLargeRecord) return false;
  next_look_ = rows + kLookEvery;
  return size_bytes() >= kBatchBytes;
}

Result<std::shared_ptr<arrow::RecordBatch>> RecordDecoder::FinishColumns() {
  return std::visit(
      [](auto& rows) -> Result<std::shared_ptr<arrow::RecordBatch>> {
        if constexpr (requires(std::shared_ptr<arrow::RecordBatch> records) { records = rows->Finish().ValueOrDie(); })
          return rows->Finish();
        else
          return Status::Invalid("rows without columns");
      },
      rows_);
}

Result<columnar::DataBatch> RecordDecoder::Finish() {
  largest_record_ = next_look_ = 0;
  if (auto* builder = std::get_if<std::unique_ptr<columnar::ValueBatchBuilder>>(&rows_)) return (*builder)->Finish();
  if (auto* untyped = std::get_if<std::unique_ptr<UntypedJson>>(&rows_)) return (*untyped)->builder.Finish();
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::RecordBatch> records, FinishColumns());
  if (!has_event_times_) return columnar::DataBatch(std::move(records));
  HR_CHECK(static_cast<std::int64_t>(event_times_.size()) == records->num_rows(), "a row has no event time");
  std::vector<std::shared_ptr<arrow::ArrayData>> columns = records->column_data();
  columns.push_back(
      arrow::ArrayData::Make(arrow::int64(), records->num_rows(), {nullptr, arrow::Buffer::FromVector(std::move(event_times_))}, 0));
  event_times_ = {};
  return columnar::DataBatch(arrow::RecordBatch::Make(batch_schema_, records->num_rows(), std::move(columns)));
}

}  // namespace headrace::data::format
