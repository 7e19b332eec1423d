#include "data/connector/postgres/postgres_values.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

namespace headrace::data::connector {
namespace {

using Value = std::optional<std::string>;
// PostgreSQL counts from 2000-01-01.
constexpr std::int64_t kEpochDays = 10'957, kEpochMicros = kEpochDays * 86'400'000'000;

template <typename Integer>
std::string BigEndian(Integer value) {
  std::string bytes;
  for (int shift = static_cast<int>(sizeof(value)) * 8 - 8; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

template <typename Integer>
Result<Integer> Number(const std::string& bytes) {
  if (bytes.size() != sizeof(Integer)) return Status::Invalid(bytes.size(), " bytes for a number of ", sizeof(Integer));
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return static_cast<Integer>(value);
}

/// A time as microseconds, or nothing when it is between two of them.
std::optional<std::int64_t> Micros(std::int64_t value, arrow::TimeUnit::type unit) {
  std::int64_t micros = value;
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return __builtin_mul_overflow(value, std::int64_t{1'000'000}, &micros) ? std::nullopt : std::optional(micros);
    case arrow::TimeUnit::MILLI:
      return __builtin_mul_overflow(value, std::int64_t{1'000}, &micros) ? std::nullopt : std::optional(micros);
    case arrow::TimeUnit::MICRO:
      return micros;
    case arrow::TimeUnit::NANO:
      return value % 1'000 == 0 ? std::optional(value / 1'000) : std::nullopt;
  }
  return std::nullopt;
}

/// Microseconds in a column's unit, rounded down.
Result<std::int64_t> FromMicros(std::int64_t micros, arrow::TimeUnit::type unit) {
  const auto floor = [micros](std::int64_t by) { return micros / by - (micros % by < 0 ? 1 : 0); };
  std::int64_t nanos = 0;
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return floor(1'000'000);
    case arrow::TimeUnit::MILLI:
      return floor(1'000);
    case arrow::TimeUnit::MICRO:
      return micros;
    case arrow::TimeUnit::NANO:
      if (__builtin_mul_overflow(micros, std::int64_t{1'000}, &nanos)) return Status::Invalid("a time beyond the years of nanoseconds");
      return nanos;
  }
  return micros;
}

arrow::TimeUnit::type UnitOf(const arrow::DataType& type) {
  return type.id() == arrow::Type::TIME64 ? static_cast<const arrow::Time64Type&>(type).unit()
                                          : static_cast<const arrow::TimestampType&>(type).unit();
}

template <typename ArrowType>
Value EncodeInt(const arrow::Array& array, std::int64_t row) {
  const auto value = static_cast<const arrow::NumericArray<ArrowType>&>(array).Value(row);
  if (!std::in_range<std::int64_t>(value)) return std::nullopt;  // no int8 equals it
  return BigEndian(static_cast<std::uint64_t>(static_cast<std::int64_t>(value)));
}

Value EncodeTime(const arrow::Array& array, std::int64_t row) {
  const std::int64_t raw = array.data()->GetValues<std::int64_t>(1)[row];
  std::optional<std::int64_t> micros = Micros(raw, UnitOf(*array.type()));
  if (array.type_id() == arrow::Type::TIMESTAMP && micros) {
    std::int64_t shifted = 0;
    micros = __builtin_sub_overflow(*micros, kEpochMicros, &shifted) ? std::nullopt : std::optional(shifted);
  }
  return micros ? Value(BigEndian(static_cast<std::uint64_t>(*micros))) : std::nullopt;
}

Value EncodeOne(const arrow::Array& array, std::int64_t row) {
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return std::string(1, static_cast<const arrow::BooleanArray&>(array).Value(row) ? '\1' : '\0');
    case arrow::Type::INT8:
      return EncodeInt<arrow::Int8Type>(array, row);
    case arrow::Type::INT16:
      return EncodeInt<arrow::Int16Type>(array, row);
    case arrow::Type::INT32:
      return EncodeInt<arrow::Int32Type>(array, row);
    case arrow::Type::INT64:
      return EncodeInt<arrow::Int64Type>(array, row);
    case arrow::Type::UINT8:
      return EncodeInt<arrow::UInt8Type>(array, row);
    case arrow::Type::UINT16:
      return EncodeInt<arrow::UInt16Type>(array, row);
    case arrow::Type::UINT32:
      return EncodeInt<arrow::UInt32Type>(array, row);
    case arrow::Type::UINT64:
      return EncodeInt<arrow::UInt64Type>(array, row);
    case arrow::Type::FLOAT:
      return BigEndian(std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<const arrow::FloatArray&>(array).Value(row))));
    case arrow::Type::DOUBLE:
      return BigEndian(std::bit_cast<std::uint64_t>(static_cast<const arrow::DoubleArray&>(array).Value(row)));
    case arrow::Type::DATE32:
      return BigEndian(static_cast<std::uint32_t>(static_cast<const arrow::Date32Array&>(array).Value(row) - kEpochDays));
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
      return EncodeTime(array, row);
    case arrow::Type::DECIMAL128:
      return static_cast<const arrow::Decimal128Array&>(array).FormatValue(row);
    case arrow::Type::BINARY:
      return std::string(static_cast<const arrow::BinaryArray&>(array).GetView(row));
    default: {
      const std::string_view text = static_cast<const arrow::BinaryArray&>(array).GetView(row);
      return text.find('\0') == std::string_view::npos ? Value(std::string(text)) : std::nullopt;
    }
  }
}

template <typename ArrowType>
Status AppendInt(std::int64_t value, arrow::ArrayBuilder* builder) {
  using Native = typename ArrowType::c_type;
  if (!std::in_range<Native>(value)) return Status::Invalid(value, " does not fit");
  return static_cast<arrow::NumericBuilder<ArrowType>*>(builder)->Append(static_cast<Native>(value));
}

Status AppendUInt64(const std::string& text, arrow::ArrayBuilder* builder) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return Status::Invalid(text.substr(0, 40), " does not fit");
  return static_cast<arrow::UInt64Builder*>(builder)->Append(value);
}

Status AppendDecimal(const std::string& text, const arrow::DataType& type, arrow::ArrayBuilder* builder) {
  const auto& decimal = static_cast<const arrow::Decimal128Type&>(type);
  arrow::Decimal128 value;
  std::int32_t precision = 0, scale = 0;
  HR_RETURN_NOT_OK(arrow::Decimal128::FromString(text, &value, &precision, &scale));
  if (scale != decimal.scale()) {
    HR_ASSIGN_OR_RAISE(value, value.Rescale(scale, decimal.scale()));
  }
  if (!value.FitsInPrecision(decimal.precision())) return Status::Invalid(text.substr(0, 60), " does not fit");
  return static_cast<arrow::Decimal128Builder*>(builder)->Append(value);
}

Status AppendTime(const std::string& bytes, const arrow::DataType& type, arrow::ArrayBuilder* builder) {
  HR_ASSIGN_OR_RAISE(std::int64_t micros, Number<std::int64_t>(bytes));
  if (type.id() == arrow::Type::TIME64) {
    HR_ASSIGN_OR_RAISE(const std::int64_t value, FromMicros(micros, UnitOf(type)));
    return static_cast<arrow::Time64Builder*>(builder)->Append(value);
  }
  const bool infinite = micros == std::numeric_limits<std::int64_t>::max() || micros == std::numeric_limits<std::int64_t>::min();
  if (infinite || __builtin_add_overflow(micros, kEpochMicros, &micros)) return Status::Invalid("an infinite timestamp does not fit");
  HR_ASSIGN_OR_RAISE(const std::int64_t value, FromMicros(micros, UnitOf(type)));
  return static_cast<arrow::TimestampBuilder*>(builder)->Append(value);
}

Status AppendDate(const std::string& bytes, arrow::ArrayBuilder* builder) {
  HR_ASSIGN_OR_RAISE(const std::int32_t days, Number<std::int32_t>(bytes));
  if (days == std::numeric_limits<std::int32_t>::max() || days == std::numeric_limits<std::int32_t>::min())
    return Status::Invalid("an infinite date does not fit");
  return static_cast<arrow::Date32Builder*>(builder)->Append(days + static_cast<std::int32_t>(kEpochDays));
}

Status AppendIntOf(arrow::Type::type id, std::int64_t value, arrow::ArrayBuilder* builder) {
  switch (id) {
    case arrow::Type::INT8:
      return AppendInt<arrow::Int8Type>(value, builder);
    case arrow::Type::INT16:
      return AppendInt<arrow::Int16Type>(value, builder);
    case arrow::Type::INT32:
      return AppendInt<arrow::Int32Type>(value, builder);
    case arrow::Type::UINT8:
      return AppendInt<arrow::UInt8Type>(value, builder);
    case arrow::Type::UINT16:
      return AppendInt<arrow::UInt16Type>(value, builder);
    case arrow::Type::UINT32:
      return AppendInt<arrow::UInt32Type>(value, builder);
    default:
      return AppendInt<arrow::Int64Type>(value, builder);
  }
}

Status AppendOne(const std::string& bytes, const arrow::DataType& type, arrow::ArrayBuilder* builder) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      if (bytes.size() != 1) return Status::Invalid("no bool");
      return static_cast<arrow::BooleanBuilder*>(builder)->Append(bytes[0] != 0);
    case arrow::Type::UINT64:
      return AppendUInt64(bytes, builder);
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE: {
      HR_ASSIGN_OR_RAISE(const auto bits, Number<std::uint64_t>(bytes));
      const double value = std::bit_cast<double>(bits);
      return type.id() == arrow::Type::DOUBLE ? static_cast<arrow::DoubleBuilder*>(builder)->Append(value)
                                              : static_cast<arrow::FloatBuilder*>(builder)->Append(static_cast<float>(value));
    }
    case arrow::Type::DATE32:
      return AppendDate(bytes, builder);
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
      return AppendTime(bytes, type, builder);
    case arrow::Type::DECIMAL128:
      return AppendDecimal(bytes, type, builder);
    case arrow::Type::BINARY:
    case arrow::Type::STRING:
      return static_cast<arrow::BinaryBuilder*>(builder)->Append(bytes);
    default: {
      HR_ASSIGN_OR_RAISE(const auto value, Number<std::int64_t>(bytes));
      return AppendIntOf(type.id(), value, builder);
    }
  }
}

struct Names {
  std::uint32_t array, element;
  const char* column;
};

/// The type of PostgreSQL that a column travels as; array 0 = none.
Names NamesOf(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return {1000, 16, "bool"};
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
      return {1016, 20, "int8"};
    case arrow::Type::UINT64:
      return {1016, 20, "text"};
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
      return {1022, 701, "float8"};
    case arrow::Type::STRING:
      return {1009, 25, "text"};
    case arrow::Type::BINARY:
      return {1001, 17, "bytea"};
    case arrow::Type::DATE32:
      return {1182, 1082, "date"};
    case arrow::Type::TIME64:
      return {1183, 1083, "time"};
    case arrow::Type::TIMESTAMP:
      if (static_cast<const arrow::TimestampType&>(type).timezone().empty()) return {1115, 1114, "timestamp"};
      return {1185, 1184, "timestamptz"};
    case arrow::Type::DECIMAL128:
      return {1009, 25, "text"};
    default:
      return {0, 0, ""};
  }
}

}  // namespace

