#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "columnar/data_batch.h"
#include "columnar/value_column.h"
#include "data/format/avro_records.h"
#include "data/format/csv_rows.h"
#include "data/format/json_rows.h"
#include "data/format/json_value.h"
#include "data/format/protobuf_records.h"

namespace headrace::data::format {

/// How one record's bytes become a row.
enum class RecordFormat {
  kText,
  kBytes,
  kJson,
  kCsv,
  kAvro,
  kProtobuf,
  kJsonSchema,  ///< JSON behind the id of its schema
};

/// "json", "bytes", "csv", "avro", "protobuf", "json_schema"; anything else is kText (options are checked before).
RecordFormat RecordFormatOf(std::string_view name);

struct RecordDecoderOptions {
  RecordFormat format = RecordFormat::kText;
  std::shared_ptr<arrow::Schema> schema;  ///< typed rows; null: untyped values
  CsvOptions csv;
  RegistryAccess registry;             ///< kAvro, kProtobuf: the registry whose ids stand before records
  std::string writer_schema, message;  ///< without a registry: the schema of all records
  bool event_times = false;            ///< typed rows come with the source's own event times: AppendEventTime() behind every row
};

/// Decodes records one by one into batches: the one place where sources turn bytes into rows. Which format it is, is settled when it is
/// made; there is no virtual call per record.
/// Errors:  Append gives Invalid for a record that is refused, which leaves nothing behind; an error that passes (WhoActs::kTransient)
///          while the schema registry does not answer: the same record can be tried again. Anything else is the source's own failure.
/// Thread:  the source's reading thread.
class RecordDecoder {
 public:
  static constexpr std::int64_t kBatchRows = 4096;
  static constexpr std::int64_t kBatchBytes = 256 << 10;

  /// Invalid when the format cannot fill the schema.
  static Result<std::unique_ptr<RecordDecoder>> Make(RecordDecoderOptions options);
  Status Append(std::string_view record);
  /// kCsv: the columns of the records to come.
  Status SetColumns(const std::vector<std::string>& names) { return std::get<std::unique_ptr<CsvRowDecoder>>(rows_)->SetColumns(names); }
  void AppendEventTime(std::int64_t event_time_ms) { event_times_.push_back(event_time_ms); }
  std::int64_t num_rows() const;
  /// Time to close the batch. Sizes are looked at now and then, and behind every large record.
  bool full();
  bool typed() const { return schema_ != nullptr; }
  Result<columnar::DataBatch> Finish();

 private:
  struct UntypedJson {
    columnar::ValueBatchBuilder builder{columnar::ValueForm::kEncoded};
    JsonValueReader reader;
    std::string encoded;
  };
  RecordDecoder() = default;
  Status MakeColumns(const RecordDecoderOptions& options);
  std::int64_t size_bytes() const;

  template <typename Use>
  auto WithRows(Use use) const;

  Result<std::shared_ptr<arrow::RecordBatch>> FinishColumns();

  std::variant<std::unique_ptr<columnar::ValueBatchBuilder>, std::unique_ptr<UntypedJson>, std::unique_ptr<JsonRowDecoder>,
               std::unique_ptr<CsvRowDecoder>, std::unique_ptr<AvroRecords>, std::unique_ptr<ProtobufRecords>>
      rows_;
  bool behind_schema_id_ = false;
  std::shared_ptr<arrow::Schema> schema_, batch_schema_;  ///< of the columns; with event times
  bool has_event_times_ = false;
  std::vector<std::int64_t> event_times_;
  std::int64_t largest_record_ = 0, next_look_ = 0;
};

}  // namespace headrace::data::format
