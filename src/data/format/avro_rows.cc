#include "data/format/avro_rows.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "base/utf8.h"

namespace headrace::data::format {

/// What is done with one value of the writer.
struct AvroStep {
  enum class Do : std::uint8_t {
    kSkip,
    kBool,
    kInteger,
    kFloat,
    kText,
    kBytes,
    kDecimal,
    kTicks,
    kDate,
    kStruct,
    kList,
    kMap,
    kUnion,
    kNull,
    kRefuse,  ///< a branch of a union that does not go into the column
  };
  Do what = Do::kSkip;
  const AvroType* type = nullptr;
  std::int64_t ticks_per_second = 0;
  std::vector<AvroStep> inside;  ///< kStruct: a step a field; kList, kMap: one; kUnion: a step a branch
  std::vector<int> columns;      ///< kStruct: by field, -1 for those that are stepped over
  std::vector<int> absent;       ///< kStruct: columns that the writer does not have
};

namespace {

using Type = AvroType::Kind;
using Logical = AvroType::Logical;
using Kind = ColumnBuilder::Kind;
using Do = AvroStep::Do;

constexpr int kMaxDepth = 64;

bool IsInteger(Kind kind) { return kind >= Kind::kInt8 && kind <= Kind::kUint64; }
bool IsFloat(Kind kind) { return kind == Kind::kFloat32 || kind == Kind::kFloat64; }
bool HasTicks(Kind kind) { return kind == Kind::kTimestamp || kind == Kind::kDuration || kind == Kind::kTime; }

Status DoesNotGo(const AvroType& type, const ColumnBuilder& column) {
  return Status::Invalid(
      fmt::format("column \"{}\": the writer's type {} does not go into {}", column.name(), type.name, column.type_name()));
}

Do LongInto(const AvroType& type, const ColumnBuilder& column, std::int64_t* ticks) {
  const Kind kind = column.kind();
  if (IsInteger(kind)) return Do::kInteger;
  if (type.logical == Logical::kDate) return kind == Kind::kDate ? Do::kDate : Do::kRefuse;
  if (HasTicks(kind)) {
    // Without a logical type whole numbers are ms, as in JSON.
    *ticks = type.ticks_per_second == 0 ? 1000 : type.ticks_per_second;
    const bool time = type.logical == Logical::kTime,
               stamp = type.logical == Logical::kTimestamp || type.logical == Logical::kLocalTimestamp;
    return (time && kind != Kind::kTime) || (stamp && kind != Kind::kTimestamp) ? Do::kRefuse : Do::kTicks;
  }
  if (type.logical != Logical::kNone) return Do::kRefuse;
  return kind == Kind::kDate ? Do::kDate : IsFloat(kind) ? Do::kFloat : Do::kRefuse;
}

Do ScalarInto(const AvroType& type, const ColumnBuilder& column, std::int64_t* ticks) {
  const Kind kind = column.kind();
  switch (type.kind) {
    case Type::kNull:
      return Do::kNull;
    case Type::kBoolean:
      return kind == Kind::kBool ? Do::kBool : Do::kRefuse;
    case Type::kInt:
    case Type::kLong:
      return LongInto(type, column, ticks);
    case Type::kFloat:
    case Type::kDouble:
      return IsFloat(kind) ? Do::kFloat : Do::kRefuse;
    case Type::kString:
    case Type::kEnum:
      return kind == Kind::kList || kind == Kind::kStruct || kind == Kind::kValue || kind == Kind::kBool ? Do::kRefuse : Do::kText;
    case Type::kBytes:
    case Type::kFixed:
      if (kind == Kind::kBinary) return Do::kBytes;
      return kind == Kind::kDecimal && type.logical == Logical::kDecimal ? Do::kDecimal : Do::kRefuse;
    default:
      return Do::kRefuse;
  }
}

Result<AvroStep> Compile(const AvroType& type, ColumnBuilder& column);

Result<AvroStep> CompileStruct(const AvroType& type, std::vector<ColumnBuilder>& columns) {
  AvroStep step;
  step.what = Do::kStruct;
  step.type = &type;
  std::vector<bool> found(columns.size(), false);
  for (const AvroType::Field& field : type.fields) {
    int index = -1;
    for (std::size_t i = 0; i < columns.size(); ++i)
      if (columns[i].name() == field.name && !found[i]) index = static_cast<int>(i);
    step.columns.push_back(index);
    AvroStep inside;
    inside.type = field.type;
    if (index >= 0) {
      found[static_cast<std::size_t>(index)] = true;
      HR_ASSIGN_OR_RAISE(inside, Compile(*field.type, columns[static_cast<std::size_t>(index)]));
    }
    step.inside.push_back(std::move(inside));
  }
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (found[i]) continue;
    if (!columns[i].nullable())
      return Status::Invalid(fmt::format("the writer's record {} has no field \"{}\", and the column's type {} has no null", type.name,
                                         columns[i].name(), columns[i].type_name()));
    step.absent.push_back(static_cast<int>(i));
  }
  return step;
}

Result<AvroStep> Compile(const AvroType& type, ColumnBuilder& column) {
  AvroStep step;
  step.type = &type;
  switch (type.kind) {
    case Type::kRecord:
      if (column.kind() != Kind::kStruct) return DoesNotGo(type, column);
      return CompileStruct(type, column.children());
    case Type::kArray: {
      if (column.kind() != Kind::kList) return DoesNotGo(type, column);
      step.what = Do::kList;
      HR_ASSIGN_OR_RAISE(AvroStep inside, Compile(*type.inside[0], column.items()));
      step.inside.push_back(std::move(inside));
      return step;
    }
    case Type::kMap: {
      const bool fits = column.kind() == Kind::kList && column.items().kind() == Kind::kStruct && column.items().children().size() == 2 &&
                        column.items().children()[0].kind() == Kind::kText;
      if (!fits) return DoesNotGo(type, column);
      step.what = Do::kMap;
      HR_ASSIGN_OR_RAISE(AvroStep inside, Compile(*type.inside[0], column.items().children()[1]));
      step.inside.push_back(std::move(inside));
      return step;
    }
    case Type::kUnion: {
      step.what = Do::kUnion;
      bool any = false;
      for (const AvroType* branch : type.inside) {
        auto inside = Compile(*branch, column);
        any = any || (inside.ok() && branch->kind != Type::kNull);
        if (inside.ok()) {
          step.inside.push_back(std::move(*inside));
        } else {
          step.inside.emplace_back();
          step.inside.back().what = Do::kRefuse;
          step.inside.back().type = branch;
        }
      }
      return any ? Result<AvroStep>(std::move(step)) : DoesNotGo(type, column);
    }
    default:
      break;
  }
  step.what = ScalarInto(type, column, &step.ticks_per_second);
  return step.what == Do::kRefuse ? Result<AvroStep>(DoesNotGo(type, column)) : step;
}

/// Walks over one record's bytes.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes), items_left_(static_cast<std::int64_t>(bytes.size()) * 4 + 1024) {}

