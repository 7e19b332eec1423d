#include "data/expression/program.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "data/expression/constant_kernels.h"
#include "data/expression/kernels.h"

namespace headrace::data::expression {

using plan::TypedExpression;
using Kind = TypedExpression::Kind;

std::string* Frame::NewText() {
  if (texts_used == texts.size()) texts.emplace_back();
  std::string* text = &texts[texts_used++];
  text->clear();
  return text;
}

/// A column of the input that is needed in a register.
struct Program::Load {
  int column = -1, reg = -1;
  std::shared_ptr<arrow::DataType> type;
  bool in_place = false;  // int64 and float64 are read where they lie
};

/// A column made of another one, which may be one of these itself.
struct Program::Nested {
  int input = -1;
  NestedColumn column;
};

/// A result: an input column as it is, or a register.
struct Program::Root {
  int column = -1, reg = -1;
  std::shared_ptr<arrow::DataType> type;
  std::string text;
  std::vector<int> columns;  // that it reads, for errors
  bool in_place = false;     // its register is an instruction's, and no other root's: values are made where the result lies
};

Program::Program() = default;
Program::~Program() = default;

namespace {

std::size_t BytesOf(Physical physical) {
  switch (physical) {
    case Physical::kBool:
      return 1;
    case Physical::kInt64:
    case Physical::kFloat64:
      return 8;
    case Physical::kDecimal:
    case Physical::kText:
      return 16;
  }
  return 16;
}

/// Bytes 1 for every null of rows [first, first + rows).
bool LoadNulls(const arrow::ArrayData& data, std::int64_t first, std::int64_t rows, std::uint8_t* flaws) {
  if (data.buffers[0] == nullptr || data.GetNullCount() == 0) return false;
  const std::uint8_t* bits = data.buffers[0]->data();
  for (std::int64_t i = 0; i < rows; ++i) flaws[i] = arrow::bit_util::GetBit(bits, data.offset + first + i) ? kNone : kNull;
  return true;
}

template <typename From, typename To>
void Widen(const arrow::ArrayData& data, std::int64_t first, std::int64_t rows, To* out) {
  const From* from = data.GetValues<From>(1) + first;
  for (std::int64_t i = 0; i < rows; ++i) out[i] = static_cast<To>(from[i]);
}

void LoadValues(const arrow::ArrayData& data, std::int64_t first, std::int64_t rows, void* out) {
  auto* ints = static_cast<std::int64_t*>(out);
  switch (data.type->id()) {
    case arrow::Type::BOOL: {
      auto* bools = static_cast<std::uint8_t*>(out);
      for (std::int64_t i = 0; i < rows; ++i) bools[i] = arrow::bit_util::GetBit(data.buffers[1]->data(), data.offset + first + i);
      return;
    }
    case arrow::Type::INT8:
      return Widen<std::int8_t>(data, first, rows, ints);
    case arrow::Type::INT16:
      return Widen<std::int16_t>(data, first, rows, ints);
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
      return Widen<std::int32_t>(data, first, rows, ints);
    case arrow::Type::UINT8:
      return Widen<std::uint8_t>(data, first, rows, ints);
    case arrow::Type::UINT16:
      return Widen<std::uint16_t>(data, first, rows, ints);
    case arrow::Type::UINT32:
      return Widen<std::uint32_t>(data, first, rows, ints);
    case arrow::Type::FLOAT:
      return Widen<float>(data, first, rows, static_cast<double*>(out));
    case arrow::Type::DECIMAL128:
      std::memcpy(out, data.buffers[1]->data() + (data.offset + first) * 16, static_cast<std::size_t>(rows) * 16);
      return;
    default:
      break;
  }
  auto* views = static_cast<std::string_view*>(out);
  const auto* offsets = data.GetValues<std::int32_t>(1) + first;
  const auto* bytes = data.buffers[2] == nullptr ? nullptr : reinterpret_cast<const char*>(data.buffers[2]->data());
  for (std::int64_t i = 0; i < rows; ++i) views[i] = {bytes + offsets[i], static_cast<std::size_t>(offsets[i + 1] - offsets[i])};
}

/// A bit for each byte, 0 or 1, of `rows`; `out` is zero.
void PackBits(const std::uint8_t* bytes, std::int64_t rows, std::uint8_t* out) {
  std::int64_t i = 0;
  for (; i + 8 <= rows; i += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, bytes + i, 8);
    out[i / 8] = static_cast<std::uint8_t>(eight * 0x0102040810204080ULL >> 56);
  }
  for (; i < rows; ++i) out[i / 8] |= static_cast<std::uint8_t>(bytes[i] << (i % 8));
}

/// Numbers from `first` on of the bytes that are 1. Where most rows go, eight of them go at a time; the rest takes no branch.
std::size_t PickRows(const std::uint8_t* bytes, std::int64_t rows, std::uint32_t first, std::uint32_t* out) {
  std::size_t kept = 0;
  std::int64_t i = 0;
  for (; i + 8 <= rows; i += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, bytes + i, 8);
    if (eight == 0) continue;
    for (std::int64_t k = i; k < i + 8; ++k) {
      out[kept] = first + static_cast<std::uint32_t>(k);
      kept += bytes[k];
    }
  }
  for (; i < rows; ++i) {
    out[kept] = first + static_cast<std::uint32_t>(i);
    kept += bytes[i];
  }
  return kept;
}

