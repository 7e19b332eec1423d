#include "columnar/typed_row_builder.h"

#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "columnar/decimal_text.h"
#include "columnar/value_cursor.h"
#include "columnar/value_encoding.h"

namespace headrace::columnar {
namespace {

using arrow::Type;

Status AppendValue(const arrow::Field& field, arrow::ArrayBuilder* out, std::string_view value);

/// As messages show a type: its Python name where it has one.
std::string Shown(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::STRING:
      return "text";
    case Type::DOUBLE:
      return "float64";
    case Type::FLOAT:
      return "float32";
    case Type::DATE32:
      return "date";
    default:
      return type.ToString();
  }
}

Status Mismatch(const arrow::Field& field, std::string_view value) {
  return Status::Invalid(fmt::format("column \"{}\" is a {}, but a row has {}", field.name(), Shown(*field.type()), ReprOf(value, 80)));
}

bool InRange(std::int64_t value, std::int64_t low, std::int64_t high) { return value >= low && value <= high; }

template <typename ArrowType>
Status AppendInteger(const arrow::Field& field, arrow::ArrayBuilder* out, const ValueToken& token, std::string_view value) {
  using C = typename ArrowType::c_type;
  if constexpr (std::is_same_v<C, std::uint64_t>) {
    std::uint64_t wide = 0;
    if (token.tag == ValueTag::kBigInt) {
      const std::string digits = BigIntText(token.bytes);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), wide);
      if (error != std::errc() || end != digits.data() + digits.size()) return Mismatch(field, value);
    } else if (token.tag == ValueTag::kInt && token.integer >= 0) {
      wide = static_cast<std::uint64_t>(token.integer);
    } else {
      return Mismatch(field, value);
    }
    return static_cast<arrow::UInt64Builder*>(out)->Append(wide);
  } else {
    if (token.tag != ValueTag::kInt || !InRange(token.integer, std::numeric_limits<C>::min(), std::numeric_limits<C>::max()))
      return Mismatch(field, value);
    return static_cast<typename arrow::TypeTraits<ArrowType>::BuilderType*>(out)->Append(static_cast<C>(token.integer));
  }
}

template <typename ArrowType>
Status AppendReal(const arrow::Field& field, arrow::ArrayBuilder* out, const ValueToken& token, std::string_view value) {
  using C = typename ArrowType::c_type;
  const bool exact_int = token.tag == ValueTag::kInt && InRange(token.integer, -(1LL << 53), 1LL << 53);
  if (token.tag != ValueTag::kFloat && !exact_int) return Mismatch(field, value);
  const double real = exact_int ? static_cast<double>(token.integer) : token.real;
  return static_cast<typename arrow::TypeTraits<ArrowType>::BuilderType*>(out)->Append(static_cast<C>(real));
}

Status AppendDecimal(const arrow::Field& field, arrow::ArrayBuilder* out, const ValueToken& token, std::string_view value) {
  const auto& type = static_cast<const arrow::Decimal128Type&>(*field.type());
  const bool is_int = token.tag == ValueTag::kInt;
  if (!is_int && token.tag != ValueTag::kDecimal) return Mismatch(field, value);
  arrow::Decimal128 number;
  const std::string text = is_int ? std::to_string(token.integer) : std::string(token.bytes);
  if (!DecimalFromText(text, type.precision(), type.scale(), MoreDigits::kRefused, &number)) return Mismatch(field, value);
  return static_cast<arrow::Decimal128Builder*>(out)->Append(number);
}

