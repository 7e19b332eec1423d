#include "data/format/protobuf_rows.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/utf8.h"

namespace headrace::data::format {

namespace pb = google::protobuf;
using Kind = ColumnBuilder::Kind;
using Type = pb::FieldDescriptor::Type;

/// One field that a column wants.
struct ProtobufField {
  int number = 0;
  int column = -1;
  Type type = pb::FieldDescriptor::TYPE_INT64;
  bool repeated = false;
  bool has_presence = true;  ///< its absence can be told from its default
  const pb::EnumDescriptor* symbols = nullptr;
  enum class Message { kNone, kStruct, kTime, kWrapper } message = Message::kNone;
  std::unique_ptr<ProtobufMessagePlan> inside;  ///< kStruct: of its columns; kWrapper: of its one field, into the column itself
};

struct ProtobufMessagePlan {
  std::vector<ProtobufField> fields;  ///< by number
  std::vector<int> absent;            ///< columns without a field
  std::vector<std::uint64_t> seen;    ///< by field: the message that had it last
  std::uint64_t messages = 0;
};

namespace {

constexpr int kMaxDepth = 64;
enum Wire : int { kVarint = 0, kFixed64 = 1, kBytes = 2, kGroup = 3, kEndGroup = 4, kFixed32 = 5 };

bool IsInteger(Kind kind) { return kind >= Kind::kInt8 && kind <= Kind::kUint64; }
bool IsFloat(Kind kind) { return kind == Kind::kFloat32 || kind == Kind::kFloat64; }
bool HasTicks(Kind kind) { return kind == Kind::kTimestamp || kind == Kind::kDuration || kind == Kind::kTime; }

bool ScalarGoesInto(Type type, Kind kind) {
  switch (type) {
    case pb::FieldDescriptor::TYPE_DOUBLE:
    case pb::FieldDescriptor::TYPE_FLOAT:
      return IsFloat(kind);
    case pb::FieldDescriptor::TYPE_BOOL:
      return kind == Kind::kBool;
    case pb::FieldDescriptor::TYPE_STRING:
      return kind != Kind::kList && kind != Kind::kStruct && kind != Kind::kValue && kind != Kind::kBool;
    case pb::FieldDescriptor::TYPE_BYTES:
      return kind == Kind::kBinary;
    case pb::FieldDescriptor::TYPE_ENUM:
      return kind == Kind::kText || IsInteger(kind);
    case pb::FieldDescriptor::TYPE_MESSAGE:
    case pb::FieldDescriptor::TYPE_GROUP:
      return false;
    default:
      return IsInteger(kind) || IsFloat(kind) || HasTicks(kind) || kind == Kind::kDate;
  }
}

Status DoesNotGo(const pb::FieldDescriptor& field, const ColumnBuilder& column) {
  const std::string type = field.type() == pb::FieldDescriptor::TYPE_MESSAGE ? field.message_type()->full_name() : field.type_name();
  return Status::Invalid(fmt::format("column \"{}\": the writer's type {}{} does not go into {}", column.name(),
                                     field.is_repeated() ? "repeated " : "", type, column.type_name()));
}

bool IsWrapper(const pb::Descriptor& message) {
  const std::string& name = message.full_name();
  return name.starts_with("google.protobuf.") && name.ends_with("Value") && message.field_count() == 1;
}

Result<std::unique_ptr<ProtobufMessagePlan>> CompileMessage(const pb::Descriptor& message, std::vector<ColumnBuilder>& columns);

Status CompileInside(const pb::FieldDescriptor& field, ColumnBuilder& column, ProtobufField* out) {
  const pb::Descriptor& message = *field.message_type();
  if ((message.full_name() == "google.protobuf.Timestamp" && column.kind() == Kind::kTimestamp) ||
      (message.full_name() == "google.protobuf.Duration" && column.kind() == Kind::kDuration)) {
    out->message = ProtobufField::Message::kTime;
    return Status::OK();
  }
  if (column.kind() == Kind::kStruct) {
    out->message = ProtobufField::Message::kStruct;
    HR_ASSIGN_OR_RAISE(out->inside, CompileMessage(message, column.children()));
    return Status::OK();
  }
  if (!IsWrapper(message) || !ScalarGoesInto(message.field(0)->type(), column.kind())) return DoesNotGo(field, column);
  out->message = ProtobufField::Message::kWrapper;
  out->inside = std::make_unique<ProtobufMessagePlan>();
  ProtobufField value;
  value.number = 1;
  value.column = 0;
  value.type = message.field(0)->type();
  value.has_presence = false;
  out->inside->fields.push_back(std::move(value));
  out->inside->seen.resize(1);
  return Status::OK();
}

Result<ProtobufField> CompileField(const pb::FieldDescriptor& field, int index, ColumnBuilder& column) {
  ProtobufField out;
  out.number = field.number();
  out.column = index;
  out.type = field.type();
  out.repeated = field.is_repeated();
  out.has_presence = field.has_presence();
  if (field.type() == pb::FieldDescriptor::TYPE_ENUM) out.symbols = field.enum_type();
  if (out.repeated && column.kind() != Kind::kList) return DoesNotGo(field, column);
  ColumnBuilder& value = out.repeated ? column.items() : column;
  if (field.type() == pb::FieldDescriptor::TYPE_MESSAGE) {
    HR_RETURN_NOT_OK(CompileInside(field, value, &out));
  } else if (!ScalarGoesInto(field.type(), value.kind())) {
    return DoesNotGo(field, column);
  }
  return out;
}

Result<std::unique_ptr<ProtobufMessagePlan>> CompileMessage(const pb::Descriptor& message, std::vector<ColumnBuilder>& columns) {
  auto plan = std::make_unique<ProtobufMessagePlan>();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const pb::FieldDescriptor* field = message.FindFieldByName(columns[i].name());
    if (field != nullptr) {
      HR_ASSIGN_OR_RAISE(ProtobufField made, CompileField(*field, static_cast<int>(i), columns[i]));
      plan->fields.push_back(std::move(made));
      continue;
    }
    if (!columns[i].nullable())
      return Status::Invalid(fmt::format("the message {} has no field \"{}\", and the column's type {} has no null", message.full_name(),
                                         columns[i].name(), columns[i].type_name()));
    plan->absent.push_back(static_cast<int>(i));
  }
  std::sort(plan->fields.begin(), plan->fields.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
  plan->seen.resize(plan->fields.size());
  return plan;
}

Status TooShort() { return Status::Invalid("the message ends too early"); }

Status Varint(std::string_view* bytes, std::uint64_t* out) {
  *out = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (bytes->empty()) return TooShort();
    const auto byte = static_cast<std::uint8_t>((*bytes)[0]);
    bytes->remove_prefix(1);
    if (shift < 64) *out |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return Status::OK();
  }
  return Status::Invalid("a number has too many bytes");
}

Status Take(std::string_view* bytes, std::uint64_t size, std::string_view* out) {
  if (size > bytes->size()) return TooShort();
  *out = bytes->substr(0, size);
  bytes->remove_prefix(size);
  return Status::OK();
}

Status Delimited(std::string_view* bytes, std::string_view* out) {
  std::uint64_t size = 0;
  HR_RETURN_NOT_OK(Varint(bytes, &size));
  return Take(bytes, size, out);
}

Status Skip(std::string_view* bytes, int wire, int number, int depth) {
  std::uint64_t whole = 0;
  std::string_view raw;
  switch (wire) {
    case kVarint:
      return Varint(bytes, &whole);
    case kFixed64:
      return Take(bytes, 8, &raw);
    case kFixed32:
      return Take(bytes, 4, &raw);
    case kBytes:
      return Delimited(bytes, &raw);
    case kGroup:
      break;
    default:
      return Status::Invalid("a field has the unknown wire type ", wire);
  }
  if (depth > kMaxDepth) return Status::Invalid("nested too deeply");
  while (true) {
    HR_RETURN_NOT_OK(Varint(bytes, &whole));
    const int inner = static_cast<int>(whole >> 3);
    if ((whole & 7) == kEndGroup) return inner == number ? Status::OK() : Status::Invalid("a group ends with another one's number");
    HR_RETURN_NOT_OK(Skip(bytes, static_cast<int>(whole & 7), inner, depth + 1));
  }
}

int WireOf(Type type) {
  switch (type) {
    case pb::FieldDescriptor::TYPE_DOUBLE:
    case pb::FieldDescriptor::TYPE_FIXED64:
    case pb::FieldDescriptor::TYPE_SFIXED64:
      return kFixed64;
    case pb::FieldDescriptor::TYPE_FLOAT:
    case pb::FieldDescriptor::TYPE_FIXED32:
    case pb::FieldDescriptor::TYPE_SFIXED32:
      return kFixed32;
    case pb::FieldDescriptor::TYPE_STRING:
    case pb::FieldDescriptor::TYPE_BYTES:
    case pb::FieldDescriptor::TYPE_MESSAGE:
      return kBytes;
    case pb::FieldDescriptor::TYPE_GROUP:
      return kGroup;
    default:
      return kVarint;
  }
}

/// A number as it stands in the bytes, by its type's wire form.
Status Bits(std::string_view* bytes, Type type, std::uint64_t* out) {
  std::string_view raw;
  *out = 0;
  switch (WireOf(type)) {
    case kVarint:
      return Varint(bytes, out);
    case kFixed64:
      HR_RETURN_NOT_OK(Take(bytes, 8, &raw));
      break;
    default:
      HR_RETURN_NOT_OK(Take(bytes, 4, &raw));
      break;
  }
  std::memcpy(out, raw.data(), raw.size());
  return Status::OK();
}

bool AppendWhole(std::int64_t value, ColumnBuilder* column) {
  if (IsFloat(column->kind())) {
    column->AppendFloat(static_cast<double>(value));
    return true;
  }
  if (HasTicks(column->kind())) return column->AppendTicks(value, 1000);  // ms, as in JSON
  return column->kind() == Kind::kDate ? column->AppendTicks(value) : column->AppendInteger(value);
}

Status AppendNumber(const ProtobufField& field, std::uint64_t bits, ColumnBuilder* column) {
  std::int64_t whole = 0;
  switch (field.type) {
    case pb::FieldDescriptor::TYPE_DOUBLE: {
      double value = 0;
      std::memcpy(&value, &bits, 8);
      column->AppendFloat(value);
      return Status::OK();
    }
    case pb::FieldDescriptor::TYPE_FLOAT: {
      float value = 0;
      std::memcpy(&value, &bits, 4);
      column->AppendFloat(static_cast<double>(value));
      return Status::OK();
    }
    case pb::FieldDescriptor::TYPE_BOOL:
      column->AppendBool(bits != 0);
      return Status::OK();
    case pb::FieldDescriptor::TYPE_UINT64:
    case pb::FieldDescriptor::TYPE_FIXED64:
      if (IsInteger(column->kind())) return column->AppendUnsigned(bits) ? Status::OK() : DoesNotFit(*column, std::to_string(bits));
      if (bits >> 63 != 0) return DoesNotFit(*column, std::to_string(bits));
      whole = static_cast<std::int64_t>(bits);
      break;
    case pb::FieldDescriptor::TYPE_SINT32:
    case pb::FieldDescriptor::TYPE_SINT64:
      whole = static_cast<std::int64_t>(bits >> 1) ^ -static_cast<std::int64_t>(bits & 1);
      break;
    case pb::FieldDescriptor::TYPE_UINT32:
    case pb::FieldDescriptor::TYPE_FIXED32:
      whole = static_cast<std::uint32_t>(bits);
      break;
    case pb::FieldDescriptor::TYPE_INT32:
    case pb::FieldDescriptor::TYPE_SFIXED32:
    case pb::FieldDescriptor::TYPE_ENUM:
      whole = static_cast<std::int32_t>(bits);
      break;
    default:
      whole = static_cast<std::int64_t>(bits);
      break;
  }
  if (field.symbols != nullptr && column->kind() == Kind::kText) {
    const pb::EnumValueDescriptor* symbol = field.symbols->FindValueByNumber(static_cast<int>(whole));
    const std::string unknown = symbol == nullptr ? std::to_string(whole) : std::string();  // of a newer schema
    return column->AppendBytes(symbol == nullptr ? unknown : symbol->name()) ? Status::OK() : DoesNotFit(*column, unknown);
  }
  return AppendWhole(whole, column) ? Status::OK() : DoesNotFit(*column, std::to_string(whole));
}

Status AppendDefault(const ProtobufField& field, ColumnBuilder* column) {
  if (field.type == pb::FieldDescriptor::TYPE_STRING || field.type == pb::FieldDescriptor::TYPE_BYTES) {
    if (column->kind() == Kind::kText || column->kind() == Kind::kBinary)
      return column->AppendBytes({}) ? Status::OK() : DoesNotFit(*column, "");
    if (!column->nullable()) return NullRefused(*column, /*absent=*/true);
    column->AppendNull();  // no text is no number, date or time
    return Status::OK();
  }
  return AppendNumber(field, 0, column);
}

Status Message(std::string_view bytes, ProtobufMessagePlan* plan, ColumnBuilder* columns, int depth);

/// google.protobuf.Timestamp and Duration: seconds (1) and nanos (2).
Status Time(std::string_view bytes, ColumnBuilder* column) {
  std::int64_t seconds = 0, nanos = 0;
  while (!bytes.empty()) {
    std::uint64_t tag = 0, value = 0;
    HR_RETURN_NOT_OK(Varint(&bytes, &tag));
    if (tag != 8 && tag != 16) {
      HR_RETURN_NOT_OK(Skip(&bytes, static_cast<int>(tag & 7), static_cast<int>(tag >> 3), 0));
      continue;
    }
    HR_RETURN_NOT_OK(Varint(&bytes, &value));
    (tag == 8 ? seconds : nanos) = static_cast<std::int64_t>(value);
  }
  std::int64_t ticks = 0;
  const std::int64_t per_second = column->ticks_per_second();
  const bool fits = nanos > -1'000'000'000 && nanos < 1'000'000'000 && !__builtin_mul_overflow(seconds, per_second, &ticks) &&
                    !__builtin_add_overflow(ticks, nanos / (1'000'000'000 / per_second), &ticks) && column->AppendTicks(ticks);
  return fits ? Status::OK() : DoesNotFit(*column, fmt::format("{} s and {} ns", seconds, nanos));
}

/// One value of the field, which is the next in `bytes`.
Status Value(std::string_view* bytes, ProtobufField* field, ColumnBuilder* column, int depth) {
  if (WireOf(field->type) != kBytes) {
    std::uint64_t bits = 0;
    HR_RETURN_NOT_OK(Bits(bytes, field->type, &bits));
    return AppendNumber(*field, bits, column);
  }
  std::string_view raw;
  HR_RETURN_NOT_OK(Delimited(bytes, &raw));
  switch (field->message) {
    case ProtobufField::Message::kTime:
      return Time(raw, column);
    case ProtobufField::Message::kWrapper:
      return Message(raw, field->inside.get(), column, depth + 1);
    case ProtobufField::Message::kStruct:
      HR_RETURN_NOT_OK(Message(raw, field->inside.get(), column->children().data(), depth + 1));
      column->CloseStruct();
      return Status::OK();
    case ProtobufField::Message::kNone:
      break;
  }
  if (field->type == pb::FieldDescriptor::TYPE_BYTES) return column->AppendBytes(raw) ? Status::OK() : DoesNotFit(*column, "so much");
  if (!IsUtf8(raw)) return Status::Invalid(fmt::format("column \"{}\": text is not UTF-8", column->name()));
  return column->AppendText(raw) ? Status::OK() : DoesNotFit(*column, raw);
}

Status Field(std::string_view* bytes, int wire, ProtobufField* field, bool again, ColumnBuilder* column, int depth) {
  const int expected = WireOf(field->type);
  if (field->repeated) {
    if (wire == kBytes && expected != kBytes) {  // packed
      std::string_view packed;
      HR_RETURN_NOT_OK(Delimited(bytes, &packed));
      while (!packed.empty()) HR_RETURN_NOT_OK(Value(&packed, field, &column->items(), depth));
      return Status::OK();
    }
    if (wire != expected) return Skip(bytes, wire, field->number, depth);
    return Value(bytes, field, &column->items(), depth);
  }
  if (again) column->Truncate(column->rows() - 1);
  return Value(bytes, field, column, depth);
}

/// The fields that did not come, and the ends of lists.
Status Complete(ProtobufMessagePlan* plan, ColumnBuilder* columns, std::uint64_t number) {
  for (std::size_t i = 0; i < plan->fields.size(); ++i) {
    const ProtobufField& field = plan->fields[i];
    ColumnBuilder& column = columns[field.column];
    if (field.repeated) {
      column.CloseList();
    } else if (plan->seen[i] != number) {
      if (!field.has_presence) {
        HR_RETURN_NOT_OK(AppendDefault(field, &column));
      } else if (!column.nullable()) {
        return NullRefused(column, /*absent=*/true);
      } else {
        column.AppendNull();
      }
    }
  }
  for (const int absent : plan->absent) columns[absent].AppendNull();
  return Status::OK();
}

Status Message(std::string_view bytes, ProtobufMessagePlan* plan, ColumnBuilder* columns, int depth) {
  if (depth > kMaxDepth) return Status::Invalid("nested too deeply");
  const std::uint64_t number = ++plan->messages;
  std::size_t guess = 0;  // fields come by number, mostly
  while (!bytes.empty()) {
    std::uint64_t tag = 0;
    HR_RETURN_NOT_OK(Varint(&bytes, &tag));
    const int field_number = static_cast<int>(tag >> 3), wire = static_cast<int>(tag & 7);
    if (tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF) return Status::Invalid("a field has the number ", tag >> 3);
    if (guess >= plan->fields.size() || plan->fields[guess].number != field_number) {
      guess = static_cast<std::size_t>(
          std::lower_bound(plan->fields.begin(), plan->fields.end(), field_number, [](const auto& f, int n) { return f.number < n; }) -
          plan->fields.begin());
      if (guess >= plan->fields.size() || plan->fields[guess].number != field_number) {
        HR_RETURN_NOT_OK(Skip(&bytes, wire, field_number, depth));
        continue;
      }
    }
    ProtobufField& field = plan->fields[guess];
    if (!field.repeated && wire != WireOf(field.type)) {
      HR_RETURN_NOT_OK(Skip(&bytes, wire, field_number, depth));
      continue;
    }
    const bool again = plan->seen[guess] == number;
    plan->seen[guess] = number;
    HR_RETURN_NOT_OK(Field(&bytes, wire, &field, again, &columns[field.column], depth));
    if (!field.repeated) ++guess;
  }
  return Complete(plan, columns, number);
}

}  // namespace

ProtobufPlan::ProtobufPlan() = default;
ProtobufPlan::~ProtobufPlan() = default;

Result<std::unique_ptr<ProtobufPlan>> ProtobufPlan::Make(std::shared_ptr<const ProtobufSchema> schema, const pb::Descriptor& message,
                                                         std::vector<ColumnBuilder>& columns) {
  std::unique_ptr<ProtobufPlan> made(new ProtobufPlan());
  HR_ASSIGN_OR_RAISE(made->root_, CompileMessage(message, columns));
  made->schema_ = std::move(schema);
  return made;
}

Result<std::unique_ptr<ProtobufRowDecoder>> ProtobufRowDecoder::Make(const std::shared_ptr<arrow::Schema>& schema) {
  HR_ASSIGN_OR_RAISE(RowColumns rows, RowColumns::Make(schema));
  return std::unique_ptr<ProtobufRowDecoder>(new ProtobufRowDecoder(std::move(rows)));
}

Status ProtobufRowDecoder::Append(std::string_view record, ProtobufPlan* plan) {
  const Status status = Message(record, plan->root_.get(), rows_.columns().data(), 0);
  if (status.ok())
    rows_.CloseRow();
  else
    rows_.DropRow();
  return status;
}

}  // namespace headrace::data::format