/// A result column under construction.
class Output {
 public:
  static Result<Output> Make(const std::shared_ptr<arrow::DataType>& type, std::int64_t rows) {
    Output out;
    out.type_ = type;
    out.rows_ = rows;
    const int bits = type->id() == arrow::Type::STRING || type->id() == arrow::Type::BINARY ? 32 : type->bit_width();
    HR_ASSIGN_OR_RAISE(out.values_, arrow::AllocateBuffer(bits == 1 ? (rows + 7) / 8 : (rows + (bits == 32 ? 1 : 0)) * bits / 8));
    if (bits == 1) std::memset(out.values_->mutable_data(), 0, static_cast<std::size_t>(out.values_->size()));
    return out;
  }

  /// Where the values of row `first` and those behind it lie, when they lie there as they do in registers; else null.
  void* Place(std::int64_t first) {
    const int bits = type_->id() == arrow::Type::BOOL || type_->id() == arrow::Type::STRING || type_->id() == arrow::Type::BINARY
                         ? 0
                         : type_->bit_width();
    return bits == 64 || bits == 128 ? values_->mutable_data() + first * (bits / 8) : nullptr;
  }
  Status Append(const Vector& from, std::int64_t first, std::int64_t rows) {
    if (from.flaws != nullptr) HR_RETURN_NOT_OK(AppendNulls(from.flaws, first, rows));
    if (from.values == Place(first)) return Status::OK();
    std::uint8_t* out = values_->mutable_data();
    const auto* ints = from.as<std::int64_t>();
    switch (type_->id()) {
      case arrow::Type::BOOL:
        PackBits(from.as<std::uint8_t>(), rows, out + first / 8);  // chunks begin at whole bytes
        return Status::OK();
      case arrow::Type::INT8:
      case arrow::Type::UINT8:
        return Narrow<std::uint8_t>(ints, first, rows);
      case arrow::Type::INT16:
      case arrow::Type::UINT16:
        return Narrow<std::uint16_t>(ints, first, rows);
      case arrow::Type::INT32:
      case arrow::Type::UINT32:
      case arrow::Type::DATE32:
        return Narrow<std::uint32_t>(ints, first, rows);
      case arrow::Type::FLOAT: {
        auto* floats = reinterpret_cast<float*>(out) + first;
        for (std::int64_t i = 0; i < rows; ++i) floats[i] = static_cast<float>(from.as<double>()[i]);
        return Status::OK();
      }
      case arrow::Type::DECIMAL128:
        std::memcpy(out + first * 16, from.values, static_cast<std::size_t>(rows) * 16);
        return Status::OK();
      case arrow::Type::STRING:
      case arrow::Type::BINARY:
        return AppendText(from, first, rows);
      default:
        std::memcpy(out + first * 8, from.values, static_cast<std::size_t>(rows) * 8);
        return Status::OK();
    }
  }