/// How many ticks of the unit `amount` of another unit are; false when they do not fit or would lose something.
bool Rescaled(std::int64_t amount, std::int64_t per_second, arrow::TimeUnit::type unit, std::int64_t* ticks) {
  static constexpr std::int64_t kPerSecond[] = {1, 1000, 1'000'000, 1'000'000'000};
  const std::int64_t want = kPerSecond[unit];
  if (want >= per_second) return !__builtin_mul_overflow(amount, want / per_second, ticks);
  *ticks = amount / (per_second / want);
  return amount % (per_second / want) == 0;
}

Status AppendTime(const arrow::Field& field, arrow::ArrayBuilder* out, const ValueToken& token, std::string_view value) {
  constexpr std::int64_t kMillis = 1000, kMicros = 1'000'000;
  std::int64_t ticks = 0;
  switch (field.type()->id()) {
    case Type::TIMESTAMP: {
      const auto& type = static_cast<const arrow::TimestampType&>(*field.type());
      const bool fits = token.tag == (type.timezone().empty() ? ValueTag::kNaiveDatetime : ValueTag::kAwareDatetime);
      if ((!fits && token.tag != ValueTag::kInt) || !Rescaled(token.integer, fits ? kMicros : kMillis, type.unit(), &ticks))
        return Mismatch(field, value);
      return static_cast<arrow::TimestampBuilder*>(out)->Append(ticks);
    }
    case Type::DURATION: {
      const auto unit = static_cast<const arrow::DurationType&>(*field.type()).unit();
      const bool fits = token.tag == ValueTag::kTimedelta;
      if ((!fits && token.tag != ValueTag::kInt) || !Rescaled(token.integer, fits ? kMicros : kMillis, unit, &ticks))
        return Mismatch(field, value);
      return static_cast<arrow::DurationBuilder*>(out)->Append(ticks);
    }
    case Type::TIME64: {
      const auto unit = static_cast<const arrow::Time64Type&>(*field.type()).unit();
      if (token.tag != ValueTag::kTime || !Rescaled(token.integer, kMicros, unit, &ticks)) return Mismatch(field, value);
      return static_cast<arrow::Time64Builder*>(out)->Append(ticks);
    }
    default: {  // DATE32
      if (token.tag != ValueTag::kDate || !InRange(token.integer, INT32_MIN, INT32_MAX)) return Mismatch(field, value);
      return static_cast<arrow::Date32Builder*>(out)->Append(static_cast<std::int32_t>(token.integer));
    }
  }
}

/// Splits a value off the front of what the cursor has left.
Result<std::string_view> TakeValue(ValueCursor* cursor, std::string_view all) {
  const std::size_t start = cursor->offset();
  HR_RETURN_NOT_OK(SkipValue(cursor));
  return all.substr(start, cursor->offset() - start);
}

Status AppendList(const arrow::Field& field, arrow::ArrayBuilder* out, std::string_view value) {
  ValueCursor cursor(value);
  ValueToken list;
  HR_RETURN_NOT_OK(cursor.Next(&list));
  if (list.tag != ValueTag::kList && list.tag != ValueTag::kTuple) return Mismatch(field, value);
  auto* builder = static_cast<arrow::ListBuilder*>(out);
  HR_RETURN_NOT_OK(builder->Append());
  for (std::uint64_t i = 0; i < list.items; ++i) {
    HR_ASSIGN_OR_RAISE(const std::string_view item, TakeValue(&cursor, value));
    HR_RETURN_NOT_OK(AppendValue(*field.type()->field(0), builder->value_builder(), item));
  }
  return Status::OK();
}

/// Calls each(name, value) for the entries of a dict or the fields of a dataclass.
template <typename Each>
Status ForEachEntry(std::string_view row, ValueCursor* cursor, const ValueToken& head, const Each& each) {
  for (std::uint64_t i = 0; i < head.items; ++i) {
    std::string_view name;
    if (head.tag == ValueTag::kDataclass) {
      HR_RETURN_NOT_OK(cursor->ReadName(&name));
    } else {
      ValueToken key;
      HR_RETURN_NOT_OK(cursor->Next(&key));
      if (key.tag != ValueTag::kString) return Status::Invalid("a row is a dict of column names, and ", ReprOf(row, 80), " has other keys");
      name = key.bytes;
    }
    HR_ASSIGN_OR_RAISE(const std::string_view value, TakeValue(cursor, row));
    HR_RETURN_NOT_OK(each(name, value));
  }
  return Status::OK();
}

/// The entries of a dict or dataclass into the builders of the fields, nulls where there is none.
Status AppendFields(const arrow::FieldVector& fields, const std::vector<arrow::ArrayBuilder*>& builders, std::string_view row,
                    std::string_view what) {
  ValueCursor cursor(row);
  ValueToken head;
  HR_RETURN_NOT_OK(cursor.Next(&head));
  if (head.tag != ValueTag::kDict && head.tag != ValueTag::kDataclass)
    return Status::Invalid(what, " is a dict or a dataclass, not ", ReprOf(row, 80));
  std::vector<bool> given(fields.size(), false);
  std::size_t next = 0;  // rows mostly have their columns in the schema's order
  HR_RETURN_NOT_OK(ForEachEntry(row, &cursor, head, [&](std::string_view name, std::string_view value) -> Status {
    for (std::size_t tried = 0; tried < fields.size(); ++tried, next = next + 1 == fields.size() ? 0 : next + 1) {
      if (fields[next]->name() != name) continue;
      if (given[next]) return Status::Invalid(what, " has \"", name, "\" twice");
      given[next] = true;
      HR_RETURN_NOT_OK(AppendValue(*fields[next], builders[next], value));
      next = next + 1 == fields.size() ? 0 : next + 1;
      return Status::OK();
    }
    return Status::Invalid(what, " has \"", std::string(name.substr(0, 100)), "\", which is no column");
  }));
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (given[i]) continue;
    if (!fields[i]->nullable()) return Status::Invalid(what, " lacks the column \"", fields[i]->name(), "\", which may not be null");
    HR_RETURN_NOT_OK(builders[i]->AppendNull());
  }
  return Status::OK();
}

