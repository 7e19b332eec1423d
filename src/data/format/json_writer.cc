#include "data/format/json_writer.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/bit_util.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

#include "columnar/data_batch.h"
#include "columnar/row_kind.h"
#include "columnar/value_encoding.h"
#include "columnar/value_text.h"
#include "data/format/column_view.h"

namespace headrace::data::format {

struct JsonRowWriter::Column : ColumnView {
  std::string prefix;  ///< `,"name":`, without the comma in front for the first
  TimestampText timestamps = TimestampText::kIso;
  std::vector<Column> children;
};

namespace {

using Column = JsonRowWriter::Column;

Column ColumnOf(const arrow::Array& array, TimestampText timestamps) {
  Column column;
  static_cast<ColumnView&>(column) = ColumnView::Of(array);
  column.timestamps = timestamps;
  if (column.type == arrow::Type::LIST)
    column.children.push_back(ColumnOf(*static_cast<const arrow::ListArray&>(array).values(), timestamps));
  if (column.type != arrow::Type::STRUCT) return column;
  for (int i = 0; i < array.num_fields(); ++i) {
    Column child = ColumnOf(*static_cast<const arrow::StructArray&>(array).field(i), timestamps);
    child.prefix = i == 0 ? "" : ",";
    columnar::AppendJsonString(array.type()->field(i)->name(), &child.prefix);
    child.prefix += ':';
    column.children.push_back(std::move(child));
  }
  return column;
}

template <typename T>
void AppendNumber(T value, std::string* out) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out->append(digits, static_cast<std::size_t>(end - digits));
}

void AppendFloat(double value, std::string* out) {
  if (std::isfinite(value))
    columnar::AppendShortestFloat(value, out);
  else
    out->append("null");
}

/// The shortest digits that read back as the same float32.
void AppendFloat(float value, std::string* out) {
  if (!std::isfinite(value)) {
    out->append("null");
    return;
  }
  const std::size_t start = out->size();
  AppendNumber(value, out);
  if (out->find_first_of(".e", start) == std::string::npos) out->append(".0");
}

void AppendTimestamp(const Column& column, std::int64_t row, std::string* out) {
  if (column.timestamps == TimestampText::kMilliseconds) {
    const std::int64_t ticks = column.At<std::int64_t>(row);
    AppendNumber(column.ticks_per_second == 1 ? ticks * 1000 : FloorDiv(ticks, column.ticks_per_second / 1000), out);
    return;
  }
  out->push_back('"');
  AppendScalarText(column, row, out);
  out->push_back('"');
}

void AppendBinary(std::string_view bytes, std::string* out) {
  out->push_back('"');
  columnar::AppendBase64(bytes, out);
  out->push_back('"');
}

Status AppendColumn(const Column& column, std::int64_t row, std::string* out);

Status AppendStruct(const Column& column, std::int64_t row, std::string* out) {
  out->push_back('{');
  for (const Column& child : column.children) {
    out->append(child.prefix);
    HR_RETURN_NOT_OK(AppendColumn(child, row, out));
  }
  out->push_back('}');
  return Status::OK();
}

Status AppendList(const Column& column, std::int64_t row, std::string* out) {
  out->push_back('[');
  const std::int32_t start = column.At<std::int32_t>(row), end = column.At<std::int32_t>(row + 1);
  for (std::int32_t i = start; i < end; ++i) {
    if (i > start) out->push_back(',');
    HR_RETURN_NOT_OK(AppendColumn(column.children[0], i, out));
  }
  out->push_back(']');
  return Status::OK();
}

Status AppendColumn(const Column& column, std::int64_t row, std::string* out) {
  if (column.IsNull(row)) {
    out->append("null");
    return Status::OK();
  }
  switch (column.type) {
    case arrow::Type::BOOL:
      out->append(column.Bool(row) ? "true" : "false");
      break;
    case arrow::Type::INT8:
      AppendNumber(static_cast<int>(column.At<std::int8_t>(row)), out);
      break;
    case arrow::Type::INT16:
      AppendNumber(column.At<std::int16_t>(row), out);
      break;
    case arrow::Type::INT32:
      AppendNumber(column.At<std::int32_t>(row), out);
      break;
    case arrow::Type::INT64:
      AppendNumber(column.At<std::int64_t>(row), out);
      break;
    case arrow::Type::UINT8:
      AppendNumber(static_cast<int>(column.At<std::uint8_t>(row)), out);
      break;
    case arrow::Type::UINT16:
      AppendNumber(column.At<std::uint16_t>(row), out);
      break;
    case arrow::Type::UINT32:
      AppendNumber(column.At<std::uint32_t>(row), out);
      break;
    case arrow::Type::UINT64:
      AppendNumber(column.At<std::uint64_t>(row), out);
      break;
    case arrow::Type::FLOAT:
      AppendFloat(column.At<float>(row), out);
      break;
    case arrow::Type::DOUBLE:
      AppendFloat(column.At<double>(row), out);
      break;
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
      columnar::AppendJsonString(column.Bytes(row), out);
      break;
    case arrow::Type::BINARY:
      AppendBinary(column.Bytes(row), out);
      break;
    case arrow::Type::LARGE_BINARY:
      return columnar::AppendJson(column.Bytes(row), out);
    case arrow::Type::TIMESTAMP:
      AppendTimestamp(column, row, out);
      break;
    case arrow::Type::DECIMAL128:
    case arrow::Type::DATE32:
    case arrow::Type::TIME64:
    case arrow::Type::DURATION:
      out->push_back('"');
      AppendScalarText(column, row, out);
      out->push_back('"');
      break;
    case arrow::Type::LIST:
      return AppendList(column, row, out);
    case arrow::Type::STRUCT:
      return AppendStruct(column, row, out);
    default:
      return Status::NotImplemented("JSON of a ", column.array->type()->ToString());
  }
  return Status::OK();
}

}  // namespace