  Result<std::shared_ptr<arrow::Array>> Finish() {
    std::vector<std::shared_ptr<arrow::Buffer>> buffers = {std::move(validity_), std::move(values_)};
    if (type_->id() == arrow::Type::STRING || type_->id() == arrow::Type::BINARY) {
      reinterpret_cast<std::int32_t*>(buffers[1]->mutable_data())[rows_] = static_cast<std::int32_t>(bytes_.size());
      buffers.push_back(arrow::Buffer::FromString(std::move(bytes_)));
    }
    return arrow::MakeArray(arrow::ArrayData::Make(type_, rows_, std::move(buffers), nulls_));
  }

 private:
  template <typename To>
  Status Narrow(const std::int64_t* from, std::int64_t first, std::int64_t rows) {
    To* out = reinterpret_cast<To*>(values_->mutable_data()) + first;
    for (std::int64_t i = 0; i < rows; ++i) out[i] = static_cast<To>(from[i]);
    return Status::OK();
  }
  Status AppendNulls(const std::uint8_t* flaws, std::int64_t first, std::int64_t rows) {
    std::int64_t nulls = 0;
    for (std::int64_t i = 0; i < rows; ++i) nulls += flaws[i] != kNone;
    if (nulls == 0) return Status::OK();
    if (validity_ == nullptr) {
      HR_ASSIGN_OR_RAISE(validity_, arrow::AllocateBitmap(rows_));
      std::memset(validity_->mutable_data(), 0xFF, static_cast<std::size_t>(validity_->size()));
    }
    for (std::int64_t i = 0; i < rows; ++i)
      if (flaws[i] != kNone) arrow::bit_util::ClearBit(validity_->mutable_data(), first + i);
    nulls_ += nulls;
    return Status::OK();
  }
  Status AppendText(const Vector& from, std::int64_t first, std::int64_t rows) {
    auto* offsets = reinterpret_cast<std::int32_t*>(values_->mutable_data()) + first;
    const auto* views = from.as<std::string_view>();
    for (std::int64_t i = 0; i < rows; ++i) {
      offsets[i] = static_cast<std::int32_t>(bytes_.size());
      if (from.flaws == nullptr || from.flaws[i] == kNone) bytes_.append(views[i]);
    }
    if (bytes_.size() > 0x7FFFFFFF) return Status::CapacityError("a batch with more than 2 GiB of text in one column");
    return Status::OK();
  }

  std::shared_ptr<arrow::DataType> type_;
  std::int64_t rows_ = 0, nulls_ = 0;
  std::shared_ptr<arrow::Buffer> validity_, values_;
  std::string bytes_;
};

std::string_view ReasonOf(std::uint8_t flaw) {
  switch (flaw) {
    case kOverflow:
      return "the result is beyond the range of its type";
    case kDivisionByZero:
      return "division by zero";
    case kBadCast:
      return "the value does not fit the type it is cast to";
    default:
      return "an argument is out of range";
  }
}

}  // namespace

Result<Physical> Program::PhysicalOf(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return Physical::kBool;
    case arrow::Type::UINT64:
      break;
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
      return Physical::kFloat64;
    case arrow::Type::DECIMAL128:
      return Physical::kDecimal;
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return Physical::kText;
    case arrow::Type::NA:
    case arrow::Type::DATE32:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DURATION:
      return Physical::kInt64;
    default:
      if (type.id() >= arrow::Type::UINT8 && type.id() <= arrow::Type::INT64) return Physical::kInt64;
  }
  return Status::NotImplemented("expressions over ", type.ToString());
}

/// Turns expressions into instructions; the same part twice gives one register.
class Program::Compiler {
 public:
  Compiler(Program* program, const arrow::Schema& schema) : program_(program), schema_(schema) {}

  Result<Root> Add(const TypedExpression& expression) {
    Root root;
    root.type = expression.type->id() == arrow::Type::NA ? arrow::int64() : expression.type;
    root.text = expression.text;
    CollectColumns(expression, &root.columns);
    if (expression.kind == Kind::kColumn || NestedColumn::IsOne(expression)) {
      HR_ASSIGN_OR_RAISE(root.column, Column(expression));
      return root;
    }
    HR_ASSIGN_OR_RAISE(root.reg, Register(expression));
    const auto& made = program_->instructions_;
    const auto& roots = program_->roots_;
    root.in_place = std::any_of(made.begin(), made.end(), [&](const Instruction& instruction) { return instruction.out == root.reg; }) &&
                    std::none_of(roots.begin(), roots.end(), [&](const Root& other) { return other.reg == root.reg; });
    return root;
  }

