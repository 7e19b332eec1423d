#include "data/format/arrow_columns.h"

#include <arrow/array.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "data/format/column_builder.h"
#include "plan/function_types.h"

namespace headrace::data::format {
namespace {

using arrow::Type;
using Kind = ColumnBuilder::Kind;

std::int64_t TicksPerSecond(arrow::TimeUnit::type unit) {
  constexpr std::int64_t kTicks[] = {1, 1000, 1'000'000, 1'000'000'000};
  return kTicks[static_cast<int>(unit)];
}

/// Bits of the magnitude of an integer type, and whether it has a sign; {0, false} for others.
std::pair<int, bool> IntegerRange(const arrow::DataType& type) {
  if (!arrow::is_integer(type.id())) return {0, false};
  const bool is_signed = arrow::is_signed_integer(type.id());
  return {type.bit_width() - (is_signed ? 1 : 0), is_signed};
}

bool IsList(Type::type id) { return id == Type::LIST || id == Type::LARGE_LIST || id == Type::FIXED_SIZE_LIST || id == Type::MAP; }
bool IsBytes(Type::type id) {
  return id == Type::STRING || id == Type::LARGE_STRING || id == Type::BINARY || id == Type::LARGE_BINARY || id == Type::FIXED_SIZE_BINARY;
}
bool IsTime(Type::type id) { return arrow::is_temporal(id) || id == Type::DURATION; }
bool IsTimeOfDay(Type::type id) { return id == Type::TIME32 || id == Type::TIME64; }

const arrow::Field& ItemOf(const arrow::DataType& list) { return *list.field(0); }

Status DoesNot(const arrow::DataType& from, const arrow::Field& to) {
  return Status::Invalid(fmt::format("{} does not go into {}", from.ToString(), plan::TypeName(*to.type())));
}

Status StructGoesInto(const arrow::DataType& from, const arrow::Field& to) {
  for (const auto& wanted : to.type()->fields()) {
    const auto found = std::find_if(from.fields().begin(), from.fields().end(), [&](const auto& f) { return f->name() == wanted->name(); });
    if (found == from.fields().end()) {
      if (wanted->nullable()) continue;
      return Status::Invalid(fmt::format("its struct has no field \"{}\"", wanted->name()));
    }
    const Status inside = GoesInto(*(*found)->type(), *wanted);
    if (!inside.ok()) return Status::Invalid(fmt::format("field \"{}\": {}", wanted->name(), inside.message()));
  }
  return Status::OK();
}

bool TimeGoesInto(const arrow::DataType& from, const arrow::DataType& to) {
  switch (to.id()) {
    case Type::DATE32:
      return from.id() == Type::DATE32 || from.id() == Type::DATE64;
    case Type::TIME64:
      return IsTimeOfDay(from.id());
    case Type::DURATION:
      return from.id() == Type::DURATION;
    case Type::TIMESTAMP:
      // A time without a zone counts as UTC, as it does in text; an instant does not become a calendar's time without a word.
      return from.id() == Type::TIMESTAMP && (!static_cast<const arrow::TimestampType&>(to).timezone().empty() ||
                                              static_cast<const arrow::TimestampType&>(from).timezone().empty());
    default:
      return false;
  }
}

bool DecimalGoesInto(const arrow::DataType& from, const arrow::DataType& to) {
  if (from.id() != Type::DECIMAL128) return false;
  const auto& a = static_cast<const arrow::DecimalType&>(from);
  const auto& b = static_cast<const arrow::DecimalType&>(to);
  return a.scale() <= b.scale() && a.precision() - a.scale() <= b.precision() - b.scale();
}

bool NumberGoesInto(const arrow::DataType& from, const arrow::DataType& to) {
  const auto [bits, is_signed] = IntegerRange(from);
  if (to.id() == Type::DOUBLE) return from.id() == Type::DOUBLE || from.id() == Type::FLOAT || (bits > 0 && bits <= 32);
  if (to.id() == Type::FLOAT) return from.id() == Type::FLOAT || (bits > 0 && bits <= 16);
  const auto [room, takes_sign] = IntegerRange(to);
  return bits > 0 && bits <= room && (takes_sign || !is_signed);
}

// ---- values ----

Status AppendValue(const arrow::Array& from, std::int64_t i, ColumnBuilder* to);

std::string_view BytesAt(const arrow::Array& from, std::int64_t i) {
  switch (from.type_id()) {
    case Type::STRING:
    case Type::BINARY:
      return static_cast<const arrow::BinaryArray&>(from).GetView(i);
    case Type::FIXED_SIZE_BINARY:
      return static_cast<const arrow::FixedSizeBinaryArray&>(from).GetView(i);
    default:
      return static_cast<const arrow::LargeBinaryArray&>(from).GetView(i);
  }
}

Status AppendList(const arrow::Array& from, std::int64_t i, ColumnBuilder* to) {
  const auto each = [&](const arrow::Array& items, std::int64_t begin, std::int64_t length) -> Status {
    for (std::int64_t k = begin; k < begin + length; ++k) HR_RETURN_NOT_OK(AppendValue(items, k, &to->items()));
    to->CloseList();
    return Status::OK();
  };
  if (from.type_id() == Type::LARGE_LIST) {
    const auto& list = static_cast<const arrow::LargeListArray&>(from);
    return each(*list.values(), list.value_offset(i), list.value_length(i));
  }
  if (from.type_id() == Type::FIXED_SIZE_LIST) {
    const auto& list = static_cast<const arrow::FixedSizeListArray&>(from);
    return each(*list.values(), list.value_offset(i), list.value_length(i));
  }
  const auto& list = static_cast<const arrow::ListArray&>(from);
  return each(*list.values(), list.value_offset(i), list.value_length(i));
}

Status AppendStruct(const arrow::StructArray& from, std::int64_t i, ColumnBuilder* to) {
  for (ColumnBuilder& child : to->children()) {
    const int at = from.struct_type()->GetFieldIndex(child.name());
    if (at < 0)
      child.AppendNull();
    else
      HR_RETURN_NOT_OK(AppendValue(*from.field(at), i, &child));
  }
  to->CloseStruct();
  return Status::OK();
}

/// An integer or the ticks of a time, as they stand.
std::int64_t IntegerAt(const arrow::Array& from, std::int64_t i) {
  const arrow::ArrayData& data = *from.data();
  switch (from.type_id()) {
    case Type::INT8:
      return data.GetValues<std::int8_t>(1)[i];
    case Type::INT16:
      return data.GetValues<std::int16_t>(1)[i];
    case Type::INT32:
    case Type::DATE32:
    case Type::TIME32:
      return data.GetValues<std::int32_t>(1)[i];
    case Type::UINT8:
      return data.GetValues<std::uint8_t>(1)[i];
    case Type::UINT16:
      return data.GetValues<std::uint16_t>(1)[i];
    case Type::UINT32:
      return data.GetValues<std::uint32_t>(1)[i];
    default:
      return data.GetValues<std::int64_t>(1)[i];
  }
}

bool AppendTime(const arrow::Array& from, std::int64_t i, ColumnBuilder* to) {
  const std::int64_t value = IntegerAt(from, i);
  switch (from.type_id()) {
    case Type::DATE32:
      return to->AppendTicks(value);
    case Type::DATE64:
      return to->AppendTicks(value / 86'400'000 - (value % 86'400'000 < 0 ? 1 : 0));
    case Type::TIME32:
    case Type::TIME64:
      return to->AppendTicks(value, TicksPerSecond(static_cast<const arrow::TimeType&>(*from.type()).unit()));
    case Type::DURATION:
      return to->AppendTicks(value, TicksPerSecond(static_cast<const arrow::DurationType&>(*from.type()).unit()));
    default:
      return to->AppendTicks(value, TicksPerSecond(static_cast<const arrow::TimestampType&>(*from.type()).unit()));
  }
}

bool AppendNumber(const arrow::Array& from, std::int64_t i, ColumnBuilder* to) {
  const Type::type id = from.type_id();
  if (id == Type::DOUBLE || id == Type::FLOAT) {
    to->AppendFloat(id == Type::DOUBLE ? from.data()->GetValues<double>(1)[i] : from.data()->GetValues<float>(1)[i]);
    return true;
  }
  if (to->kind() == Kind::kFloat32 || to->kind() == Kind::kFloat64) {
    to->AppendFloat(static_cast<double>(IntegerAt(from, i)));
    return true;
  }
  return id == Type::UINT64 ? to->AppendUnsigned(from.data()->GetValues<std::uint64_t>(1)[i]) : to->AppendInteger(IntegerAt(from, i));
}

Status AppendValue(const arrow::Array& from, std::int64_t i, ColumnBuilder* to) {
  if (from.IsNull(i)) {
    if (!to->nullable()) return Status::Invalid(fmt::format("it is null, but its type {} has no null", to->type_name()));
    to->AppendNull();
    return Status::OK();
  }
  const Type::type id = from.type_id();
  if (id == Type::DICTIONARY) {
    const auto& coded = static_cast<const arrow::DictionaryArray&>(from);
    return AppendValue(*coded.dictionary(), coded.GetValueIndex(i), to);
  }
  if (IsList(id)) return AppendList(from, i, to);
  if (id == Type::STRUCT) return AppendStruct(static_cast<const arrow::StructArray&>(from), i, to);
  bool fits = true;
  if (IsBytes(id)) {
    const std::string_view bytes = BytesAt(from, i);
    if (to->kind() == Kind::kText && !IsUtf8(bytes)) return Status::Invalid("its text is not UTF-8");
    fits = to->AppendBytes(bytes);
  } else if (id == Type::BOOL) {
    to->AppendBool(static_cast<const arrow::BooleanArray&>(from).Value(i));
  } else if (id == Type::DECIMAL128) {
    fits = to->AppendDecimal(static_cast<const arrow::Decimal128Array&>(from).FormatValue(i));
  } else if (IsTime(id)) {
    fits = AppendTime(from, i, to);
  } else {
    fits = AppendNumber(from, i, to);
  }
  return fits ? Status::OK() : Status::Invalid(fmt::format("its value does not fit {}", to->type_name()));
}

// ---- whole columns ----

/// The layout is the same and nothing has to be looked at inside: names of fields may differ.
bool LaidOutAlike(const arrow::ArrayData& from, const arrow::Field& to, bool is_column) {
  if (!is_column && !to.nullable() && from.GetNullCount() > 0) return false;
  const auto id = to.type()->id();
  if (id != from.type->id()) return false;
  if (id == Type::LIST) return LaidOutAlike(*from.child_data[0], ItemOf(*to.type()), false);
  if (id == Type::STRUCT) {
    if (from.type->num_fields() != to.type()->num_fields()) return false;
    for (int i = 0; i < to.type()->num_fields(); ++i)
      if (from.type->field(i)->name() != to.type()->field(i)->name() ||
          !LaidOutAlike(*from.child_data[static_cast<std::size_t>(i)], *to.type()->field(i), false))
        return false;
    return true;
  }
  if (id == Type::TIMESTAMP)
    return static_cast<const arrow::TimestampType&>(*from.type).unit() == static_cast<const arrow::TimestampType&>(*to.type()).unit();
  // Text inside lists and structs is looked at value by value.
  return from.type->Equals(*to.type()) && (is_column || id != Type::STRING);
}

std::shared_ptr<arrow::ArrayData> Retyped(const arrow::ArrayData& from, const std::shared_ptr<arrow::DataType>& type) {
  auto made = from.Copy();
  made->type = type;
  for (std::size_t i = 0; i < made->child_data.size(); ++i)
    made->child_data[i] = Retyped(*made->child_data[i], type->field(static_cast<int>(i))->type());
  return made;
}

}  // namespace

Status GoesInto(const arrow::DataType& from, const arrow::Field& to) {
  const auto id = to.type()->id();
  if (from.id() == Type::DICTIONARY) return GoesInto(*static_cast<const arrow::DictionaryType&>(from).value_type(), to);
  bool goes = false;
  switch (id) {
    case Type::LIST: {
      if (!IsList(from.id())) return DoesNot(from, to);
      const Status inside = GoesInto(*ItemOf(from).type(), ItemOf(*to.type()));
      return inside.ok() ? inside : Status::Invalid("its elements: ", inside.message());
    }
    case Type::STRUCT:
      return from.id() == Type::STRUCT ? StructGoesInto(from, to) : DoesNot(from, to);
    case Type::STRING:
    case Type::BINARY:
      goes = IsBytes(from.id());
      break;
    case Type::BOOL:
      goes = from.id() == Type::BOOL;
      break;
    case Type::DECIMAL128:
      goes = DecimalGoesInto(from, *to.type());
      break;
    default:
      goes = IsTime(id) ? TimeGoesInto(from, *to.type()) : NumberGoesInto(from, *to.type());
  }
  return goes ? Status::OK() : DoesNot(from, to);
}

Result<std::shared_ptr<arrow::ArrayData>> ColumnAs(const std::shared_ptr<arrow::Array>& column, const arrow::Field& to,
                                                   std::int64_t first_row) {
  if (LaidOutAlike(*column->data(), to, /*is_column=*/true) && (to.nullable() || column->null_count() == 0) &&
      (to.type()->id() != Type::STRING || static_cast<const arrow::StringArray&>(*column).ValidateUTF8().ok()))
    return Retyped(*column->data(), to.type());
  HR_ASSIGN_OR_RAISE(ColumnBuilder builder, ColumnBuilder::Make(to));
  for (std::int64_t i = 0; i < column->length(); ++i) {
    const Status appended = AppendValue(*column, i, &builder);
    if (!appended.ok()) return Status::Invalid(fmt::format("row {}: {}", first_row + i, appended.message()));
  }
  return builder.Finish();
}

}  // namespace headrace::data::format
