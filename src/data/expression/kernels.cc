#include "data/expression/kernels.h"

#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "plan/function_types.h"

namespace headrace::data::expression {

using plan::Function;

std::int64_t TicksPerDay(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DATE32) return 1;
  constexpr std::int64_t kSeconds = 86'400;
  const auto unit = type.id() == arrow::Type::DURATION ? static_cast<const arrow::DurationType&>(type).unit()
                                                       : static_cast<const arrow::TimestampType&>(type).unit();
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return kSeconds;
    case arrow::TimeUnit::MILLI:
      return kSeconds * 1000;
    case arrow::TimeUnit::MICRO:
      return kSeconds * 1'000'000;
    case arrow::TimeUnit::NANO:
      return kSeconds * 1'000'000'000;
  }
  return kSeconds * 1000;
}

namespace {

std::int32_t ScaleOf(const arrow::DataType& type) { return static_cast<const arrow::DecimalType&>(type).scale(); }

constexpr std::int64_t kMaxDigits = 38;
/// 10^digits, 1 for less than none, 0 for more than a decimal has.
Int128 PowerOrZero(std::int64_t digits) { return digits > kMaxDigits ? 0 : PowerOfTen(std::max<std::int64_t>(0, digits)); }

void ScaleDecimals(const plan::TypedExpression& call, Instruction* instruction) {
  const auto& arguments = call.arguments;
  const std::int32_t out = ScaleOf(*call.type), a = ScaleOf(*arguments[0].type),
                     b = arguments.size() > 1 && plan::IsDecimal(*arguments[1].type) ? ScaleOf(*arguments[1].type) : 0;
  switch (call.function) {
    case Function::kAdd:
    case Function::kSubtract:
    case Function::kFloorDivide:
    case Function::kModulo:
      instruction->wide = PowerOfTen(std::max(0, std::max(a, b) - a));
      instruction->wide2 = PowerOfTen(std::max(0, std::max(a, b) - b)) * (call.function == Function::kSubtract ? -1 : 1);
      instruction->number = call.function == Function::kFloorDivide ? out : 0;
      return;
    case Function::kMultiply:
      instruction->wide = PowerOfTen(std::max(0, a + b - out));
      return;
    case Function::kDivide:
      instruction->wide = PowerOrZero(out - a + b);
      return;
    case Function::kRound:
      instruction->wide = PowerOrZero(a - std::clamp<std::int64_t>(instruction->number, -kMaxDigits, kMaxDigits));
      return;
    case Function::kFloor:
    case Function::kCeil:
      instruction->wide = PowerOfTen(a);
      return;
    default:
      return;
  }
}

std::int64_t LiteralInt(const plan::TypedExpression& literal) {
  return literal.literal->is_valid && literal.type->id() == arrow::Type::INT64
             ? static_cast<const arrow::Int64Scalar&>(*literal.literal).value
             : 0;
}

Int128 UnitSeconds(const std::string& unit) {
  if (unit == "second") return 1;
  if (unit == "minute") return 60;
  if (unit == "hour") return 3600;
  if (unit == "day") return 86'400;
  if (unit == "week") return 7 * 86'400;
  return unit == "month" ? 0 : -1;
}

// ---- casts ----

void Copy8(const Instruction& instruction, Frame& frame) {
  const auto* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<std::int64_t>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::int64_t>();
  CombineFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) out[i] = a[i];
}

void IntToFloat(const Instruction& instruction, Frame& frame) {
  const auto* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<std::int64_t>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<double>();
  CombineFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) out[i] = static_cast<double>(a[i]);
}

/// From ints and floats to an int of [wide, wide2]; what lies outside, or NaN, is a bad cast.
template <typename From>
void ToInt(const Instruction& instruction, Frame& frame) {
  const auto* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<From>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::int64_t>();
  std::uint8_t* flaws = CombineFlaws(instruction, frame);
  const auto least = static_cast<std::int64_t>(instruction.wide), most = static_cast<std::int64_t>(instruction.wide2);
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    bool fits = true;
    if constexpr (std::is_floating_point_v<From>) {
      fits = a[i] >= -0x1p63 && a[i] < 0x1p63;
      out[i] = fits ? static_cast<std::int64_t>(a[i]) : 0;
    } else {
      out[i] = static_cast<std::int64_t>(a[i]);
    }
    fits = fits && out[i] >= least && out[i] <= most;
    if (fits || (flaws != nullptr && flaws[i] != kNone)) continue;
    flaws = EnsureFlaws(instruction, frame);
    flaws[i] = instruction.or_null ? kNull : kBadCast;
  }
}

void BoolToInt(const Instruction& instruction, Frame& frame) {
  const auto* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<std::uint8_t>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::int64_t>();
  CombineFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) out[i] = a[i];
}