  Status Struct(const AvroStep& step, std::vector<ColumnBuilder>& columns, int depth) {
    for (std::size_t i = 0; i < step.inside.size(); ++i) {
      if (step.columns[i] < 0)
        HR_RETURN_NOT_OK(Skip(*step.inside[i].type, depth + 1));
      else
        HR_RETURN_NOT_OK(Value(step.inside[i], columns[static_cast<std::size_t>(step.columns[i])], depth + 1));
    }
    for (const int absent : step.absent) columns[static_cast<std::size_t>(absent)].AppendNull();
    return Status::OK();
  }
  bool at_end() const { return bytes_.empty(); }
  std::string_view rest() const { return bytes_; }
  Status Pass(const AvroType& type) { return Skip(type, 0); }

 private:
  static Status TooShort() { return Status::Invalid("the record ends too early"); }

  Status Long(std::int64_t* out) {
    std::uint64_t bits = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (bytes_.empty()) return TooShort();
      const auto byte = static_cast<std::uint8_t>(bytes_[0]);
      bytes_.remove_prefix(1);
      bits |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) {
        *out = static_cast<std::int64_t>(bits >> 1) ^ -static_cast<std::int64_t>(bits & 1);
        return Status::OK();
      }
    }
    return Status::Invalid("a number has too many bytes");
  }

  Status Take(std::uint64_t size, std::string_view* out) {
    if (size > bytes_.size()) return TooShort();
    *out = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return Status::OK();
  }

  /// Bytes and strings with their length in front, fixed ones without.
  Status Bytes(const AvroType& type, std::string_view* out) {
    if (type.kind == Type::kFixed) return Take(type.size, out);
    std::int64_t size = 0;
    HR_RETURN_NOT_OK(Long(&size));
    return size < 0 ? Status::Invalid("a length is negative") : Take(static_cast<std::uint64_t>(size), out);
  }

  Status Real(const AvroType& type, double* out) {
    std::string_view raw;
    if (type.kind == Type::kDouble) {
      HR_RETURN_NOT_OK(Take(8, &raw));
      std::memcpy(out, raw.data(), 8);
      return Status::OK();
    }
    if (type.kind == Type::kFloat) {
      float value = 0;
      HR_RETURN_NOT_OK(Take(4, &raw));
      std::memcpy(&value, raw.data(), 4);
      *out = static_cast<double>(value);
      return Status::OK();
    }
    std::int64_t whole = 0;
    HR_RETURN_NOT_OK(Long(&whole));
    *out = static_cast<double>(whole);
    return Status::OK();
  }

  Status Branch(const AvroType& type, std::size_t* branch) {
    std::int64_t index = 0;
    HR_RETURN_NOT_OK(Long(&index));
    if (index < 0 || static_cast<std::uint64_t>(index) >= type.inside.size()) return Status::Invalid("a union has no branch ", index);
    *branch = static_cast<std::size_t>(index);
    return Status::OK();
  }

  /// Items of the next block, 0 at the end. `bytes`: of the block, -1 when the writer does not say. Items may take no bytes at all, so
  /// their number is bounded by itself.
  Status Block(std::int64_t* items, std::int64_t* bytes) {
    *bytes = -1;
    HR_RETURN_NOT_OK(Long(items));
    if (*items < 0) {
      if (__builtin_sub_overflow(std::int64_t{0}, *items, items)) return Status::Invalid("a block has too many items");
      HR_RETURN_NOT_OK(Long(bytes));
      if (*bytes < 0) return Status::Invalid("a block's size is negative");
    }
    items_left_ -= *items;
    return *items > (std::int64_t{1} << 40) || items_left_ < 0 ? Status::Invalid("a block has more items than the record can hold")
                                                               : Status::OK();
  }

  Status Text(const AvroType& type, std::string_view* text) {
    if (type.kind == Type::kEnum) {
      std::int64_t index = 0;
      HR_RETURN_NOT_OK(Long(&index));
      if (index < 0 || static_cast<std::uint64_t>(index) >= type.symbols.size())
        return Status::Invalid("the enum ", type.name, " has no symbol ", index);
      *text = type.symbols[static_cast<std::size_t>(index)];
      return Status::OK();
    }
    HR_RETURN_NOT_OK(Bytes(type, text));
    return IsUtf8(*text) ? Status::OK() : Status::Invalid("text is not UTF-8");
  }

  Status Value(const AvroStep& step, ColumnBuilder& column, int depth) {
    HR_RETURN_NOT_OK(CheckBounds(depth));
    const AvroType& type = *step.type;
    bool fits = true;
    std::int64_t whole = 0;
    std::string_view bytes;
    switch (step.what) {
      case Do::kInteger:
        HR_RETURN_NOT_OK(Long(&whole));
        fits = column.AppendInteger(whole);
        break;
      case Do::kTicks:
        HR_RETURN_NOT_OK(Long(&whole));
        fits = column.AppendTicks(whole, step.ticks_per_second);
        break;
      case Do::kDate:
        HR_RETURN_NOT_OK(Long(&whole));
        fits = column.AppendTicks(whole);
        break;
      case Do::kFloat: {
        double real = 0;
        HR_RETURN_NOT_OK(Real(type, &real));
        column.AppendFloat(real);
        break;
      }
      case Do::kBool:
        HR_RETURN_NOT_OK(Take(1, &bytes));
        if (static_cast<std::uint8_t>(bytes[0]) > 1) return Status::Invalid("a boolean is neither 0 nor 1");
        column.AppendBool(bytes[0] != 0);
        break;
      case Do::kText:
        HR_RETURN_NOT_OK(Text(type, &bytes));
        return column.AppendText(bytes) ? Status::OK() : DoesNotFit(column, bytes);
      case Do::kBytes:
        HR_RETURN_NOT_OK(Bytes(type, &bytes));
        fits = column.AppendBytes(bytes);
        break;
      case Do::kDecimal:
        HR_RETURN_NOT_OK(Bytes(type, &bytes));
        return column.AppendDecimalBytes(bytes, type.scale) ? Status::OK() : DoesNotFit(column, "a decimal of the record");
      case Do::kStruct:
        HR_RETURN_NOT_OK(Struct(step, column.children(), depth));
        column.CloseStruct();
        break;
      case Do::kList:
      case Do::kMap:
        return Items(step, column, depth);
      case Do::kUnion: {
        std::size_t branch = 0;
        HR_RETURN_NOT_OK(Branch(type, &branch));
        return Value(step.inside[branch], column, depth + 1);
      }
      case Do::kNull:
        if (!column.nullable()) return NullRefused(column, /*absent=*/false);
        column.AppendNull();
        break;
      case Do::kRefuse:
        return DoesNotGo(type, column);
      case Do::kSkip:
        return Skip(type, depth);
    }
    return fits ? Status::OK() : DoesNotFit(column, step.what == Do::kBytes ? "so much" : std::to_string(whole));
  }

  Status Items(const AvroStep& step, ColumnBuilder& column, int depth) {
    while (true) {
      std::int64_t items = 0, bytes = 0;
      HR_RETURN_NOT_OK(Block(&items, &bytes));
      if (items == 0) break;
      for (; items > 0; --items) {
        if (step.what == Do::kList) {
          HR_RETURN_NOT_OK(Value(step.inside[0], column.items(), depth + 1));
          continue;
        }
        static const AvroType key_type{Type::kString, Logical::kNone, 0, 0, 0, "string", {}, {}, {}};
        std::string_view key;
        HR_RETURN_NOT_OK(Text(key_type, &key));
        ColumnBuilder& entry = column.items();
        if (!entry.children()[0].AppendBytes(key)) return DoesNotFit(column, "so much");
        HR_RETURN_NOT_OK(Value(step.inside[0], entry.children()[1], depth + 1));
        entry.CloseStruct();
      }
    }
    column.CloseList();
    return Status::OK();
  }

  /// Records may hold records that take no bytes, many times over, so values are counted too.
  Status CheckBounds(int depth) {
    if (depth > kMaxDepth) return Status::Invalid("nested too deeply");
    return --items_left_ < 0 ? Status::Invalid("it has more values than its bytes can hold") : Status::OK();
  }

  Status Skip(const AvroType& type, int depth) {
    HR_RETURN_NOT_OK(CheckBounds(depth));
    std::int64_t whole = 0;
    std::string_view bytes;
    switch (type.kind) {
      case Type::kNull:
        return Status::OK();
      case Type::kBoolean:
        return Take(1, &bytes);
      case Type::kInt:
      case Type::kLong:
      case Type::kEnum:
        return Long(&whole);
      case Type::kFloat:
        return Take(4, &bytes);
      case Type::kDouble:
        return Take(8, &bytes);
      case Type::kBytes:
      case Type::kString:
      case Type::kFixed:
        return Bytes(type, &bytes);
      case Type::kRecord:
        for (const AvroType::Field& field : type.fields) HR_RETURN_NOT_OK(Skip(*field.type, depth + 1));
        return Status::OK();
      case Type::kUnion: {
        std::size_t branch = 0;
        HR_RETURN_NOT_OK(Branch(type, &branch));
        return Skip(*type.inside[branch], depth + 1);
      }
      case Type::kArray:
      case Type::kMap:
        break;
    }
    while (true) {
      std::int64_t items = 0, block_bytes = 0;
      HR_RETURN_NOT_OK(Block(&items, &block_bytes));
      if (items == 0) return Status::OK();
      if (block_bytes >= 0) {
        HR_RETURN_NOT_OK(Take(static_cast<std::uint64_t>(block_bytes), &bytes));
        continue;
      }
      for (; items > 0; --items) {
        if (type.kind == Type::kMap) {
          std::int64_t size = 0;
          HR_RETURN_NOT_OK(Long(&size));
          if (size < 0) return Status::Invalid("a length is negative");
          HR_RETURN_NOT_OK(Take(static_cast<std::uint64_t>(size), &bytes));
        }
        HR_RETURN_NOT_OK(Skip(*type.inside[0], depth + 1));
      }
    }
  }

  std::string_view bytes_;
  std::int64_t items_left_;
};

}  // namespace