Result<PostgresColumn> PostgresColumn::Make(const std::shared_ptr<arrow::DataType>& type) {
  const Names names = NamesOf(*type);
  if (names.array == 0) return Status::NotImplemented("PostgreSQL has no form for ", type->ToString());
  PostgresColumn made;
  made.type_ = type;
  made.array_oid_ = names.array;
  made.element_oid_ = names.element;
  if (type->id() == arrow::Type::DECIMAL128) {
    const auto& decimal = static_cast<const arrow::Decimal128Type&>(*type);
    made.element_cast_ = "::numeric";
    made.column_cast_ = fmt::format("::numeric({},{})::text", decimal.precision(), decimal.scale());
  } else {
    made.column_cast_ = fmt::format("::{}", names.column);
  }
  return made;
}

std::vector<Value> PostgresColumn::Encode(const arrow::ArrayData& column) const {
  const auto array = arrow::MakeArray(column.Copy());
  std::vector<Value> values;
  values.reserve(static_cast<std::size_t>(array->length()));
  for (std::int64_t row = 0; row < array->length(); ++row) values.push_back(array->IsNull(row) ? std::nullopt : EncodeOne(*array, row));
  return values;
}

Result<std::shared_ptr<arrow::Array>> PostgresColumn::Decode(const postgres::Rows& rows, std::size_t column) const {
  HR_ASSIGN_OR_RAISE(const auto builder, arrow::MakeBuilder(type_));
  HR_RETURN_NOT_OK(builder->Reserve(static_cast<std::int64_t>(rows.size())));
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto& cell = rows.Cell(row, column);
    const Status status = cell ? AppendOne(*cell, *type_, builder.get()) : builder->AppendNull();
    if (!status.ok()) return Error(ErrorCode::kBadRecord, status.message());
  }
  return builder->Finish();
}

}  // namespace headrace::data::connector