template <typename From>
void ToBool(const Instruction& instruction, Frame& frame) {
  const auto* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<From>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::uint8_t>();
  CombineFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) out[i] = a[i] != 0;
}

/// Decimals from `number` digits behind the point: times `wide`, then divided by `wide2`; |result| below the precision's limit.
template <typename From>
void ToDecimal(const Instruction& instruction, Frame& frame) {
  const auto* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<From>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<Int128>();
  std::uint8_t* flaws = CombineFlaws(instruction, frame);
  const Int128 times = instruction.wide, by = instruction.wide2, limit = PowerOfTen(instruction.number);
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    bool fits = true;
    if constexpr (std::is_floating_point_v<From>) {
      const double scaled = a[i] * static_cast<double>(times);
      fits = std::fabs(scaled) < 1e38;
      out[i] = fits ? static_cast<Int128>(std::nearbyint(scaled)) : 0;
    } else {
      fits = !__builtin_mul_overflow(static_cast<Int128>(a[i]), times, &out[i]);
      if (by != 1) {
        const Int128 rest = out[i] % by, above = rest < 0 ? -rest : rest;
        out[i] = out[i] / by + (above >= by - above ? (rest < 0 ? -1 : 1) : 0);
      }
    }
    fits = fits && out[i] < limit && out[i] > -limit;
    if (fits || (flaws != nullptr && flaws[i] != kNone)) continue;
    flaws = EnsureFlaws(instruction, frame);
    flaws[i] = instruction.or_null ? kNull : kBadCast;
  }
}

template <bool kFloat>
void FromDecimal(const Instruction& instruction, Frame& frame) {
  const auto* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<Int128>();
  const Vector& result = frame.registers[static_cast<std::size_t>(instruction.out)];
  std::uint8_t* flaws = CombineFlaws(instruction, frame);
  const Int128 power = PowerOfTen(instruction.number);
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    if (kFloat) {
      result.as<double>()[i] = static_cast<double>(a[i]) / static_cast<double>(power);
      continue;
    }
    const Int128 whole = a[i] / power;
    result.as<std::int64_t>()[i] = static_cast<std::int64_t>(whole);
    if ((whole >= instruction.wide && whole <= instruction.wide2) || (flaws != nullptr && flaws[i] != kNone)) continue;
    flaws = EnsureFlaws(instruction, frame);
    flaws[i] = instruction.or_null ? kNull : kBadCast;
  }
}

/// Times between units: times `wide`, or divided by `wide2`, rounding down. `number` 1: to a date, which has 32 bits.
void Retime(const Instruction& instruction, Frame& frame) {
  const auto* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<std::int64_t>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::int64_t>();
  std::uint8_t* flaws = CombineFlaws(instruction, frame);
  const auto times = static_cast<std::int64_t>(instruction.wide), by = static_cast<std::int64_t>(instruction.wide2);
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    bool overflow = __builtin_mul_overflow(a[i], times, &out[i]);
    out[i] = out[i] / by - (out[i] % by < 0 ? 1 : 0);
    overflow = overflow || (instruction.number == 1 && out[i] != static_cast<std::int32_t>(out[i]));
    if (!overflow || (flaws != nullptr && flaws[i] != kNone)) continue;
    flaws = EnsureFlaws(instruction, frame);
    flaws[i] = instruction.or_null ? kNull : kOverflow;
  }
}

void SetRange(const arrow::DataType& to, Instruction* instruction) {
  instruction->wide = std::numeric_limits<std::int64_t>::min();
  instruction->wide2 = std::numeric_limits<std::int64_t>::max();
  if (!plan::IsInteger(to) || to.id() == arrow::Type::INT64) return;
  const int bits = to.bit_width();
  const bool is_signed = to.id() == arrow::Type::INT8 || to.id() == arrow::Type::INT16 || to.id() == arrow::Type::INT32;
  instruction->wide = is_signed ? -(Int128{1} << (bits - 1)) : 0;
  instruction->wide2 = (Int128{1} << (is_signed ? bits - 1 : bits)) - 1;
}

bool IsTime(const arrow::DataType& type) {
  return type.id() == arrow::Type::TIMESTAMP || type.id() == arrow::Type::DATE32 || type.id() == arrow::Type::DURATION;
}

Status ChooseTimeCast(const arrow::DataType& from, const arrow::DataType& to, Instruction* instruction) {
  const bool from_int = from.id() == arrow::Type::INT64, to_int = to.id() == arrow::Type::INT64;
  if (from_int || to_int) {
    instruction->run = Copy8;
    return Status::OK();
  }
  const std::int64_t a = TicksPerDay(from), b = TicksPerDay(to);
  instruction->wide = b > a ? b / a : 1;
  instruction->wide2 = a > b ? a / b : 1;
  instruction->number = to.id() == arrow::Type::DATE32 ? 1 : 0;
  instruction->run = a == b ? Copy8 : Retime;
  return Status::OK();
}

}  // namespace

