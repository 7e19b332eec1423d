#include "data/format/parquet_writer.h"

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <parquet/properties.h>

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include "columnar/row_kind.h"

namespace headrace::data::format {
namespace {

arrow::Compression::type CompressionOf(std::string_view name) {
  if (name == "zstd") return arrow::Compression::ZSTD;
  if (name == "gzip") return arrow::Compression::GZIP;
  if (name == "lz4") return arrow::Compression::LZ4;
  return name == "none" ? arrow::Compression::UNCOMPRESSED : arrow::Compression::SNAPPY;
}

bool IsReserved(const std::string& name) { return name.starts_with("__"); }

/// The kinds of rows as text.
Result<std::shared_ptr<arrow::Array>> Names(const arrow::ArrayData& kinds) {
  arrow::StringBuilder names;
  const auto* const values = kinds.GetValues<std::uint8_t>(1);
  for (std::int64_t i = 0; i < kinds.length; ++i)
    HR_RETURN_NOT_OK(names.Append(columnar::NameOf(static_cast<columnar::RowKind>(values[i]))));
  return names.Finish();
}

template <typename Use>
Status Guarded(Use use) {
  try {
    return use();
  } catch (const std::exception& error) {
    return Status::IOError(error.what());
  }
}

}  // namespace

struct ParquetWriter::State {
  std::shared_ptr<arrow::Schema> schema;
  std::vector<int> columns;  ///< of the rows
  std::unique_ptr<parquet::arrow::FileWriter> file;
  arrow::RecordBatchVector group;
  std::int64_t group_rows = 0, group_bytes = 0, most_bytes = kGroupBytes;

  Status Open(const arrow::Schema& rows, std::string_view compression, std::shared_ptr<arrow::io::OutputStream> out) {
    arrow::FieldVector fields;
    for (int i = 0; i < rows.num_fields(); ++i) {
      const auto& field = rows.field(i);
      const bool kinds = field->name() == columnar::kRowKindColumn;
      if (IsReserved(field->name()) && !kinds) continue;
      fields.push_back(kinds ? arrow::field(field->name(), arrow::utf8(), false) : field);
      columns.push_back(i);
    }
    schema = arrow::schema(std::move(fields));
    parquet::WriterProperties::Builder properties;
    properties.compression(CompressionOf(compression))->max_row_group_length(kGroupRows)->created_by("headrace");
    parquet::ArrowWriterProperties::Builder arrow_properties;
    arrow_properties.store_schema();
    HR_ASSIGN_OR_RAISE(file, parquet::arrow::FileWriter::Open(*schema, arrow::default_memory_pool(), std::move(out), properties.build(),
                                                              arrow_properties.build()));
    return Status::OK();
  }

  Status WriteGroup() {
    if (group_rows == 0) return Status::OK();
    HR_ASSIGN_OR_RAISE(const auto table, arrow::Table::FromRecordBatches(schema, std::exchange(group, {})));
    group_bytes = 0;
    return file->WriteTable(*table, std::exchange(group_rows, 0));
  }

  Status Write(const arrow::RecordBatch& rows) {
    arrow::ArrayVector arrays;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const bool kinds = schema->field(static_cast<int>(i))->name() == columnar::kRowKindColumn;
      if (kinds) {
        HR_ASSIGN_OR_RAISE(auto names, Names(*rows.column_data(columns[i])));
        arrays.push_back(std::move(names));
      } else {
        arrays.push_back(rows.column(columns[i]));
      }
    }
    auto batch = arrow::RecordBatch::Make(schema, rows.num_rows(), std::move(arrays));
    group_rows += batch->num_rows();
    group_bytes += columnar::DataBatch(batch).size_bytes();
    group.push_back(std::move(batch));
    return group_rows >= kGroupRows || group_bytes >= most_bytes ? WriteGroup() : Status::OK();
  }
};

ParquetWriter::ParquetWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
ParquetWriter::~ParquetWriter() = default;

Result<std::unique_ptr<ParquetWriter>> ParquetWriter::Open(const arrow::Schema& rows, std::string_view compression,
                                                           std::int64_t group_bytes, std::shared_ptr<arrow::io::OutputStream> out) {
  auto state = std::make_unique<State>();
  state->most_bytes = std::min(group_bytes, kGroupBytes);
  HR_RETURN_NOT_OK(Guarded([&] { return state->Open(rows, compression, std::move(out)); }));
  return std::unique_ptr<ParquetWriter>(new ParquetWriter(std::move(state)));
}

Status ParquetWriter::Write(const arrow::RecordBatch& rows) {
  return Guarded([&] { return state_->Write(rows); });
}

Status ParquetWriter::Close() {
  return Guarded([&]() -> Status {
    HR_RETURN_NOT_OK(state_->WriteGroup());
    return state_->file->Close();
  });
}

}  // namespace headrace::data::format