Status AppendStruct(const arrow::Field& field, arrow::ArrayBuilder* out, std::string_view value) {
  auto* builder = static_cast<arrow::StructBuilder*>(out);
  std::vector<arrow::ArrayBuilder*> builders;
  for (int i = 0; i < builder->num_fields(); ++i) builders.push_back(builder->field_builder(i));
  HR_RETURN_NOT_OK(builder->Append());
  return AppendFields(field.type()->fields(), builders, value, fmt::format("column \"{}\"", field.name()));
}

Status AppendBytes(const arrow::Field& field, arrow::ArrayBuilder* out, const ValueToken& token, std::string_view value) {
  const bool text = field.type()->id() == Type::STRING;
  if (token.tag != (text ? ValueTag::kString : ValueTag::kBytes)) return Mismatch(field, value);
  auto* builder = static_cast<arrow::BinaryBuilder*>(out);  // a StringBuilder is one
  if (builder->value_data_length() + static_cast<std::int64_t>(token.bytes.size()) > arrow::kBinaryMemoryLimit)
    return Status::CapacityError(fmt::format("column \"{}\": the text of one batch is longer than 2 GiB", field.name()));
  return builder->Append(token.bytes);
}

/// `value` is whole and valid: it was walked over before.
Status AppendValue(const arrow::Field& field, arrow::ArrayBuilder* out, std::string_view value) {
  const Type::type id = field.type()->id();
  if (id == Type::LARGE_BINARY) return static_cast<arrow::LargeBinaryBuilder*>(out)->Append(value);
  ValueCursor cursor(value);
  ValueToken token;
  HR_RETURN_NOT_OK(cursor.Next(&token));
  if (token.tag == ValueTag::kNone) {
    if (field.nullable()) return out->AppendNull();
    return Status::Invalid(fmt::format("column \"{}\" may not be null, but a row has None; declare it with \"| None\"", field.name()));
  }
  switch (id) {
    case Type::BOOL:
      if (token.tag != ValueTag::kTrue && token.tag != ValueTag::kFalse) return Mismatch(field, value);
      return static_cast<arrow::BooleanBuilder*>(out)->Append(token.tag == ValueTag::kTrue);
    case Type::INT8:
      return AppendInteger<arrow::Int8Type>(field, out, token, value);
    case Type::INT16:
      return AppendInteger<arrow::Int16Type>(field, out, token, value);
    case Type::INT32:
      return AppendInteger<arrow::Int32Type>(field, out, token, value);
    case Type::INT64:
      return AppendInteger<arrow::Int64Type>(field, out, token, value);
    case Type::UINT8:
      return AppendInteger<arrow::UInt8Type>(field, out, token, value);
    case Type::UINT16:
      return AppendInteger<arrow::UInt16Type>(field, out, token, value);
    case Type::UINT32:
      return AppendInteger<arrow::UInt32Type>(field, out, token, value);
    case Type::UINT64:
      return AppendInteger<arrow::UInt64Type>(field, out, token, value);
    case Type::FLOAT:
      return AppendReal<arrow::FloatType>(field, out, token, value);
    case Type::DOUBLE:
      return AppendReal<arrow::DoubleType>(field, out, token, value);
    case Type::DECIMAL128:
      return AppendDecimal(field, out, token, value);
    case Type::STRING:
    case Type::BINARY:
      return AppendBytes(field, out, token, value);
    case Type::LIST:
      return AppendList(field, out, value);
    case Type::STRUCT:
      return AppendStruct(field, out, value);
    default:
      return AppendTime(field, out, token, value);
  }
}

