#include "data/format/parquet_rows.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/io/file.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include "base/nearest_name.h"
#include "data/format/arrow_columns.h"

namespace headrace::data::format {
namespace {

/// Bounds on what a footer may claim.
constexpr std::int32_t kMaxThriftString = 64 << 20, kMaxThriftContainer = 1'000'000;

Status CannotRead(const std::string& path, std::string_view why) {
  return Error(ErrorCode::kConnectorIo, fmt::format("file \"{:.500}\" cannot be read as Parquet: {:.1000}", path, why));
}

const Status& StatusOf(const Status& status) { return status; }
template <typename T>
const Status& StatusOf(const Result<T>& result) {
  return result.status();
}

/// Arrow's Parquet throws here and there.
template <typename Use>
auto Guarded(const std::string& path, Use use) -> decltype(use()) {
  try {
    auto result = use();
    const Status status = StatusOf(result);
    if (!status.ok() && status.detail() == nullptr) return CannotRead(path, status.message());
    return result;
  } catch (const std::exception& error) {
    return CannotRead(path, error.what());
  }
}

void Leaves(const parquet::arrow::SchemaField& field, std::vector<int>* leaves) {
  if (field.is_leaf()) leaves->push_back(field.column_index);
  for (const auto& child : field.children) Leaves(child, leaves);
}

std::int64_t DataStart(const parquet::RowGroupMetaData& group) {
  const auto column = group.ColumnChunk(0);
  const std::int64_t data = column->data_page_offset();
  return column->has_dictionary_page() && column->dictionary_page_offset() > 0 ? std::min(data, column->dictionary_page_offset()) : data;
}

}  // namespace

struct ParquetRows::State {
  std::string path;
  std::shared_ptr<arrow::io::RandomAccessFile> bytes;
  std::shared_ptr<arrow::Schema> schema;
  std::unique_ptr<parquet::arrow::FileReader> file;
  std::shared_ptr<arrow::RecordBatchReader> batches;  ///< null: nothing to read
  std::vector<int> sources;                           ///< by column of the schema: its column in the batches, or -1
  std::int64_t skip = 0;
  std::int64_t row = 0;  ///< of the file, read next

  Status OpenFile() {
    if (bytes == nullptr) {
      HR_ASSIGN_OR_RAISE(bytes, arrow::io::ReadableFile::Open(path));
    }
    parquet::ReaderProperties properties;
    properties.set_thrift_string_size_limit(kMaxThriftString);
    properties.set_thrift_container_size_limit(kMaxThriftContainer);
    parquet::ArrowReaderProperties columns(/*use_threads=*/false);
    columns.set_pre_buffer(false);
    parquet::arrow::FileReaderBuilder builder;
    HR_RETURN_NOT_OK(builder.Open(bytes, properties));
    HR_ASSIGN_OR_RAISE(file, builder.properties(columns)->Build());
    return Status::OK();
  }

  Status Mismatch(const arrow::Field& field, std::string_view why, std::string hint = {}) const {
    return Error(ErrorCode::kBadRecord, fmt::format("file \"{:.500}\", column \"{}\": {}", path, field.name(), why), std::move(hint));
  }

  /// The file's leaves that the schema needs; `sources` and the checks of types on the way.
  Result<std::vector<int>> MatchColumns() {
    const parquet::arrow::SchemaManifest& manifest = file->manifest();
    std::vector<std::pair<std::size_t, int>> found;  // column of the file, column of the schema
    std::vector<std::string_view> names;
    for (const auto& field : manifest.schema_fields) names.push_back(field.field->name());
    sources.assign(static_cast<std::size_t>(schema->num_fields()), -1);
    for (int i = 0; i < schema->num_fields(); ++i) {
      const arrow::Field& wanted = *schema->field(i);
      const auto at = std::find(names.begin(), names.end(), wanted.name());
      if (at == names.end()) {
        if (wanted.nullable()) continue;
        return Mismatch(wanted, fmt::format("the file does not have it{}", DidYouMean(wanted.name(), names)),
                        fmt::format("The file has {}. A column that may be absent is declared with \"| None\".", fmt::join(names, ", ")));
      }
      const auto index = static_cast<std::size_t>(at - names.begin());
      const Status goes = GoesInto(*manifest.schema_fields[index].field->type(), wanted);
      if (!goes.ok()) return Mismatch(wanted, goes.message(), "Declare the column as the file has it, and cast it with select().");
      found.emplace_back(index, i);
    }
    // Batches have the wanted columns in the file's order.
    std::sort(found.begin(), found.end());
    std::vector<int> leaves;
    for (std::size_t k = 0; k < found.size(); ++k) {
      sources[static_cast<std::size_t>(found[k].second)] = static_cast<int>(k);
      Leaves(manifest.schema_fields[found[k].first], &leaves);
    }
    return leaves;
  }