Status ChooseCast(const arrow::DataType& from, const arrow::DataType& to, Instruction* instruction) {
  HR_ASSIGN_OR_RAISE(const Physical a, Program::PhysicalOf(from));
  HR_ASSIGN_OR_RAISE(const Physical b, Program::PhysicalOf(to));
  if (b == Physical::kInt64) SetRange(to, instruction);
  if (a == Physical::kText || b == Physical::kText) return ChooseTextCast(from, to, instruction);
  if (IsTime(from) || IsTime(to)) return ChooseTimeCast(from, to, instruction);
  if (b == Physical::kInt64 && a == Physical::kInt64) instruction->run = ToInt<std::int64_t>;
  if (b == Physical::kInt64 && a == Physical::kFloat64) instruction->run = ToInt<double>;
  if (b == Physical::kInt64 && a == Physical::kBool) instruction->run = BoolToInt;
  if (b == Physical::kFloat64 && a == Physical::kInt64) instruction->run = IntToFloat;
  if (b == Physical::kFloat64 && a == Physical::kFloat64) instruction->run = Copy8;
  if (b == Physical::kBool && a == Physical::kInt64) instruction->run = ToBool<std::int64_t>;
  if (b == Physical::kBool && a == Physical::kFloat64) instruction->run = ToBool<double>;
  if (a == Physical::kDecimal && b == Physical::kInt64) {
    instruction->number = ScaleOf(from);
    instruction->run = FromDecimal<false>;
  }
  if (a == Physical::kDecimal && b == Physical::kFloat64) {
    instruction->number = ScaleOf(from);
    instruction->run = FromDecimal<true>;
  }
  if (b == Physical::kDecimal) {
    const std::int32_t scale = ScaleOf(to), had = a == Physical::kDecimal ? ScaleOf(from) : 0;
    instruction->number = static_cast<const arrow::DecimalType&>(to).precision();
    instruction->wide = PowerOfTen(std::max(0, scale - had));
    instruction->wide2 = PowerOfTen(std::max(0, had - scale));
    if (a == Physical::kInt64) instruction->run = ToDecimal<std::int64_t>;
    if (a == Physical::kFloat64) instruction->run = ToDecimal<double>;
    if (a == Physical::kDecimal) instruction->run = ToDecimal<Int128>;
  }
  if (instruction->run == nullptr) return Status::NotImplemented("a cast from ", from.ToString(), " to ", to.ToString());
  return Status::OK();
}

Status ChooseKernel(const plan::TypedExpression& call, Instruction* instruction) {
  const auto& arguments = call.arguments;
  const arrow::DataType& first = *arguments[0].type;
  HR_ASSIGN_OR_RAISE(const Physical out, Program::PhysicalOf(*call.type));
  HR_ASSIGN_OR_RAISE(const Physical in, Program::PhysicalOf(first));
  const Function function = call.function;
  if (function <= Function::kLn) {
    if (function == Function::kRound && arguments.size() > 1) instruction->number = LiteralInt(arguments[1]);
    if (out == Physical::kDecimal) ScaleDecimals(call, instruction);
    instruction->run = ArithmeticKernel(function, out);
  } else if (function <= Function::kGreatest) {
    instruction->run = ComparisonKernel(function, in);
  } else if (function <= Function::kIsNotNull) {
    instruction->run = LogicKernel(function);
  } else if (function <= Function::kCase) {
    instruction->run = ChoiceKernel(function, out);
  } else if (function <= Function::kRegexpReplace) {
    if (function == Function::kLength) instruction->number = first.id() == arrow::Type::BINARY ? 1 : 0;
    instruction->run = TextKernel(function);
    if (instruction->run == nullptr) return ChoosePatternKernel(call, instruction);
  } else if (function <= Function::kFromEpochMs) {
    if (function == Function::kTruncate) instruction->wide = UnitSeconds(arguments[0].literal->ToString());
    const arrow::DataType& time = *arguments[function == Function::kTruncate ? 1 : 0].type;
    if (IsTime(time)) instruction->number = TicksPerDay(time);
    instruction->run = TimeKernel(function);
    if (instruction->run == nullptr) return ChoosePatternKernel(call, instruction);
  }
  if (instruction->run == nullptr) return Status::NotImplemented("the function ", plan::EntryOf(function).name, " of ", first.ToString());
  return Status::OK();
}

}  // namespace headrace::data::expression
