#include "data/format/protobuf_writer.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <vector>

#include "columnar/data_batch.h"
#include "columnar/row_kind.h"
#include "data/format/column_view.h"

namespace headrace::data::format {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

/// What is done for one field of a message.
struct ProtobufPut {
  enum class Do : std::uint8_t { kWhole, kTicks, kBool, kFloat, kDouble, kText, kScalarText, kEnum, kKind, kTime, kMessage, kWrapper };
  Do what = Do::kMessage;
  const Field* field = nullptr;  ///< null: the message itself
  std::string name;              ///< of the column
  std::string tag;               ///< the field's number and wire type, as they are written
  bool repeated = false, packed = false;
  std::vector<ProtobufPut> inside;  ///< kMessage: its fields; kWrapper: its one field
  std::map<std::string, int, std::less<>> symbols;
  ColumnView column;
  ColumnView list;      ///< of a repeated field: the lists; `column` has their items
  std::string message;  ///< what is written before its length is known
};

namespace {

using Put = ProtobufPut;
using Do = ProtobufPut::Do;
using arrow::Type;

void PutVarint(std::uint64_t bits, std::string* out) {
  char bytes[10];
  std::size_t size = 0;
  for (; bits >= 0x80; bits >>= 7) bytes[size++] = static_cast<char>(bits | 0x80);
  bytes[size++] = static_cast<char>(bits);
  out->append(bytes, size);
}

std::uint64_t Zigzag(std::int64_t value) { return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63); }

bool IsWhole(Type::type id) { return id >= Type::UINT8 && id <= Type::INT64; }
bool HasTicks(Type::type id) { return id == Type::TIMESTAMP || id == Type::TIME64 || id == Type::DURATION; }

int WireOf(const Field& field) {
  switch (field.type()) {
    case Field::TYPE_DOUBLE:
    case Field::TYPE_FIXED64:
    case Field::TYPE_SFIXED64:
      return 1;
    case Field::TYPE_FLOAT:
    case Field::TYPE_FIXED32:
    case Field::TYPE_SFIXED32:
      return 5;
    case Field::TYPE_STRING:
    case Field::TYPE_BYTES:
    case Field::TYPE_MESSAGE:
      return 2;
    default:
      return 0;
  }
}

Status DoesNotGo(const arrow::Field& column, const Field& field) {
  const std::string type = field.type() == Field::TYPE_MESSAGE ? field.message_type()->full_name() : field.type_name();
  return Status::Invalid(fmt::format("column \"{}\": {} does not go into the schema's type {}{}", column.name(), column.type()->ToString(),
                                     field.is_repeated() ? "repeated " : "", type));
}

bool IntoScalar(const arrow::DataType& from, const Field& field, Put* put) {
  const Type::type id = from.id();
  switch (field.type()) {
    case Field::TYPE_BOOL:
      put->what = Do::kBool;
      return id == Type::BOOL;
    case Field::TYPE_FLOAT:
      put->what = Do::kFloat;
      return id == Type::FLOAT;
    case Field::TYPE_DOUBLE:
      put->what = Do::kDouble;
      return id == Type::FLOAT || id == Type::DOUBLE;
    case Field::TYPE_STRING:
      put->what = id == Type::STRING ? Do::kText : Do::kScalarText;
      return id == Type::STRING || HasTicks(id) || id == Type::DATE32 || id == Type::DECIMAL128;
    case Field::TYPE_BYTES:
      put->what = Do::kText;
      return id == Type::BINARY;
    case Field::TYPE_ENUM:
      put->what = id == Type::STRING ? Do::kEnum : Do::kWhole;
      for (int i = 0; i < field.enum_type()->value_count(); ++i)
        put->symbols.emplace(field.enum_type()->value(i)->name(), field.enum_type()->value(i)->number());
      return id == Type::STRING || IsWhole(id);
    case Field::TYPE_GROUP:
    case Field::TYPE_MESSAGE:
      return false;
    default:
      put->what = HasTicks(id) ? Do::kTicks : Do::kWhole;
      return IsWhole(id) || HasTicks(id) || id == Type::DATE32;
  }
}

bool IsWrapper(const pb::Descriptor& message) {
  return message.full_name().starts_with("google.protobuf.") && message.full_name().ends_with("Value") && message.field_count() == 1;
}

std::string TagOf(const Field& field, int wire) {
  std::string tag;
  PutVarint(static_cast<std::uint64_t>(field.number()) << 3 | static_cast<std::uint64_t>(wire), &tag);
  return tag;
}

Result<std::vector<Put>> CompileMessage(const arrow::FieldVector& columns, const pb::Descriptor& message);

/// One value: of the field, or an item of it when it is repeated.
Status CompileValue(const arrow::Field& column, const Field& field, Put* put) {
  const arrow::DataType& from = *column.type();
  put->field = &field;
  put->name = column.name();
  put->tag = TagOf(field, WireOf(field));
  if (column.name() == columnar::kRowKindColumn) {
    put->what = Do::kKind;
    return field.type() == Field::TYPE_STRING ? Status::OK() : DoesNotGo(column, field);
  }
  if (field.type() != Field::TYPE_MESSAGE) return IntoScalar(from, field, put) ? Status::OK() : DoesNotGo(column, field);
  const pb::Descriptor& message = *field.message_type();
  if ((message.full_name() == "google.protobuf.Timestamp" && from.id() == Type::TIMESTAMP) ||
      (message.full_name() == "google.protobuf.Duration" && from.id() == Type::DURATION)) {
    put->what = Do::kTime;
    return Status::OK();
  }
  if (from.id() == Type::STRUCT) {
    put->what = Do::kMessage;
    HR_ASSIGN_OR_RAISE(put->inside, CompileMessage(from.fields(), message));
    return Status::OK();
  }
  if (!IsWrapper(message)) return DoesNotGo(column, field);
  put->what = Do::kWrapper;
  put->inside.emplace_back();
  put->inside[0].name = column.name();
  put->inside[0].field = message.field(0);
  put->inside[0].tag = TagOf(*message.field(0), WireOf(*message.field(0)));
  return IntoScalar(from, *message.field(0), &put->inside[0]) ? Status::OK() : DoesNotGo(column, field);
}

Result<std::vector<Put>> CompileMessage(const arrow::FieldVector& columns, const pb::Descriptor& message) {
  std::vector<Put> puts;
  for (const auto& column : columns) {
    const Field* field = message.FindFieldByName(column->name());
    if (field == nullptr)
      return Status::Invalid(fmt::format("the message {} has no field for column \"{}\"", message.full_name(), column->name()));
    Put put;
    put.repeated = field->is_repeated();
    if (put.repeated && column->type()->id() != Type::LIST) return DoesNotGo(*column, *field);
    const auto item = put.repeated ? column->type()->field(0)->WithName(column->name()) : column;
    HR_RETURN_NOT_OK(CompileValue(*item, *field, &put));
    put.packed = field->is_packed();
    if (put.packed) put.tag = TagOf(*field, 2);
    puts.push_back(std::move(put));
  }
  for (int i = 0; i < message.field_count(); ++i) {
    const Field& field = *message.field(i);
    const bool given = std::any_of(puts.begin(), puts.end(), [&](const Put& put) { return put.field == &field; });
    if (field.is_required() && !given)
      return Status::Invalid(
          fmt::format("the message {} requires the field \"{}\", and the rows have no such column", message.full_name(), field.name()));
  }
  std::sort(puts.begin(), puts.end(), [](const Put& a, const Put& b) { return a.field->number() < b.field->number(); });
  return puts;
}

void BindValue(const arrow::Array& array, Put* put) {
  put->column = ColumnView::Of(array);
  if (put->what == Do::kWrapper) put->inside[0].column = put->column;
  if (put->what != Do::kMessage) return;
  const auto& rows = static_cast<const arrow::StructArray&>(array);
  for (Put& inside : put->inside) {
    const arrow::Array& child = *rows.field(static_cast<const arrow::StructType&>(*array.type()).GetFieldIndex(inside.name));
    if (inside.repeated) inside.list = ColumnView::Of(child);
    BindValue(inside.repeated ? *static_cast<const arrow::ListArray&>(child).values() : child, &inside);
  }
}

Status DoesNotFit(const Put& put) {
  return Status::Invalid(fmt::format("column \"{}\": a value does not fit the schema's type {}", put.name, put.field->type_name()));
}

bool Between(std::int64_t value, std::int64_t low, std::int64_t high) { return value >= low && value <= high; }

/// Without a tag; `value` is of a uint64 column's bits when `is_unsigned`.
Status PutWhole(const Put& put, std::int64_t value, bool is_unsigned, std::string* out) {
  using Limits32 = std::numeric_limits<std::int32_t>;
  const Field::Type type = put.field->type();
  const bool into_u64 = type == Field::TYPE_UINT64 || type == Field::TYPE_FIXED64;
  if (into_u64 ? (value < 0 && !is_unsigned) : (is_unsigned && value < 0)) return DoesNotFit(put);
  switch (type) {
    case Field::TYPE_INT32:
    case Field::TYPE_ENUM:
    case Field::TYPE_SINT32:
    case Field::TYPE_SFIXED32:
      if (!Between(value, Limits32::min(), Limits32::max())) return DoesNotFit(put);
      break;
    case Field::TYPE_UINT32:
    case Field::TYPE_FIXED32:
      if (!Between(value, 0, std::numeric_limits<std::uint32_t>::max())) return DoesNotFit(put);
      break;
    default:
      break;
  }
  const int wire = WireOf(*put.field);
  if (wire == 0) {
    const bool zigzag = type == Field::TYPE_SINT32 || type == Field::TYPE_SINT64;
    PutVarint(zigzag ? Zigzag(value) : static_cast<std::uint64_t>(value), out);
  } else {
    out->append(reinterpret_cast<const char*>(&value), wire == 1 ? 8 : 4);
  }
  return Status::OK();
}

/// google.protobuf.Timestamp and Duration: seconds and nanoseconds; those of a negative duration are both negative.
void PutTime(const ColumnView& column, std::int64_t ticks, std::string* out) {
  const std::int64_t per_second = column.ticks_per_second;
  const bool truncates = column.type == Type::DURATION;
  const std::int64_t seconds = truncates ? ticks / per_second : FloorDiv(ticks, per_second);
  const std::int64_t nanos = (ticks - seconds * per_second) * (1'000'000'000 / per_second);
  if (seconds != 0) {
    out->push_back('\x08');
    PutVarint(static_cast<std::uint64_t>(seconds), out);
  }
  if (nanos == 0) return;
  out->push_back('\x10');
  PutVarint(static_cast<std::uint64_t>(nanos), out);
}

void PutSized(std::string_view bytes, std::string* out) {
  PutVarint(bytes.size(), out);
  out->append(bytes);
}

Status PutMessage(Put* put, std::int64_t row, std::string* out);

/// A value that is not null, without its tag.
Status PutValue(Put* put, std::int64_t row, std::string* out) {
  const ColumnView& column = put->column;
  switch (put->what) {
    case Do::kBool:
      out->push_back(column.Bool(row) ? '\1' : '\0');
      return Status::OK();
    case Do::kWhole:
      return PutWhole(*put, column.Whole(row), column.type == Type::UINT64, out);
    case Do::kTicks: {
      std::int64_t ticks = column.At<std::int64_t>(row);
      if (column.ticks_per_second == 1 && __builtin_mul_overflow(ticks, 1000, &ticks)) return DoesNotFit(*put);
      return PutWhole(*put, column.ticks_per_second == 1 ? ticks : FloorDiv(ticks, column.ticks_per_second / 1000), false, out);
    }
    case Do::kFloat:
      out->append(static_cast<const char*>(column.values) + row * 4, 4);
      return Status::OK();
    case Do::kDouble: {
      const double value = column.type == Type::FLOAT ? static_cast<double>(column.At<float>(row)) : column.At<double>(row);
      out->append(reinterpret_cast<const char*>(&value), 8);
      return Status::OK();
    }
    case Do::kText:
      PutSized(column.Bytes(row), out);
      return Status::OK();
    case Do::kEnum: {
      const auto symbol = put->symbols.find(column.Bytes(row));
      if (symbol == put->symbols.end())
        return Status::Invalid(fmt::format("column \"{}\": \"{:.60}\" is no symbol of the schema's {}", put->name, column.Bytes(row),
                                           put->field->enum_type()->full_name()));
      PutVarint(static_cast<std::uint64_t>(static_cast<std::int64_t>(symbol->second)), out);
      return Status::OK();
    }
    case Do::kKind:
      PutSized(columnar::NameOf(column.values == nullptr ? columnar::RowKind::kInsert
                                                         : static_cast<columnar::RowKind>(column.At<std::uint8_t>(row))),
               out);
      return Status::OK();
    default:
      break;
  }
  put->message.clear();
  if (put->what == Do::kScalarText)
    AppendScalarText(column, row, &put->message);
  else if (put->what == Do::kTime)
    PutTime(column, column.At<std::int64_t>(row), &put->message);
  else
    HR_RETURN_NOT_OK(PutMessage(put, row, &put->message));
  PutSized(put->message, out);
  return Status::OK();
}

/// Whether a field that is not told from its default has it: such fields are left out.
bool IsDefault(const Put& put, std::string_view written) {
  if (put.what == Do::kMessage || put.what == Do::kWrapper || put.what == Do::kTime) return false;
  return written.find_first_not_of('\0') == std::string_view::npos;
}

Status PutItems(Put* put, std::int64_t row, std::string* out) {
  const std::int32_t start = put->list.At<std::int32_t>(row), end = put->list.At<std::int32_t>(row + 1);
  std::string packed;
  for (std::int32_t i = start; i < end; ++i) {
    if (put->column.IsNull(i))
      return Status::Invalid(fmt::format("column \"{}\": an item is null, which a repeated field cannot hold", put->name));
    if (!put->packed) out->append(put->tag);
    HR_RETURN_NOT_OK(PutValue(put, i, put->packed ? &packed : out));
  }
  if (!put->packed || end == start) return Status::OK();
  out->append(put->tag);
  PutSized(packed, out);
  return Status::OK();
}

Status PutField(Put* put, std::int64_t row, std::string* out) {
  const ColumnView& column = put->repeated ? put->list : put->column;
  if (column.array != nullptr && column.IsNull(row)) {
    if (put->repeated || (put->field->has_presence() && !put->field->is_required())) return Status::OK();
    return Status::Invalid(fmt::format("column \"{}\" is null, but the schema's field cannot be absent; declare it optional", put->name));
  }
  if (put->repeated) return PutItems(put, row, out);
  const std::size_t before = out->size();
  out->append(put->tag);
  HR_RETURN_NOT_OK(PutValue(put, row, out));
  if (!put->field->has_presence() && IsDefault(*put, std::string_view(*out).substr(before + put->tag.size()))) out->resize(before);
  return Status::OK();
}

Status PutMessage(Put* put, std::int64_t row, std::string* out) {
  for (Put& field : put->inside) HR_RETURN_NOT_OK(PutField(&field, row, out));
  return Status::OK();
}

}  // namespace

ProtobufRowWriter::ProtobufRowWriter() = default;
ProtobufRowWriter::~ProtobufRowWriter() = default;

Result<std::unique_ptr<ProtobufRowWriter>> ProtobufRowWriter::Make(const arrow::Schema& rows, std::shared_ptr<const ProtobufSchema> schema,
                                                                   const pb::Descriptor& message) {
  arrow::FieldVector columns;
  for (const auto& field : rows.fields())
    if (!field->name().starts_with("__") || field->name() == columnar::kRowKindColumn) columns.push_back(field);
  std::unique_ptr<ProtobufRowWriter> made(new ProtobufRowWriter());
  made->root_ = std::make_unique<Put>();
  HR_ASSIGN_OR_RAISE(made->root_->inside, CompileMessage(columns, message));
  made->schema_ = std::move(schema);
  return made;
}

Status ProtobufRowWriter::Bind(const arrow::RecordBatch& rows) {
  for (Put& put : root_->inside) {
    const auto column = rows.GetColumnByName(put.name);
    put.column = put.list = {};
    if (column == nullptr) {
      if (put.what == Do::kKind) continue;  // a batch without kinds holds inserts
      return Status::Invalid(fmt::format("the rows have no column \"{}\"", put.name));
    }
    if (put.repeated) put.list = ColumnView::Of(*column);
    BindValue(put.repeated ? *static_cast<const arrow::ListArray&>(*column).values() : *column, &put);
  }
  return Status::OK();
}

Status ProtobufRowWriter::Append(std::int64_t row, std::string* out) { return PutMessage(root_.get(), row, out); }

}  // namespace headrace::data::format