  Status Start(std::int64_t begin, std::int64_t end) {
    HR_RETURN_NOT_OK(OpenFile());
    HR_ASSIGN_OR_RAISE(const std::vector<int> leaves, MatchColumns());
    const auto metadata = file->parquet_reader()->metadata();
    std::vector<int> groups;
    std::int64_t rows = 0, bytes = 0;
    for (int i = 0; i < metadata->num_row_groups(); ++i) {
      const auto group = metadata->RowGroup(i);
      if (group->num_columns() == 0 || group->num_rows() == 0) continue;
      const std::int64_t start = DataStart(*group);
      if (end >= 0 && start >= end) continue;
      if (start < begin) {
        row += group->num_rows();
        continue;
      }
      if (groups.empty() && skip >= group->num_rows()) {
        skip -= group->num_rows();
        row += group->num_rows();
        continue;
      }
      groups.push_back(i);
      rows += group->num_rows();
      bytes += group->total_byte_size();
    }
    if (groups.empty()) return Status::OK();
    const std::int64_t row_bytes = std::max<std::int64_t>(1, bytes / std::max<std::int64_t>(1, rows));
    file->set_batch_size(std::clamp<std::int64_t>(kBatchBytes / row_bytes, 16, kBatchRows));
    HR_ASSIGN_OR_RAISE(batches, file->GetRecordBatchReader(groups, leaves));
    return Status::OK();
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Convert(const arrow::RecordBatch& read) {
    std::vector<std::shared_ptr<arrow::ArrayData>> columns;
    for (int i = 0; i < schema->num_fields(); ++i) {
      const arrow::Field& wanted = *schema->field(i);
      const int source = sources[static_cast<std::size_t>(i)];
      if (source < 0) {
        HR_ASSIGN_OR_RAISE(const auto nulls, arrow::MakeArrayOfNull(wanted.type(), read.num_rows()));
        columns.push_back(nulls->data());
        continue;
      }
      auto column = ColumnAs(read.column(source), wanted, row);
      if (!column.ok()) return Mismatch(wanted, column.status().message(), "Declare the column as the file has it, or correct the file.");
      columns.push_back(*std::move(column));
    }
    row += read.num_rows();
    return arrow::RecordBatch::Make(schema, read.num_rows(), std::move(columns));
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Next() {
    while (batches != nullptr) {
      std::shared_ptr<arrow::RecordBatch> read;
      HR_RETURN_NOT_OK(batches->ReadNext(&read));
      if (read == nullptr) break;
      const std::int64_t over = std::min(std::exchange(skip, std::max<std::int64_t>(0, skip - read->num_rows())), read->num_rows());
      row += over;
      if (over < read->num_rows()) return Convert(*read->Slice(over));
    }
    return nullptr;
  }
};

ParquetRows::ParquetRows(std::unique_ptr<State> state) : state_(std::move(state)) {}
ParquetRows::~ParquetRows() = default;

Result<std::unique_ptr<ParquetRows>> ParquetRows::Open(const std::string& path, std::int64_t begin, std::int64_t end, std::int64_t skip,
                                                       std::shared_ptr<arrow::Schema> schema) {
  return Open(nullptr, path, begin, end, skip, std::move(schema));
}

Result<std::unique_ptr<ParquetRows>> ParquetRows::Open(std::shared_ptr<arrow::io::RandomAccessFile> file, const std::string& path,
                                                       std::int64_t begin, std::int64_t end, std::int64_t skip,
                                                       std::shared_ptr<arrow::Schema> schema) {
  auto state = std::make_unique<State>();
  state->bytes = std::move(file);
  state->path = path;
  state->schema = std::move(schema);
  state->skip = skip;
  HR_RETURN_NOT_OK(Guarded(path, [&] { return state->Start(begin, end); }));
  return std::unique_ptr<ParquetRows>(new ParquetRows(std::move(state)));
}

Result<std::shared_ptr<arrow::RecordBatch>> ParquetRows::Next() {
  return Guarded(state_->path, [&] { return state_->Next(); });
}

}  // namespace headrace::data::format
