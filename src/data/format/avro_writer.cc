#include "data/format/avro_writer.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "columnar/data_batch.h"
#include "columnar/row_kind.h"
#include "data/format/column_view.h"

namespace headrace::data::format {

/// What is done for one value of a schema.
struct AvroPut {
  enum class Do : std::uint8_t {
    kConstant,
    kBool,
    kWhole,
    kTicks,
    kFloat,
    kDouble,
    kText,
    kScalarText,
    kBytes,
    kDecimal,
    kEnum,
    kStruct,
    kList,
    kMap,
    kKind,
  };
  Do what = Do::kConstant;
  const AvroType* type = nullptr;  ///< of the branch, when it is a union's
  std::string name;                ///< of the column
  std::int64_t branch = -1, null_branch = -1;
  std::int64_t ticks_per_second = 0;
  std::string constant;         ///< kConstant; fields without a column
  std::vector<AvroPut> inside;  ///< kStruct: by field; kList, kMap: one
  std::map<std::string, std::int64_t, std::less<>> symbols;
  ColumnView column;
};

namespace {

using Json = nlohmann::json;
using Do = AvroPut::Do;
using Kind = AvroType::Kind;
using Logical = AvroType::Logical;
using arrow::Type;
constexpr int kMaxDepth = 60;

void PutLong(std::int64_t value, std::string* out) {
  auto bits = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  char bytes[10];
  std::size_t size = 0;
  for (; bits >= 0x80; bits >>= 7) bytes[size++] = static_cast<char>(bits | 0x80);
  bytes[size++] = static_cast<char>(bits);
  out->append(bytes, size);
}

void PutBytes(std::string_view bytes, std::string* out) {
  PutLong(static_cast<std::int64_t>(bytes.size()), out);
  out->append(bytes);
}

bool IsWhole(Type::type id) { return id >= Type::UINT8 && id <= Type::INT64; }
bool HasTicks(Type::type id) { return id == Type::TIMESTAMP || id == Type::TIME64 || id == Type::DURATION; }
bool IsScalarText(Type::type id) { return HasTicks(id) || id == Type::DECIMAL128 || id == Type::DATE32; }

Status DoesNotGo(const arrow::Field& column, const AvroType& type) {
  return Status::Invalid(
      fmt::format("column \"{}\": {} does not go into the schema's type {}", column.name(), column.type()->ToString(), type.name));
}

/// Whole numbers of Avro, with their logical types.
bool IntoLong(const arrow::DataType& from, const AvroType& type, AvroPut* put) {
  const bool stamp = type.logical == Logical::kTimestamp || type.logical == Logical::kLocalTimestamp;
  put->what = Do::kWhole;
  if (IsWhole(from.id())) return type.logical == Logical::kNone;
  if (from.id() == Type::DATE32) return type.logical == Logical::kDate || type.logical == Logical::kNone;
  put->what = Do::kTicks;
  put->ticks_per_second = type.ticks_per_second == 0 ? 1000 : type.ticks_per_second;
  if (type.logical == Logical::kNone) return HasTicks(from.id());
  return (from.id() == Type::TIMESTAMP && stamp) || (from.id() == Type::TIME64 && type.logical == Logical::kTime);
}

bool IntoScalar(const arrow::DataType& from, const AvroType& type, AvroPut* put) {
  const Type::type id = from.id();
  switch (type.kind) {
    case Kind::kBoolean:
      put->what = Do::kBool;
      return id == Type::BOOL;
    case Kind::kInt:
    case Kind::kLong:
      return IntoLong(from, type, put);
    case Kind::kFloat:
      put->what = Do::kFloat;
      return id == Type::FLOAT;
    case Kind::kDouble:
      put->what = Do::kDouble;
      return id == Type::FLOAT || id == Type::DOUBLE;
    case Kind::kString:
      put->what = id == Type::STRING ? Do::kText : Do::kScalarText;
      return id == Type::STRING || IsScalarText(id);
    case Kind::kEnum:
      put->what = Do::kEnum;
      for (std::size_t i = 0; i < type.symbols.size(); ++i) put->symbols.emplace(type.symbols[i], i);
      return id == Type::STRING;
    case Kind::kBytes:
    case Kind::kFixed:
      put->what = id == Type::DECIMAL128 ? Do::kDecimal : Do::kBytes;
      if (id != Type::DECIMAL128) return id == Type::BINARY && type.logical == Logical::kNone;
      return type.logical == Logical::kDecimal && type.scale == static_cast<const arrow::Decimal128Type&>(from).scale();
    default:
      return false;
  }
}

Status PutDefault(const Json& value, const AvroType& type, int depth, std::string* out);

Status PutDefaultItems(const Json& value, const AvroType& type, int depth, std::string* out) {
  if (!value.empty()) PutLong(static_cast<std::int64_t>(value.size()), out);
  for (const auto& [key, item] : value.items()) {
    if (type.kind == Kind::kMap) PutBytes(key, out);
    HR_RETURN_NOT_OK(PutDefault(item, *type.inside[0], depth + 1, out));
  }
  PutLong(0, out);
  return Status::OK();
}

Status PutDefaultRecord(const Json& value, const AvroType& type, int depth, std::string* out) {
  for (const AvroType::Field& field : type.fields) {
    const auto given = value.find(field.name);
    if (given == value.end() && field.default_json.empty()) return Status::Invalid("the default of ", type.name, " has no ", field.name);
    const Json inner = given != value.end() ? *given : Json::parse(field.default_json, nullptr, false);
    HR_RETURN_NOT_OK(PutDefault(inner, *field.type, depth + 1, out));
  }
  return Status::OK();
}

/// A default stands for the first branch of a union; bytes are text of the code points 0 to 255.
Status PutDefault(const Json& value, const AvroType& type, int depth, std::string* out) {
  const Status wrong = Status::Invalid("a default is no ", type.name);
  if (depth > kMaxDepth || out->size() > (1u << 20)) return Status::Invalid("a default is nested too deeply or too large");
  switch (type.kind) {
    case Kind::kNull:
      return value.is_null() ? Status::OK() : wrong;
    case Kind::kBoolean:
      if (!value.is_boolean()) return wrong;
      out->push_back(value.get<bool>() ? '\1' : '\0');
      return Status::OK();
    case Kind::kInt:
    case Kind::kLong:
      if (!value.is_number_integer()) return wrong;
      PutLong(value.get<std::int64_t>(), out);
      return Status::OK();
    case Kind::kFloat:
    case Kind::kDouble: {
      if (!value.is_number()) return wrong;
      const double number = value.get<double>();
      const auto single = static_cast<float>(number);
      const bool is_float = type.kind == Kind::kFloat;
      out->append(is_float ? reinterpret_cast<const char*>(&single) : reinterpret_cast<const char*>(&number), is_float ? 4 : 8);
      return Status::OK();
    }
    case Kind::kString:
      if (!value.is_string()) return wrong;
      PutBytes(value.get_ref<const std::string&>(), out);
      return Status::OK();
    case Kind::kEnum: {
      const auto symbol =
          value.is_string() ? std::find(type.symbols.begin(), type.symbols.end(), value.get_ref<const std::string&>()) : type.symbols.end();
      if (symbol == type.symbols.end()) return wrong;
      PutLong(symbol - type.symbols.begin(), out);
      return Status::OK();
    }
    case Kind::kArray:
      return value.is_array() ? PutDefaultItems(value, type, depth, out) : wrong;
    case Kind::kMap:
      return value.is_object() ? PutDefaultItems(value, type, depth, out) : wrong;
    case Kind::kRecord:
      return value.is_object() ? PutDefaultRecord(value, type, depth, out) : wrong;
    case Kind::kUnion:
      PutLong(0, out);
      return PutDefault(value, *type.inside[0], depth + 1, out);
    default:
      return Status::Invalid("defaults of ", type.name, " are not written; give the rows a column for it");
  }
}

Result<AvroPut> Compile(const arrow::Field& column, const AvroType& type);

/// A field that no column fills.
Result<AvroPut> Absent(const AvroType::Field& field, const AvroType& record) {
  AvroPut put;
  put.type = field.type;
  if (!field.default_json.empty()) {
    HR_RETURN_NOT_OK(PutDefault(Json::parse(field.default_json, nullptr, false), *field.type, 0, &put.constant));
    return put;
  }
  const auto& branches = field.type->inside;
  if (field.type->kind == Kind::kNull) return put;
  if (field.type->kind == Kind::kUnion) {
    for (std::size_t i = 0; i < branches.size(); ++i) {
      if (branches[i]->kind != Kind::kNull) continue;
      PutLong(static_cast<std::int64_t>(i), &put.constant);
      return put;
    }
  }
  return Status::Invalid(fmt::format("the schema's record {} has a field \"{}\" without null or default, and the rows have no such column",
                                     record.name, field.name));
}

Result<AvroPut> CompileStruct(const arrow::FieldVector& columns, const AvroType& type) {
  AvroPut put;
  put.what = Do::kStruct;
  put.type = &type;
  std::size_t used = 0;
  for (const AvroType::Field& field : type.fields) {
    const auto column = std::find_if(columns.begin(), columns.end(), [&](const auto& c) { return c->name() == field.name; });
    if (column != columns.end()) {
      ++used;
      HR_ASSIGN_OR_RAISE(AvroPut inside, Compile(**column, *field.type));
      put.inside.push_back(std::move(inside));
    } else {
      HR_ASSIGN_OR_RAISE(AvroPut inside, Absent(field, type));
      put.inside.push_back(std::move(inside));
    }
  }
  if (used == columns.size()) return put;
  for (const auto& column : columns) {
    const bool found = std::any_of(type.fields.begin(), type.fields.end(), [&](const auto& f) { return f.name == column->name(); });
    if (!found) return Status::Invalid(fmt::format("the schema's record {} has no field for column \"{}\"", type.name, column->name()));
  }
  return Status::Invalid(fmt::format("two columns of {} have one name", type.name));
}

/// The branch that loses least: a wider one before a narrow one, else the first that fits.
Result<AvroPut> CompileUnion(const arrow::Field& column, const AvroType& type) {
  AvroPut best;
  std::int64_t null_branch = -1;
  for (std::size_t i = 0; i < type.inside.size(); ++i) {
    const AvroType& branch = *type.inside[i];
    if (branch.kind == Kind::kNull) {
      null_branch = static_cast<std::int64_t>(i);
      continue;
    }
    const bool wider = best.type != nullptr && branch.kind == Kind::kLong && best.type->kind == Kind::kInt;
    if (best.type != nullptr && !wider) continue;
    auto put = Compile(column, branch);
    if (!put.ok()) continue;
    best = std::move(*put);
    best.branch = static_cast<std::int64_t>(i);
  }
  if (best.type == nullptr) return DoesNotGo(column, type);
  best.null_branch = null_branch;
  return best;
}

Result<AvroPut> Compile(const arrow::Field& column, const AvroType& type) {
  const arrow::DataType& from = *column.type();
  AvroPut put;
  if (type.kind == Kind::kUnion) {
    HR_ASSIGN_OR_RAISE(put, CompileUnion(column, type));
  } else if (column.name() == columnar::kRowKindColumn) {
    if (type.kind != Kind::kString) return DoesNotGo(column, type);
    put.what = Do::kKind;
  } else if (type.kind == Kind::kRecord) {
    if (from.id() != Type::STRUCT) return DoesNotGo(column, type);
    HR_ASSIGN_OR_RAISE(put, CompileStruct(from.fields(), type));
  } else if (type.kind == Kind::kArray) {
    if (from.id() != Type::LIST) return DoesNotGo(column, type);
    put.what = Do::kList;
    HR_ASSIGN_OR_RAISE(AvroPut inside, Compile(*from.field(0), *type.inside[0]));
    put.inside.push_back(std::move(inside));
  } else if (type.kind == Kind::kMap) {
    const bool fits = from.id() == Type::LIST && from.field(0)->type()->id() == Type::STRUCT && from.field(0)->type()->num_fields() == 2 &&
                      from.field(0)->type()->field(0)->type()->id() == Type::STRING;
    if (!fits) return DoesNotGo(column, type);
    put.what = Do::kMap;
    HR_ASSIGN_OR_RAISE(AvroPut inside, Compile(*from.field(0)->type()->field(1), *type.inside[0]));
    put.inside.emplace_back();
    put.inside.push_back(std::move(inside));
  } else if (!IntoScalar(from, type, &put)) {
    return DoesNotGo(column, type);
  }
  if (type.kind != Kind::kUnion) put.type = &type;
  put.name = column.name();
  return put;
}

void BindColumn(const arrow::Array& array, AvroPut* put);

void BindStruct(const arrow::StructArray& array, AvroPut* put) {
  for (std::size_t i = 0; i < put->inside.size(); ++i) {
    AvroPut& inside = put->inside[i];
    if (inside.what == Do::kConstant) continue;
    BindColumn(*array.field(static_cast<const arrow::StructType&>(*array.type()).GetFieldIndex(inside.name)), &inside);
  }
}

void BindColumn(const arrow::Array& array, AvroPut* put) {
  put->column = ColumnView::Of(array);
  if (put->what == Do::kStruct) BindStruct(static_cast<const arrow::StructArray&>(array), put);
  if (put->what == Do::kList) BindColumn(*static_cast<const arrow::ListArray&>(array).values(), &put->inside[0]);
  if (put->what != Do::kMap) return;
  const auto& items = static_cast<const arrow::StructArray&>(*static_cast<const arrow::ListArray&>(array).values());
  put->inside[0].column = ColumnView::Of(*items.field(0));
  BindColumn(*items.field(1), &put->inside[1]);
}

Status TooLarge(const AvroPut& put) {
  return Status::Invalid(fmt::format("column \"{}\": a value does not fit the schema's type {}", put.name, put.type->name));
}

Status PutWhole(const AvroPut& put, std::int64_t value, std::string* out) {
  if (put.type->kind == Kind::kInt &&
      (value < std::numeric_limits<std::int32_t>::min() || value > std::numeric_limits<std::int32_t>::max()))
    return TooLarge(put);
  PutLong(value, out);
  return Status::OK();
}

Status PutTicks(const AvroPut& put, std::int64_t ticks, std::string* out) {
  const std::int64_t from = put.column.ticks_per_second, to = put.ticks_per_second;
  if (to <= from) return PutWhole(put, FloorDiv(ticks, from / to), out);
  if (__builtin_mul_overflow(ticks, to / from, &ticks)) return TooLarge(put);
  return PutWhole(put, ticks, out);
}

/// Two's complement, big-endian; bytes as short as they can be, a fixed one filled with the sign.
Status PutDecimal(const AvroPut& put, std::int64_t row, std::string* out) {
  const auto* raw = static_cast<const std::uint8_t*>(put.column.values) + row * 16;
  const std::uint8_t fill = (raw[15] & 0x80) != 0 ? 0xFF : 0;
  std::size_t size = 16;
  while (size > 1 && raw[size - 1] == fill && ((raw[size - 2] ^ fill) & 0x80) == 0) --size;
  if (put.type->kind == Kind::kBytes) PutLong(static_cast<std::int64_t>(size), out);
  if (put.type->kind == Kind::kFixed) {
    if (size > put.type->size) return TooLarge(put);
    out->append(static_cast<std::size_t>(put.type->size) - size, static_cast<char>(fill));
  }
  while (size > 0) out->push_back(static_cast<char>(raw[--size]));
  return Status::OK();
}

Status Put(const AvroPut& put, std::int64_t row, std::string* out);

Status PutItems(const AvroPut& put, std::int64_t row, std::string* out) {
  const std::int32_t start = put.column.At<std::int32_t>(row), end = put.column.At<std::int32_t>(row + 1);
  if (end > start) PutLong(end - start, out);
  for (std::int32_t i = start; i < end; ++i) {
    if (put.what == Do::kMap) {
      if (put.inside[0].column.IsNull(i)) return Status::Invalid(fmt::format("column \"{}\": the key of a map is null", put.name));
      PutBytes(put.inside[0].column.Bytes(i), out);
    }
    HR_RETURN_NOT_OK(Put(put.inside.back(), i, out));
  }
  PutLong(0, out);
  return Status::OK();
}

Status PutBinary(const AvroPut& put, std::int64_t row, std::string* out) {
  const std::string_view bytes = put.column.Bytes(row);
  if (put.type->kind == Kind::kFixed) {
    if (bytes.size() != put.type->size) return TooLarge(put);
    out->append(bytes);
    return Status::OK();
  }
  PutBytes(bytes, out);
  return Status::OK();
}

Status PutSymbol(const AvroPut& put, std::int64_t row, std::string* out) {
  const auto symbol = put.symbols.find(put.column.Bytes(row));
  if (symbol == put.symbols.end())
    return Status::Invalid(
        fmt::format("column \"{}\": \"{:.60}\" is no symbol of the schema's {}", put.name, put.column.Bytes(row), put.type->name));
  PutLong(symbol->second, out);
  return Status::OK();
}

Status PutValue(const AvroPut& put, std::int64_t row, std::string* out) {
  switch (put.what) {
    case Do::kBool:
      out->push_back(put.column.Bool(row) ? '\1' : '\0');
      return Status::OK();
    case Do::kWhole:
      if (put.column.type == Type::UINT64 && put.column.At<std::int64_t>(row) < 0) return TooLarge(put);
      return PutWhole(put, put.column.Whole(row), out);
    case Do::kTicks:
      return PutTicks(put, put.column.At<std::int64_t>(row), out);
    case Do::kFloat:
      out->append(static_cast<const char*>(put.column.values) + row * 4, 4);
      return Status::OK();
    case Do::kDouble: {
      const double value = put.column.type == Type::FLOAT ? static_cast<double>(put.column.At<float>(row)) : put.column.At<double>(row);
      out->append(reinterpret_cast<const char*>(&value), 8);
      return Status::OK();
    }
    case Do::kText:
      PutBytes(put.column.Bytes(row), out);
      return Status::OK();
    case Do::kScalarText: {
      const std::size_t at = out->size();
      out->push_back('\0');  // of the length, which is under 64
      AppendScalarText(put.column, row, out);
      (*out)[at] = static_cast<char>((out->size() - at - 1) << 1);
      return Status::OK();
    }
    case Do::kBytes:
      return PutBinary(put, row, out);
    case Do::kDecimal:
      return PutDecimal(put, row, out);
    case Do::kEnum:
      return PutSymbol(put, row, out);
    case Do::kKind: {
      const auto kind =
          put.column.values == nullptr ? columnar::RowKind::kInsert : static_cast<columnar::RowKind>(put.column.At<std::uint8_t>(row));
      PutBytes(columnar::NameOf(kind), out);
      return Status::OK();
    }
    case Do::kStruct:
      for (const AvroPut& field : put.inside) HR_RETURN_NOT_OK(Put(field, row, out));
      return Status::OK();
    default:
      return PutItems(put, row, out);
  }
}

Status Put(const AvroPut& put, std::int64_t row, std::string* out) {
  if (put.what == Do::kConstant) {
    out->append(put.constant);
    return Status::OK();
  }
  if (put.column.IsNull(row)) {
    if (put.null_branch < 0)
      return Status::Invalid(fmt::format("column \"{}\" is null, but the schema's type {} has no null", put.name, put.type->name));
    PutLong(put.null_branch, out);
    return Status::OK();
  }
  if (put.branch >= 0) PutLong(put.branch, out);
  return PutValue(put, row, out);
}

}  // namespace

AvroRowWriter::AvroRowWriter() = default;
AvroRowWriter::~AvroRowWriter() = default;

Result<std::unique_ptr<AvroRowWriter>> AvroRowWriter::Make(const arrow::Schema& rows, std::shared_ptr<const AvroSchema> schema) {
  if (schema->root().kind != Kind::kRecord) return Status::Invalid("the schema is a ", schema->root().name, ", not a record");
  arrow::FieldVector columns;
  for (const auto& field : rows.fields())
    if (!field->name().starts_with("__") || field->name() == columnar::kRowKindColumn) columns.push_back(field);
  std::unique_ptr<AvroRowWriter> made(new AvroRowWriter());
  HR_ASSIGN_OR_RAISE(AvroPut root, CompileStruct(columns, schema->root()));
  made->root_ = std::make_unique<AvroPut>(std::move(root));
  made->schema_ = std::move(schema);
  return made;
}

Status AvroRowWriter::Bind(const arrow::RecordBatch& rows) {
  for (AvroPut& put : root_->inside) {
    if (put.what == Do::kConstant) continue;
    const auto column = rows.GetColumnByName(put.name);
    put.column = {};
    if (column != nullptr) {
      BindColumn(*column, &put);
    } else if (put.what != Do::kKind) {  // a batch without kinds holds inserts
      return Status::Invalid(fmt::format("the rows have no column \"{}\"", put.name));
    }
  }
  return Status::OK();
}

Status AvroRowWriter::Append(std::int64_t row, std::string* out) const {
  for (const AvroPut& field : root_->inside) HR_RETURN_NOT_OK(Put(field, row, out));
  return Status::OK();
}

}  // namespace headrace::data::format
