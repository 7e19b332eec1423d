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

#include "base/utf8.h"
#include "columnar/decimal_text.h"

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

template <typename ArrowType>
Value EncodeFloat(const arrow::Array& array, std::int64_t row) {
  return BigEndian(std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<const arrow::NumericArray<ArrowType>&>(array).Value(row))));
}

Value EncodeBool(const arrow::Array& array, std::int64_t row) {
  return std::string(1, static_cast<const arrow::BooleanArray&>(array).Value(row) ? '\1' : '\0');
}

Value EncodeDate(const arrow::Array& array, std::int64_t row) {
  return BigEndian(static_cast<std::uint32_t>(static_cast<const arrow::Date32Array&>(array).Value(row) - kEpochDays));
}

Value EncodeDecimal(const arrow::Array& array, std::int64_t row) {
  return static_cast<const arrow::Decimal128Array&>(array).FormatValue(row);
}

template <typename Array>
Value EncodeBinary(const arrow::Array& array, std::int64_t row) {
  return std::string(static_cast<const Array&>(array).GetView(row));
}

template <typename Array>
Value EncodeText(const arrow::Array& array, std::int64_t row) {
  const std::string_view text = static_cast<const Array&>(array).GetView(row);
  return text.find('\0') == std::string_view::npos ? Value(std::string(text)) : std::nullopt;
}

template <typename ArrowType>
Status AppendInt(const std::string& bytes, const arrow::DataType&, arrow::ArrayBuilder* builder) {
  using Native = typename ArrowType::c_type;
  HR_ASSIGN_OR_RAISE(const auto value, Number<std::int64_t>(bytes));
  if (!std::in_range<Native>(value)) return Status::Invalid(value, " does not fit");
  return static_cast<arrow::NumericBuilder<ArrowType>*>(builder)->Append(static_cast<Native>(value));
}

template <typename ArrowType>
Status AppendFloat(const std::string& bytes, const arrow::DataType&, arrow::ArrayBuilder* builder) {
  HR_ASSIGN_OR_RAISE(const auto bits, Number<std::uint64_t>(bytes));
  return static_cast<arrow::NumericBuilder<ArrowType>*>(builder)->Append(
      static_cast<typename ArrowType::c_type>(std::bit_cast<double>(bits)));
}

Status AppendBool(const std::string& bytes, const arrow::DataType&, arrow::ArrayBuilder* builder) {
  if (bytes.size() != 1) return Status::Invalid("no bool");
  return static_cast<arrow::BooleanBuilder*>(builder)->Append(bytes[0] != 0);
}

template <typename Builder>
Status AppendBinary(const std::string& bytes, const arrow::DataType&, arrow::ArrayBuilder* builder) {
  return static_cast<Builder*>(builder)->Append(bytes);
}

/// A database of another encoding than UTF-8 gives what no text column holds.
template <typename Builder>
Status AppendText(const std::string& bytes, const arrow::DataType& type, arrow::ArrayBuilder* builder) {
  return IsUtf8(bytes) ? AppendBinary<Builder>(bytes, type, builder) : Status::Invalid("a text is not UTF-8");
}

Status AppendUInt64(const std::string& text, const arrow::DataType&, arrow::ArrayBuilder* builder) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return Status::Invalid(text.substr(0, 40), " does not fit");
  return static_cast<arrow::UInt64Builder*>(builder)->Append(value);
}

Status AppendDecimal(const std::string& text, const arrow::DataType& type, arrow::ArrayBuilder* builder) {
  const auto& decimal = static_cast<const arrow::Decimal128Type&>(type);
  arrow::Decimal128 value;
  if (!columnar::DecimalFromText(text, decimal.precision(), decimal.scale(), columnar::MoreDigits::kRefused, &value))
    return Status::Invalid(text.substr(0, 60), " does not fit");
  return static_cast<arrow::Decimal128Builder*>(builder)->Append(value);
}