 private:
  static void CollectColumns(const TypedExpression& expression, std::vector<int>* columns) {
    if (expression.kind == Kind::kColumn && std::find(columns->begin(), columns->end(), expression.column) == columns->end())
      columns->push_back(expression.column);
    for (const TypedExpression& argument : expression.arguments) CollectColumns(argument, columns);
  }

  static std::string KeyOf(const TypedExpression& expression) {
    std::string key = fmt::format("{}:{}:{}", static_cast<int>(expression.kind), expression.type->ToString(), expression.or_null);
    if (expression.kind == Kind::kColumn) key += fmt::format(":{}", expression.column);
    if (expression.kind == Kind::kLiteral) key += ":" + expression.literal->ToString();
    if (expression.kind == Kind::kCall) key += fmt::format(":{}", static_cast<int>(expression.function));
    for (const TypedExpression& argument : expression.arguments) key += "(" + KeyOf(argument) + ")";
    return key;
  }

  int NewRegister(std::size_t bytes_per_row) {
    program_->value_space_.emplace_back((bytes_per_row * kChunkRows + 7) / 8);
    program_->frame_.flaw_space.emplace_back(kChunkRows);
    program_->frame_.registers.push_back({program_->value_space_.back().data(), nullptr});
    return static_cast<int>(program_->frame_.registers.size()) - 1;
  }

  Result<int> Register(const TypedExpression& expression) {
    const std::string key = KeyOf(expression);
    if (const auto known = known_.find(key); known != known_.end()) return known->second;
    int reg = -1;
    switch (expression.kind) {
      case Kind::kColumn: {
        HR_ASSIGN_OR_RAISE(reg, LoadColumn(expression));
        break;
      }
      case Kind::kLiteral: {
        HR_ASSIGN_OR_RAISE(reg, Literal(expression));
        break;
      }
      case Kind::kCall:
      case Kind::kCast: {
        if (NestedColumn::IsOne(expression)) {
          HR_ASSIGN_OR_RAISE(reg, LoadColumn(expression));
          break;
        }
        HR_ASSIGN_OR_RAISE(reg, Call(expression));
        break;
      }
      case Kind::kUser:
        return Status::Invalid("the Python function ", expression.text, " cannot be called here: in select() and filter() only");
    }
    known_.emplace(key, reg);
    return reg;
  }

  /// The number of a column: of the batch, or behind those of one that is made for each batch.
  Result<int> Column(const TypedExpression& expression) {
    if (expression.kind == Kind::kColumn) return expression.column;
    if (!NestedColumn::IsOne(expression)) return Status::NotImplemented("fields and elements of what is no column");
    const std::string key = KeyOf(expression);
    if (const auto known = known_nested_.find(key); known != known_nested_.end()) return known->second;
    HR_ASSIGN_OR_RAISE(const int input, Column(expression.arguments[0]));
    HR_ASSIGN_OR_RAISE(NestedColumn column, NestedColumn::Make(expression));
    program_->nested_.push_back({input, std::move(column)});
    const int number = schema_.num_fields() + static_cast<int>(program_->nested_.size()) - 1;
    known_nested_.emplace(key, number);
    return number;
  }

  Result<int> LoadColumn(const TypedExpression& expression) {
    HR_ASSIGN_OR_RAISE(const Physical physical, PhysicalOf(*expression.type));
    const auto id = expression.type->id();
    const bool eight = physical == Physical::kInt64 || physical == Physical::kFloat64;
    const bool in_place = eight && id != arrow::Type::DATE32 && id != arrow::Type::NA && expression.type->bit_width() == 64;
    const int reg = NewRegister(in_place ? 0 : BytesOf(physical));
    HR_ASSIGN_OR_RAISE(const int column, Column(expression));
    program_->loads_.push_back({column, reg, expression.type, in_place});
    return reg;
  }

