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

namespace headrace::data::format {

/// A column with the places of its values.
struct JsonRowWriter::Column {
  std::string prefix;  ///< `,"name":`, without the comma in front for the first
  arrow::Type::type type = arrow::Type::NA;
  const arrow::Array* array = nullptr;
  const std::uint8_t* validity = nullptr;  ///< null: no nulls
  std::int64_t offset = 0;
  const void* values = nullptr;  ///< of fixed width, or offsets; moved by `offset`, but for bits
  const char* bytes = nullptr;   ///< what offsets point into
  std::int64_t ticks_per_second = 0;
  bool utc = false;
  TimestampText timestamps = TimestampText::kIso;
  std::vector<Column> children;

  template <typename T>
  T At(std::int64_t row) const {
    return static_cast<const T*>(values)[row];
  }
};

namespace {

using Column = JsonRowWriter::Column;

std::int64_t TicksPerSecond(arrow::TimeUnit::type unit) {
  constexpr std::array<std::int64_t, 4> kTicks = {1, 1000, 1'000'000, 1'000'000'000};
  return kTicks[static_cast<std::size_t>(unit)];
}

Result<Column> ColumnOf(const arrow::Array& array, TimestampText timestamps) {
  Column column;
  column.type = array.type_id();
  column.array = &array;
  column.validity = array.null_count() > 0 ? array.null_bitmap_data() : nullptr;
  column.offset = array.offset();
  column.timestamps = timestamps;
  const arrow::ArrayData& data = *array.data();
  switch (column.type) {
    case arrow::Type::BOOL:
      column.values = data.buffers[1] == nullptr ? nullptr : data.buffers[1]->data();
      break;
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY: {
      const bool large = column.type == arrow::Type::LARGE_STRING || column.type == arrow::Type::LARGE_BINARY;
      column.values = large ? static_cast<const void*>(data.GetValues<std::int64_t>(1)) : data.GetValues<std::int32_t>(1);
      column.bytes = data.buffers[2] == nullptr ? "" : reinterpret_cast<const char*>(data.buffers[2]->data());
      break;
    }
    case arrow::Type::LIST: {
      column.values = data.GetValues<std::int32_t>(1);
      HR_ASSIGN_OR_RAISE(Column items, ColumnOf(*static_cast<const arrow::ListArray&>(array).values(), timestamps));
      column.children.push_back(std::move(items));
      break;
    }
    case arrow::Type::STRUCT:
      for (int i = 0; i < array.num_fields(); ++i) {
        HR_ASSIGN_OR_RAISE(Column child, ColumnOf(*static_cast<const arrow::StructArray&>(array).field(i), timestamps));
        child.prefix = i == 0 ? "" : ",";
        columnar::AppendJsonString(array.type()->field(i)->name(), &child.prefix);
        child.prefix += ':';
        column.children.push_back(std::move(child));
      }
      break;
    case arrow::Type::TIMESTAMP:
      column.ticks_per_second = TicksPerSecond(static_cast<const arrow::TimestampType&>(*array.type()).unit());
      column.utc = !static_cast<const arrow::TimestampType&>(*array.type()).timezone().empty();
      break;
    case arrow::Type::DURATION:
      column.ticks_per_second = TicksPerSecond(static_cast<const arrow::DurationType&>(*array.type()).unit());
      break;
    case arrow::Type::TIME64:
      column.ticks_per_second = TicksPerSecond(static_cast<const arrow::Time64Type&>(*array.type()).unit());
      break;
    default:
      break;
  }
  if (column.values == nullptr && arrow::is_fixed_width(column.type)) {
    const int width = array.type()->bit_width() / 8;
    column.values = data.buffers[1] == nullptr ? nullptr : data.buffers[1]->data() + array.offset() * width;
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

void TwoDigits(int value, char* out) {
  out[0] = static_cast<char>('0' + value / 10);
  out[1] = static_cast<char>('0' + value % 10);
}

void AppendDate(std::int64_t days, std::string* out) {
  const columnar::CivilDate date = columnar::CivilFromDays(days);
  if (date.year < 0 || date.year > 9999) {
    fmt::format_to(std::back_inserter(*out), "{:04}-{:02}-{:02}", date.year, date.month, date.day);
    return;
  }
  char text[10];
  TwoDigits(static_cast<int>(date.year / 100), text);
  TwoDigits(static_cast<int>(date.year % 100), text + 2);
  text[4] = text[7] = '-';
  TwoDigits(static_cast<int>(date.month), text + 5);
  TwoDigits(static_cast<int>(date.day), text + 8);
  out->append(text, sizeof text);
}

/// hh:mm:ss, and the fraction with 3, 6 or 9 digits when there is one.
void AppendClock(std::int64_t nanos_of_day, std::string* out) {
  const std::int64_t seconds = nanos_of_day / 1'000'000'000;
  std::int64_t fraction = nanos_of_day % 1'000'000'000;
  char text[8];
  TwoDigits(static_cast<int>(seconds / 3600), text);
  TwoDigits(static_cast<int>(seconds / 60 % 60), text + 3);
  TwoDigits(static_cast<int>(seconds % 60), text + 6);
  text[2] = text[5] = ':';
  out->append(text, sizeof text);
  if (fraction == 0) return;
  int digits = 9;
  while (fraction % 1000 == 0) {
    fraction /= 1000;
    digits -= 3;
  }
  out->push_back('.');
  char places[9];
  for (int i = digits; i-- > 0; fraction /= 10) places[i] = static_cast<char>('0' + fraction % 10);
  out->append(places, static_cast<std::size_t>(digits));
}

std::int64_t FloorDiv(std::int64_t value, std::int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

void AppendTimestamp(const Column& column, std::int64_t ticks, std::string* out) {
  if (column.timestamps == TimestampText::kMilliseconds) {
    AppendNumber(column.ticks_per_second == 1 ? ticks * 1000 : FloorDiv(ticks, column.ticks_per_second / 1000), out);
    return;
  }
  const std::int64_t seconds = FloorDiv(ticks, column.ticks_per_second);
  const std::int64_t fraction = ticks - seconds * column.ticks_per_second;
  const std::int64_t days = FloorDiv(seconds, 86'400);
  out->push_back('"');
  AppendDate(days, out);
  out->push_back('T');
  AppendClock((seconds - days * 86'400) * 1'000'000'000 + fraction * (1'000'000'000 / column.ticks_per_second), out);
  out->append(column.utc ? "+00:00\"" : "\"");
}

/// ISO 8601 in seconds, as for Python's timedelta.
void AppendDuration(const Column& column, std::int64_t ticks, std::string* out) {
  const bool negative = ticks < 0;
  const std::uint64_t size = negative ? 0 - static_cast<std::uint64_t>(ticks) : static_cast<std::uint64_t>(ticks);
  const auto per_second = static_cast<std::uint64_t>(column.ticks_per_second);
  fmt::format_to(std::back_inserter(*out), "\"{}PT{}", negative ? "-" : "", size / per_second);
  if (size % per_second != 0) {
    fmt::format_to(std::back_inserter(*out), ".{:09}", size % per_second * (1'000'000'000 / per_second));
    while (out->back() == '0') out->pop_back();
  }
  out->append("S\"");
}

template <typename Offset>
std::string_view BytesAt(const Column& column, std::int64_t row) {
  const auto* offsets = static_cast<const Offset*>(column.values);
  return {column.bytes + offsets[row], static_cast<std::size_t>(offsets[row + 1] - offsets[row])};
}

void AppendBinary(std::string_view bytes, std::string* out) {
  out->push_back('"');
  columnar::AppendBase64(bytes, out);
  out->push_back('"');
}

bool IsNull(const Column& column, std::int64_t row) {
  return column.validity != nullptr && !arrow::bit_util::GetBit(column.validity, column.offset + row);
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
  if (IsNull(column, row)) {
    out->append("null");
    return Status::OK();
  }
  switch (column.type) {
    case arrow::Type::BOOL:
      out->append(arrow::bit_util::GetBit(static_cast<const std::uint8_t*>(column.values), column.offset + row) ? "true" : "false");
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
      columnar::AppendJsonString(BytesAt<std::int32_t>(column, row), out);
      break;
    case arrow::Type::LARGE_STRING:
      columnar::AppendJsonString(BytesAt<std::int64_t>(column, row), out);
      break;
    case arrow::Type::BINARY:
      AppendBinary(BytesAt<std::int32_t>(column, row), out);
      break;
    case arrow::Type::LARGE_BINARY:
      return columnar::AppendJson(BytesAt<std::int64_t>(column, row), out);
    case arrow::Type::DECIMAL128:
      out->push_back('"');
      out->append(static_cast<const arrow::Decimal128Array*>(column.array)->FormatValue(row));
      out->push_back('"');
      break;
    case arrow::Type::DATE32:
      out->push_back('"');
      AppendDate(column.At<std::int32_t>(row), out);
      out->push_back('"');
      break;
    case arrow::Type::TIME64:
      out->push_back('"');
      AppendClock(column.At<std::int64_t>(row) * (1'000'000'000 / column.ticks_per_second), out);
      out->push_back('"');
      break;
    case arrow::Type::TIMESTAMP:
      AppendTimestamp(column, column.At<std::int64_t>(row), out);
      break;
    case arrow::Type::DURATION:
      AppendDuration(column, column.At<std::int64_t>(row), out);
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
    HR_ASSIGN_OR_RAISE(Column column, ColumnOf(*batch->column(i), timestamps));
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
