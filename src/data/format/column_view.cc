#include "data/format/column_view.h"

#include <arrow/array/array_decimal.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <fmt/format.h>

#include <array>
#include <iterator>

#include "columnar/value_text.h"

namespace headrace::data::format {
namespace {

std::int64_t TicksPerSecond(arrow::TimeUnit::type unit) {
  constexpr std::array<std::int64_t, 4> kTicks = {1, 1000, 1'000'000, 1'000'000'000};
  return kTicks[static_cast<std::size_t>(unit)];
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

void AppendTimestamp(const ColumnView& column, std::int64_t ticks, std::string* out) {
  const std::int64_t seconds = FloorDiv(ticks, column.ticks_per_second);
  const std::int64_t fraction = ticks - seconds * column.ticks_per_second;
  const std::int64_t days = FloorDiv(seconds, 86'400);
  AppendDate(days, out);
  out->push_back('T');
  AppendClock((seconds - days * 86'400) * 1'000'000'000 + fraction * (1'000'000'000 / column.ticks_per_second), out);
  if (column.utc) out->append("+00:00");
}

/// ISO 8601 in seconds, as for Python's timedelta.
void AppendDuration(const ColumnView& column, std::int64_t ticks, std::string* out) {
  const bool negative = ticks < 0;
  const std::uint64_t size = negative ? 0 - static_cast<std::uint64_t>(ticks) : static_cast<std::uint64_t>(ticks);
  const auto per_second = static_cast<std::uint64_t>(column.ticks_per_second);
  fmt::format_to(std::back_inserter(*out), "{}PT{}", negative ? "-" : "", size / per_second);
  if (size % per_second != 0) {
    fmt::format_to(std::back_inserter(*out), ".{:09}", size % per_second * (1'000'000'000 / per_second));
    while (out->back() == '0') out->pop_back();
  }
  out->push_back('S');
}

}  // namespace

ColumnView ColumnView::Of(const arrow::Array& array) {
  ColumnView column;
  column.type = array.type_id();
  column.array = &array;
  column.validity = array.null_count() > 0 ? array.null_bitmap_data() : nullptr;
  column.offset = array.offset();
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
    case arrow::Type::LIST:
      column.values = data.GetValues<std::int32_t>(1);
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

std::int64_t ColumnView::Whole(std::int64_t row) const {
  switch (type) {
    case arrow::Type::INT8:
      return At<std::int8_t>(row);
    case arrow::Type::INT16:
      return At<std::int16_t>(row);
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
      return At<std::int32_t>(row);
    case arrow::Type::UINT8:
      return At<std::uint8_t>(row);
    case arrow::Type::UINT16:
      return At<std::uint16_t>(row);
    case arrow::Type::UINT32:
      return At<std::uint32_t>(row);
    default:
      return At<std::int64_t>(row);
  }
}

void AppendScalarText(const ColumnView& column, std::int64_t row, std::string* out) {
  switch (column.type) {
    case arrow::Type::DECIMAL128:
      out->append(static_cast<const arrow::Decimal128Array*>(column.array)->FormatValue(row));
      break;
    case arrow::Type::DATE32:
      AppendDate(column.At<std::int32_t>(row), out);
      break;
    case arrow::Type::TIME64:
      AppendClock(column.At<std::int64_t>(row) * (1'000'000'000 / column.ticks_per_second), out);
      break;
    case arrow::Type::TIMESTAMP:
      AppendTimestamp(column, column.At<std::int64_t>(row), out);
      break;
    default:
      AppendDuration(column, column.At<std::int64_t>(row), out);
      break;
  }
}

}  // namespace headrace::data::format