JsonRowWriter::JsonRowWriter() = default;
JsonRowWriter::JsonRowWriter(JsonRowWriter&&) noexcept = default;
JsonRowWriter& JsonRowWriter::operator=(JsonRowWriter&&) noexcept = default;
JsonRowWriter::~JsonRowWriter() = default;

Result<JsonRowWriter> JsonRowWriter::Make(std::shared_ptr<arrow::RecordBatch> batch, TimestampText timestamps) {
  JsonRowWriter made;
  for (int i = 0; i < batch->num_columns(); ++i) {
    const std::string& name = batch->schema()->field(i)->name();
    if (name == columnar::kRowKindColumn) made.kinds_ = batch->column_data(i)->GetValues<std::uint8_t>(1);
    if (name.starts_with("__")) continue;
    Column column = ColumnOf(*batch->column(i), timestamps);
    column.prefix = made.columns_.empty() ? "" : ",";
    columnar::AppendJsonString(name, &column.prefix);
    column.prefix += ':';
    made.columns_.push_back(std::move(column));
  }
  made.batch_ = std::move(batch);
  return made;
}

Status JsonRowWriter::Append(std::int64_t row, std::string* out) const {
  out->push_back('{');
  for (const Column& column : columns_) {
    out->append(column.prefix);
    HR_RETURN_NOT_OK(AppendColumn(column, row, out));
  }
  if (kinds_ != nullptr) {
    out->append(columns_.empty() ? "\"__row_kind\":\"" : ",\"__row_kind\":\"");
    out->append(columnar::NameOf(static_cast<columnar::RowKind>(kinds_[row])));
    out->push_back('"');
  }
  out->push_back('}');
  return Status::OK();
}

Status JsonRowWriter::AppendValue(std::size_t column, std::int64_t row, std::string* out) const {
  return AppendColumn(columns_[column], row, out);
}

}  // namespace headrace::data::format