Status AppendTime(const std::string& bytes, const arrow::DataType& type, arrow::ArrayBuilder* builder) {
  HR_ASSIGN_OR_RAISE(std::int64_t micros, Number<std::int64_t>(bytes));
  if (type.id() == arrow::Type::TIME64) {
    if (micros < 0 || micros >= 86'400'000'000) return Status::Invalid("the time 24:00 does not fit");
    HR_ASSIGN_OR_RAISE(const std::int64_t value, FromMicros(micros, UnitOf(type)));
    return static_cast<arrow::Time64Builder*>(builder)->Append(value);
  }
  const bool infinite = micros == std::numeric_limits<std::int64_t>::max() || micros == std::numeric_limits<std::int64_t>::min();
  if (infinite || __builtin_add_overflow(micros, kEpochMicros, &micros)) return Status::Invalid("an infinite timestamp does not fit");
  HR_ASSIGN_OR_RAISE(const std::int64_t value, FromMicros(micros, UnitOf(type)));
  return static_cast<arrow::TimestampBuilder*>(builder)->Append(value);
}

Status AppendDate(const std::string& bytes, const arrow::DataType&, arrow::ArrayBuilder* builder) {
  HR_ASSIGN_OR_RAISE(std::int32_t days, Number<std::int32_t>(bytes));
  const bool infinite = days == std::numeric_limits<std::int32_t>::max() || days == std::numeric_limits<std::int32_t>::min();
  if (infinite || __builtin_add_overflow(days, static_cast<std::int32_t>(kEpochDays), &days))
    return Status::Invalid("an infinite date does not fit");
  return static_cast<arrow::Date32Builder*>(builder)->Append(days);
}

template <auto kEncode>
std::vector<Value> EncodeAll(const arrow::Array& array) {
  std::vector<Value> values;
  values.reserve(static_cast<std::size_t>(array.length()));
  for (std::int64_t row = 0; row < array.length(); ++row) values.push_back(array.IsNull(row) ? std::nullopt : kEncode(array, row));
  return values;
}

template <auto kAppend>
Status DecodeAll(const postgres::Rows& rows, std::size_t column, const arrow::DataType& type, arrow::ArrayBuilder* builder) {
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto& cell = rows.Cell(row, column);
    HR_RETURN_NOT_OK(cell ? kAppend(*cell, type, builder) : builder->AppendNull());
  }
  return Status::OK();
}

}  // namespace

/// The type of PostgreSQL that a type's values travel as, by oid and name, and the ways there and back.
struct PostgresForm {
  arrow::Type::type id;
  std::uint32_t array, element;
  const char* column;
  std::vector<Value> (*encode)(const arrow::Array&);
  Status (*decode)(const postgres::Rows&, std::size_t, const arrow::DataType&, arrow::ArrayBuilder*);
};