  Result<int> Literal(const TypedExpression& expression) {
    HR_ASSIGN_OR_RAISE(const Physical physical, PhysicalOf(*expression.type));
    const int reg = NewRegister(BytesOf(physical));
    Vector& vector = program_->frame_.registers[static_cast<std::size_t>(reg)];
    if (!expression.literal->is_valid) {
      std::fill_n(program_->frame_.FlawsOf(reg), kChunkRows, kNull);
      vector.flaws = program_->frame_.FlawsOf(reg);
      return reg;
    }
    HR_ASSIGN_OR_RAISE(const auto array, arrow::MakeArrayFromScalar(*expression.literal, 1));
    program_->literals_.push_back(array);
    alignas(16) std::uint8_t one[16] = {};
    const bool eight = (physical == Physical::kInt64 || physical == Physical::kFloat64) && expression.type->bit_width() == 64;
    if (eight)
      std::memcpy(one, array->data()->GetValues<std::int64_t>(1), 8);
    else
      LoadValues(*array->data(), 0, 1, one);
    const std::size_t bytes = BytesOf(physical);
    for (std::int64_t i = 0; i < kChunkRows; ++i)
      std::memcpy(static_cast<std::uint8_t*>(vector.values) + static_cast<std::size_t>(i) * bytes, one, bytes);
    return reg;
  }

  Result<int> Call(const TypedExpression& expression) {
    if (std::optional<ConstantCall> chosen = ChooseConstantKernel(expression)) {
      HR_ASSIGN_OR_RAISE(chosen->instruction.a, Register(*chosen->argument));
      chosen->instruction.more = {chosen->instruction.a};
      return Append(std::move(chosen->instruction), *expression.type);
    }
    Instruction instruction;
    for (const TypedExpression& argument : expression.arguments) {
      HR_ASSIGN_OR_RAISE(const int reg, Register(argument));
      instruction.more.push_back(reg);
    }
    instruction.a = instruction.more[0];
    if (instruction.more.size() > 1) instruction.b = instruction.more[1];
    if (instruction.more.size() > 2) instruction.c = instruction.more[2];
    instruction.or_null = expression.or_null;
    if (expression.kind == Kind::kCast)
      HR_RETURN_NOT_OK(ChooseCast(*expression.arguments[0].type, *expression.type, &instruction));
    else
      HR_RETURN_NOT_OK(ChooseKernel(expression, &instruction));
    return Append(std::move(instruction), *expression.type);
  }

  Result<int> Append(Instruction instruction, const arrow::DataType& type) {
    HR_ASSIGN_OR_RAISE(const Physical physical, PhysicalOf(type));
    instruction.out = NewRegister(BytesOf(physical));
    const int reg = instruction.out;
    program_->instructions_.push_back(std::move(instruction));
    return reg;
  }

  Program* program_;
  const arrow::Schema& schema_;
  std::map<std::string, int> known_, known_nested_;
};

Result<std::unique_ptr<Program>> Program::Compile(const std::vector<TypedExpression>& roots, const std::shared_ptr<arrow::Schema>& schema) {
  std::unique_ptr<Program> program(new Program());
  program->columns_ = schema->num_fields();
  Compiler compiler(program.get(), *schema);
  for (const TypedExpression& root : roots) {
    HR_ASSIGN_OR_RAISE(Root compiled, compiler.Add(root));
    program->roots_.push_back(std::move(compiled));
  }
  return program;
}

Status Program::MakeNested(const arrow::RecordBatch& batch) {
  nested_arrays_.clear();
  for (const Nested& nested : nested_) {
    HR_ASSIGN_OR_RAISE(auto array, nested.column.Of(*ColumnOf(batch, nested.input)));
    nested_arrays_.push_back(std::move(array));
  }
  return Status::OK();
}

std::shared_ptr<arrow::Array> Program::ColumnOf(const arrow::RecordBatch& batch, int column) const {
  return column < columns_ ? batch.column(column) : nested_arrays_[static_cast<std::size_t>(column - columns_)];
}

Status Program::LoadChunk(const arrow::RecordBatch& batch, std::int64_t first, std::int64_t rows) {
  frame_.rows = rows;
  frame_.texts_used = 0;
  for (const Load& load : loads_) {
    const std::shared_ptr<arrow::ArrayData> held = ColumnOf(batch, load.column)->data();
    const arrow::ArrayData& data = *held;
    Vector& vector = frame_.registers[static_cast<std::size_t>(load.reg)];
    std::uint8_t* flaws = frame_.FlawsOf(load.reg);
    vector.flaws = LoadNulls(data, first, rows, flaws) ? flaws : nullptr;
    if (load.in_place)
      vector.values = const_cast<std::int64_t*>(data.GetValues<std::int64_t>(1) + first);
    else
      LoadValues(data, first, rows, vector.values);
  }
  for (const Instruction& instruction : instructions_) instruction.run(instruction, frame_);
  return Status::OK();
}

