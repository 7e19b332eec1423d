#include "columnar/typed_column_builder.h"

#include <arrow/array/builder_base.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/builder_time.h>
#include <arrow/builder.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include <limits>
#include <utility>

#include "columnar/decimal_text.h"

namespace headrace::columnar {
namespace {

Status Unfit(const Value& value, const arrow::DataType& type);

std::string_view KindOf(ValueTag tag) {
  switch (tag) {
    case ValueTag::kNone:
      return "None";
    case ValueTag::kFalse:
    case ValueTag::kTrue:
      return "a bool";
    case ValueTag::kInt:
    case ValueTag::kBigInt:
      return "an int";
    case ValueTag::kFloat:
      return "a float";
    case ValueTag::kString:
      return "a str";
    case ValueTag::kBytes:
      return "bytes";
    case ValueTag::kTuple:
      return "a tuple";
    case ValueTag::kList:
      return "a list";
    case ValueTag::kDict:
      return "a dict";
    case ValueTag::kSet:
    case ValueTag::kFrozenSet:
      return "a set";
    case ValueTag::kDecimal:
      return "a Decimal";
    case ValueTag::kAwareDatetime:
      return "an aware datetime";
    case ValueTag::kNaiveDatetime:
      return "a naive datetime";
    case ValueTag::kDate:
      return "a date";
    case ValueTag::kTime:
      return "a time";
    case ValueTag::kTimedelta:
      return "a timedelta";
    case ValueTag::kDataclass:
      return "a dataclass";
    case ValueTag::kPickle:
      return "an object";
    case ValueTag::kUuid:
      return "a UUID";
  }
  return "a value";
}

Status Unfit(const Value& value, const arrow::DataType& type) {
  return Status::Invalid(KindOf(value.tag), " does not fit the type ", type.ToString());
}

template <typename Builder, typename Number>
Status AppendInt(const Value& value, const arrow::DataType& type, arrow::ArrayBuilder* builder) {
  if (value.tag != ValueTag::kInt) return Unfit(value, type);
  const bool fits = value.integer >= static_cast<std::int64_t>(std::numeric_limits<Number>::min()) &&
                    (sizeof(Number) == 8 || value.integer <= static_cast<std::int64_t>(std::numeric_limits<Number>::max()));
  if (!fits || (std::numeric_limits<Number>::min() == 0 && value.integer < 0))
    return Status::Invalid(value.integer, " is beyond the range of ", type.ToString());
  return static_cast<Builder*>(builder)->Append(static_cast<Number>(value.integer));
}

Result<double> Real(const Value& value, const arrow::DataType& type) {
  if (value.tag == ValueTag::kFloat) return value.real;
  if (value.tag == ValueTag::kInt) return static_cast<double>(value.integer);
  return Unfit(value, type);
}

/// Microseconds in another unit, rounded down.
Result<std::int64_t> InUnit(std::int64_t micros, arrow::TimeUnit::type unit) {
  const auto floor = [micros](std::int64_t by) { return micros / by - (micros % by < 0 ? 1 : 0); };
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return floor(1'000'000);
    case arrow::TimeUnit::MILLI:
      return floor(1000);
    case arrow::TimeUnit::MICRO:
      return micros;
    case arrow::TimeUnit::NANO:
      break;
  }
  std::int64_t nanos = 0;
  if (__builtin_mul_overflow(micros, 1000, &nanos)) return Status::Invalid("a time beyond the range of nanoseconds");
  return nanos;
}

Status AppendDecimal(const Value& value, const arrow::DataType& type, arrow::ArrayBuilder* builder) {
  const auto& decimal = static_cast<const arrow::Decimal128Type&>(type);
  if (value.tag != ValueTag::kDecimal && value.tag != ValueTag::kInt) return Unfit(value, type);
  const std::string text = value.tag == ValueTag::kInt ? std::to_string(value.integer) : value.text;
  arrow::Decimal128 number;
  if (!DecimalFromText(text, decimal.precision(), decimal.scale(), MoreDigits::kRefused, &number))
    return Status::Invalid(text.substr(0, 60), " does not fit the type ", type.ToString());
  return static_cast<arrow::Decimal128Builder*>(builder)->Append(number);
}

Status AppendTime(const Value& value, const arrow::DataType& type, arrow::ArrayBuilder* builder) {
  switch (type.id()) {
    case arrow::Type::DATE32:
      if (value.tag != ValueTag::kDate) return Unfit(value, type);
      return static_cast<arrow::Date32Builder*>(builder)->Append(static_cast<std::int32_t>(value.integer));
    case arrow::Type::TIME64: {
      if (value.tag != ValueTag::kTime) return Unfit(value, type);
      HR_ASSIGN_OR_RAISE(const std::int64_t ticks, InUnit(value.integer, static_cast<const arrow::Time64Type&>(type).unit()));
      return static_cast<arrow::Time64Builder*>(builder)->Append(ticks);
    }
    case arrow::Type::DURATION: {
      if (value.tag != ValueTag::kTimedelta) return Unfit(value, type);
      HR_ASSIGN_OR_RAISE(const std::int64_t ticks, InUnit(value.integer, static_cast<const arrow::DurationType&>(type).unit()));
      return static_cast<arrow::DurationBuilder*>(builder)->Append(ticks);
    }
    default: {
      const auto& timestamp = static_cast<const arrow::TimestampType&>(type);
      if (value.tag != (timestamp.timezone().empty() ? ValueTag::kNaiveDatetime : ValueTag::kAwareDatetime)) return Unfit(value, type);
      HR_ASSIGN_OR_RAISE(const std::int64_t ticks, InUnit(value.integer, timestamp.unit()));
      return static_cast<arrow::TimestampBuilder*>(builder)->Append(ticks);
    }
  }
}

Status AppendValue(const Value& value, const arrow::DataType& type, arrow::ArrayBuilder* builder);

Status AppendList(const Value& value, const arrow::DataType& type, arrow::ArrayBuilder* builder) {
  if (value.tag != ValueTag::kList && value.tag != ValueTag::kTuple) return Unfit(value, type);
  auto* list = static_cast<arrow::ListBuilder*>(builder);
  HR_RETURN_NOT_OK(list->Append());
  for (const Value& item : value.items) HR_RETURN_NOT_OK(AppendValue(item, *type.field(0)->type(), list->value_builder()));
  return Status::OK();
}

/// Fields of a dict lie as key, value, key, value; those of a dataclass as name, value.
Status AppendStruct(const Value& value, const arrow::DataType& type, arrow::ArrayBuilder* builder) {
  if (value.tag != ValueTag::kDict && value.tag != ValueTag::kDataclass) return Unfit(value, type);
  auto* fields = static_cast<arrow::StructBuilder*>(builder);
  HR_RETURN_NOT_OK(fields->Append());
  for (int i = 0; i < type.num_fields(); ++i) {
    const Value* found = nullptr;
    for (std::size_t at = 0; at + 1 < value.items.size() && found == nullptr; at += 2)
      if (value.items[at].text == type.field(i)->name()) found = &value.items[at + 1];
    if (found == nullptr)
      HR_RETURN_NOT_OK(fields->field_builder(i)->AppendNull());
    else
      HR_RETURN_NOT_OK(AppendValue(*found, *type.field(i)->type(), fields->field_builder(i)));
  }
  return Status::OK();
}

Status AppendValue(const Value& value, const arrow::DataType& type, arrow::ArrayBuilder* builder) {
  if (value.tag == ValueTag::kNone) return builder->AppendNull();
  switch (type.id()) {
    case arrow::Type::BOOL:
      if (value.tag != ValueTag::kTrue && value.tag != ValueTag::kFalse) return Unfit(value, type);
      return static_cast<arrow::BooleanBuilder*>(builder)->Append(value.tag == ValueTag::kTrue);
    case arrow::Type::INT8:
      return AppendInt<arrow::Int8Builder, std::int8_t>(value, type, builder);
    case arrow::Type::INT16:
      return AppendInt<arrow::Int16Builder, std::int16_t>(value, type, builder);
    case arrow::Type::INT32:
      return AppendInt<arrow::Int32Builder, std::int32_t>(value, type, builder);
    case arrow::Type::INT64:
      return AppendInt<arrow::Int64Builder, std::int64_t>(value, type, builder);
    case arrow::Type::UINT8:
      return AppendInt<arrow::UInt8Builder, std::uint8_t>(value, type, builder);
    case arrow::Type::UINT16:
      return AppendInt<arrow::UInt16Builder, std::uint16_t>(value, type, builder);
    case arrow::Type::UINT32:
      return AppendInt<arrow::UInt32Builder, std::uint32_t>(value, type, builder);
    case arrow::Type::UINT64:
      return AppendInt<arrow::UInt64Builder, std::uint64_t>(value, type, builder);
    case arrow::Type::FLOAT: {
      HR_ASSIGN_OR_RAISE(const double real, Real(value, type));
      return static_cast<arrow::FloatBuilder*>(builder)->Append(static_cast<float>(real));
    }
    case arrow::Type::DOUBLE: {
      HR_ASSIGN_OR_RAISE(const double real, Real(value, type));
      return static_cast<arrow::DoubleBuilder*>(builder)->Append(real);
    }
    case arrow::Type::DECIMAL128:
      return AppendDecimal(value, type, builder);
    case arrow::Type::STRING:
      if (value.tag != ValueTag::kString) return Unfit(value, type);
      return static_cast<arrow::StringBuilder*>(builder)->Append(value.text);
    case arrow::Type::BINARY:
      if (value.tag != ValueTag::kBytes) return Unfit(value, type);
      return static_cast<arrow::BinaryBuilder*>(builder)->Append(value.text);
    case arrow::Type::DATE32:
    case arrow::Type::TIME64:
    case arrow::Type::DURATION:
    case arrow::Type::TIMESTAMP:
      return AppendTime(value, type, builder);
    case arrow::Type::LIST:
      return AppendList(value, type, builder);
    case arrow::Type::STRUCT:
      return AppendStruct(value, type, builder);
    default:
      return Status::NotImplemented("a column of ", type.ToString(), " from Python values");
  }
}

}  // namespace

TypedColumnBuilder::TypedColumnBuilder() = default;
TypedColumnBuilder::~TypedColumnBuilder() = default;

Result<std::unique_ptr<TypedColumnBuilder>> TypedColumnBuilder::Make(const std::shared_ptr<arrow::DataType>& type) {
  std::unique_ptr<TypedColumnBuilder> made(new TypedColumnBuilder());
  made->type_ = type;
  HR_RETURN_NOT_OK(arrow::MakeBuilder(arrow::default_memory_pool(), type, &made->builder_));
  return made;
}

Status TypedColumnBuilder::Append(std::string_view encoded) {
  // A column of any Python values keeps the bytes as they are.
  if (type_->id() == arrow::Type::LARGE_BINARY) return static_cast<arrow::LargeBinaryBuilder*>(builder_.get())->Append(encoded);
  HR_ASSIGN_OR_RAISE(const Value value, DecodeValue(encoded));
  return AppendValue(value, *type_, builder_.get());
}

Status TypedColumnBuilder::AppendNull() { return builder_->AppendNull(); }

Result<std::shared_ptr<arrow::Array>> TypedColumnBuilder::Finish() { return builder_->Finish(); }

}  // namespace headrace::columnar