namespace {

template <auto kEncode, auto kAppend>
constexpr PostgresForm Form(arrow::Type::type id, std::uint32_t array, std::uint32_t element, const char* column) {
  return {id, array, element, column, &EncodeAll<kEncode>, &DecodeAll<kAppend>};
}
template <typename T>
constexpr PostgresForm IntForm() {
  return Form<&EncodeInt<T>, &AppendInt<T>>(T::type_id, 1016, 20, "int8");
}

constexpr PostgresForm kForms[] = {
    Form<&EncodeBool, &AppendBool>(arrow::Type::BOOL, 1000, 16, "bool"),
    IntForm<arrow::Int8Type>(),
    IntForm<arrow::Int16Type>(),
    IntForm<arrow::Int32Type>(),
    IntForm<arrow::Int64Type>(),
    IntForm<arrow::UInt8Type>(),
    IntForm<arrow::UInt16Type>(),
    IntForm<arrow::UInt32Type>(),
    Form<&EncodeInt<arrow::UInt64Type>, &AppendUInt64>(arrow::Type::UINT64, 1016, 20, "text"),
    Form<&EncodeFloat<arrow::FloatType>, &AppendFloat<arrow::FloatType>>(arrow::Type::FLOAT, 1022, 701, "float8"),
    Form<&EncodeFloat<arrow::DoubleType>, &AppendFloat<arrow::DoubleType>>(arrow::Type::DOUBLE, 1022, 701, "float8"),
    Form<&EncodeText<arrow::BinaryArray>, &AppendText<arrow::BinaryBuilder>>(arrow::Type::STRING, 1009, 25, "text"),
    Form<&EncodeText<arrow::LargeBinaryArray>, &AppendText<arrow::LargeBinaryBuilder>>(arrow::Type::LARGE_STRING, 1009, 25, "text"),
    Form<&EncodeBinary<arrow::BinaryArray>, &AppendBinary<arrow::BinaryBuilder>>(arrow::Type::BINARY, 1001, 17, "bytea"),
    Form<&EncodeBinary<arrow::LargeBinaryArray>, &AppendBinary<arrow::LargeBinaryBuilder>>(arrow::Type::LARGE_BINARY, 1001, 17, "bytea"),
    Form<&EncodeDate, &AppendDate>(arrow::Type::DATE32, 1182, 1082, "date"),
    Form<&EncodeTime, &AppendTime>(arrow::Type::TIME64, 1183, 1083, "time"),
    Form<&EncodeTime, &AppendTime>(arrow::Type::TIMESTAMP, 1185, 1184, "timestamptz"),
    Form<&EncodeDecimal, &AppendDecimal>(arrow::Type::DECIMAL128, 1009, 25, "text"),
};
constexpr PostgresForm kNaiveTimestamp = Form<&EncodeTime, &AppendTime>(arrow::Type::TIMESTAMP, 1115, 1114, "timestamp");

const PostgresForm* FormOf(const arrow::DataType& type) {
  if (type.id() == arrow::Type::TIMESTAMP && static_cast<const arrow::TimestampType&>(type).timezone().empty()) return &kNaiveTimestamp;
  for (const PostgresForm& form : kForms)
    if (form.id == type.id()) return &form;
  return nullptr;
}

}  // namespace

Result<PostgresColumn> PostgresColumn::Make(const std::shared_ptr<arrow::DataType>& type) {
  PostgresColumn made;
  made.form_ = FormOf(*type);
  if (made.form_ == nullptr) return Status::NotImplemented("PostgreSQL has no form for ", type->ToString());
  made.type_ = type;
  if (type->id() == arrow::Type::DECIMAL128) {
    const auto& decimal = static_cast<const arrow::Decimal128Type&>(*type);
    made.element_cast_ = "::numeric";
    made.column_cast_ = fmt::format("::numeric({},{})::text", decimal.precision(), decimal.scale());
  } else {
    made.column_cast_ = fmt::format("::{}", made.form_->column);
  }
  return made;
}

/// What is compared with the column may be of another type, as an int32 is with an int64.
std::vector<Value> PostgresColumn::Encode(const arrow::ArrayData& column) const {
  const PostgresForm* form = FormOf(*column.type);
  HR_CHECK(form != nullptr, "a key of a type that PostgreSQL has no form for");
  return form->encode(*arrow::MakeArray(column.Copy()));
}

std::uint32_t PostgresColumn::array_oid() const { return form_->array; }
std::uint32_t PostgresColumn::element_oid() const { return form_->element; }

Result<std::shared_ptr<arrow::Array>> PostgresColumn::Decode(const postgres::Rows& rows, std::size_t column) const {
  HR_ASSIGN_OR_RAISE(const auto builder, arrow::MakeBuilder(type_));
  HR_RETURN_NOT_OK(builder->Reserve(static_cast<std::int64_t>(rows.size())));
  const Status status = form_->decode(rows, column, *type_, builder.get());
  if (!status.ok()) return Error(ErrorCode::kBadRecord, status.message());
  return builder->Finish();
}

}  // namespace headrace::data::connector