Status Program::Explain(const Root& root, const arrow::RecordBatch& batch, std::int64_t row, std::uint8_t flaw) const {
  std::string values;
  for (const int column : root.columns) {
    HR_ASSIGN_OR_RAISE(const auto scalar, batch.column(column)->GetScalar(row));
    values += fmt::format("{}{} = {:.80}", values.empty() ? " for " : ", ", batch.schema()->field(column)->name(), scalar->ToString());
  }
  return Error(ErrorCode::kExpressionFailed, fmt::format("{}: {}{}", root.text, ReasonOf(flaw), values));
}

Result<arrow::ArrayVector> Program::Run(const arrow::RecordBatch& batch) {
  const std::int64_t rows = batch.num_rows();
  HR_RETURN_NOT_OK(MakeNested(batch));
  std::vector<Output> outputs;
  for (const Root& root : roots_) {
    if (root.reg < 0) {
      outputs.emplace_back();
      continue;
    }
    HR_ASSIGN_OR_RAISE(Output output, Output::Make(root.type, rows));
    outputs.push_back(std::move(output));
  }
  const bool computes = std::any_of(roots_.begin(), roots_.end(), [](const Root& root) { return root.reg >= 0; });
  for (std::int64_t first = 0; first < rows && computes; first += kChunkRows) {
    const std::int64_t count = std::min(kChunkRows, rows - first);
    for (std::size_t r = 0; r < roots_.size(); ++r) {
      if (!roots_[r].in_place) continue;
      if (void* place = outputs[r].Place(first)) frame_.registers[static_cast<std::size_t>(roots_[r].reg)].values = place;
    }
    HR_RETURN_NOT_OK(LoadChunk(batch, first, count));
    for (std::size_t r = 0; r < roots_.size(); ++r) {
      if (roots_[r].reg < 0) continue;
      const Vector& result = frame_.registers[static_cast<std::size_t>(roots_[r].reg)];
      if (result.flaws != nullptr) {
        const auto worst = std::max_element(result.flaws, result.flaws + count);
        if (*worst > kNull) return Explain(roots_[r], batch, first + (worst - result.flaws), *worst);
      }
      HR_RETURN_NOT_OK(outputs[r].Append(result, first, count));
    }
  }
  arrow::ArrayVector arrays;
  for (std::size_t r = 0; r < roots_.size(); ++r) {
    if (roots_[r].reg < 0) {
      arrays.push_back(ColumnOf(batch, roots_[r].column));
      continue;
    }
    HR_ASSIGN_OR_RAISE(auto array, outputs[r].Finish());
    arrays.push_back(std::move(array));
  }
  return arrays;
}

Result<std::size_t> Program::Select(const arrow::RecordBatch& batch, std::vector<std::uint32_t>* selected) {
  if (selected->size() < static_cast<std::size_t>(batch.num_rows())) selected->resize(static_cast<std::size_t>(batch.num_rows()));
  HR_RETURN_NOT_OK(MakeNested(batch));
  const Root& root = roots_[0];
  std::size_t kept = 0;
  for (std::int64_t first = 0; first < batch.num_rows(); first += kChunkRows) {
    const std::int64_t count = std::min(kChunkRows, batch.num_rows() - first);
    HR_RETURN_NOT_OK(LoadChunk(batch, first, count));
    const Vector& result = frame_.registers[static_cast<std::size_t>(root.reg)];
    auto* values = result.as<std::uint8_t>();
    if (result.flaws != nullptr) {
      const auto worst = std::max_element(result.flaws, result.flaws + count);
      if (*worst > kNull) return Explain(root, batch, first + (worst - result.flaws), *worst);
      for (std::int64_t i = 0; i < count; ++i) values[i] &= result.flaws[i] == kNone;
    }
    kept += PickRows(values, count, static_cast<std::uint32_t>(first), selected->data() + kept);
  }
  return kept;
}

}  // namespace headrace::data::expression