Status CheckType(const arrow::Field& field) {
  switch (field.type()->id()) {
    case Type::BOOL:
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
    case Type::UINT8:
    case Type::UINT16:
    case Type::UINT32:
    case Type::UINT64:
    case Type::FLOAT:
    case Type::DOUBLE:
    case Type::DECIMAL128:
    case Type::STRING:
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::DATE32:
    case Type::TIME64:
    case Type::TIMESTAMP:
    case Type::DURATION:
      return Status::OK();
    case Type::LIST:
    case Type::STRUCT:
      for (const auto& child : field.type()->fields()) HR_RETURN_NOT_OK(CheckType(*child));
      return Status::OK();
    default:
      return Status::NotImplemented("column \"", field.name(), "\" of the type ", field.type()->ToString());
  }
}

}  // namespace

TypedRowBuilder::TypedRowBuilder(std::shared_ptr<arrow::Schema> schema) : schema_(std::move(schema)) {}
TypedRowBuilder::~TypedRowBuilder() = default;

Result<std::unique_ptr<TypedRowBuilder>> TypedRowBuilder::Make(std::shared_ptr<arrow::Schema> schema) {
  std::unique_ptr<TypedRowBuilder> made(new TypedRowBuilder(std::move(schema)));
  for (const auto& field : made->schema_->fields()) {
    HR_RETURN_NOT_OK(CheckType(*field));
    std::unique_ptr<arrow::ArrayBuilder> column;
    HR_RETURN_NOT_OK(arrow::MakeBuilder(arrow::default_memory_pool(), field->type(), &column));
    made->columns_.push_back(std::move(column));
  }
  return made;
}

Status TypedRowBuilder::Append(std::string_view row) {
  std::vector<arrow::ArrayBuilder*> builders;
  for (const auto& column : columns_) builders.push_back(column.get());
  HR_RETURN_NOT_OK(AppendFields(schema_->fields(), builders, row, "a row"));
  ++rows_;
  bytes_ += static_cast<std::int64_t>(row.size());
  return Status::OK();
}

Result<DataBatch> TypedRowBuilder::Finish() {
  arrow::ArrayVector arrays;
  for (auto& column : columns_) {
    std::shared_ptr<arrow::Array> array;
    HR_RETURN_NOT_OK(column->Finish(&array));
    arrays.push_back(std::move(array));
  }
  const std::int64_t rows = std::exchange(rows_, 0);
  bytes_ = 0;
  return DataBatch(arrow::RecordBatch::Make(schema_, rows, std::move(arrays)));
}

}  // namespace headrace::columnar