AvroPlan::AvroPlan() = default;
AvroPlan::~AvroPlan() = default;

Result<std::unique_ptr<const AvroPlan>> AvroPlan::Make(std::shared_ptr<const AvroSchema> schema, std::vector<ColumnBuilder>& columns) {
  if (schema->root().kind != Type::kRecord)
    return Status::Invalid(fmt::format("the writer's schema is a {}, but a row is a record", schema->root().name));
  std::unique_ptr<AvroPlan> made(new AvroPlan());
  HR_ASSIGN_OR_RAISE(AvroStep root, CompileStruct(schema->root(), columns));
  made->root_ = std::make_unique<AvroStep>(std::move(root));
  made->schema_ = std::move(schema);
  return std::unique_ptr<const AvroPlan>(std::move(made));
}

Result<std::unique_ptr<AvroRowDecoder>> AvroRowDecoder::Make(const std::shared_ptr<arrow::Schema>& schema) {
  HR_ASSIGN_OR_RAISE(RowColumns rows, RowColumns::Make(schema));
  return std::unique_ptr<AvroRowDecoder>(new AvroRowDecoder(std::move(rows)));
}

Status AvroRowDecoder::AppendFront(std::string_view* bytes, const AvroPlan& plan) {
  Reader reader(*bytes);
  const Status status = reader.Struct(*plan.root_, rows_.columns(), 0);
  if (status.ok()) {
    rows_.CloseRow();
    *bytes = reader.rest();
    return status;
  }
  rows_.DropRow();
  Reader passer(*bytes);
  *bytes = passer.Pass(plan.schema_->root()).ok() ? passer.rest() : std::string_view();
  return status;
}

Status AvroRowDecoder::Append(std::string_view record, const AvroPlan& plan) {
  Reader reader(record);
  Status status = reader.Struct(*plan.root_, rows_.columns(), 0);
  if (status.ok() && !reader.at_end()) status = Status::Invalid("bytes follow the record");
  if (status.ok())
    rows_.CloseRow();
  else
    rows_.DropRow();
  return status;
}

}  // namespace headrace::data::format
