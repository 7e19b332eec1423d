#include "data/expression/constant_kernels.h"

#include <arrow/scalar.h>
#include <arrow/type.h>

#include <bit>
#include <cstdlib>

#include "data/expression/kernels.h"
#include "plan/function_types.h"

namespace headrace::data::expression {

using plan::Function;
using plan::TypedExpression;
using Kind = TypedExpression::Kind;

namespace {

bool IsInt64(const TypedExpression& expression) { return expression.type->id() == arrow::Type::INT64; }

/// The value of an int64 literal, if it is one.
std::optional<std::int64_t> IntOf(const TypedExpression& expression) {
  if (expression.kind != Kind::kLiteral || !IsInt64(expression) || !expression.literal->is_valid) return std::nullopt;
  return static_cast<const arrow::Int64Scalar&>(*expression.literal).value;
}

/// `number` = the divisor, a power of two: the rest is that of floor division, never negative.
void ModuloPowerOfTwo(const Instruction& instruction, Frame& frame) {
  const auto* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<std::int64_t>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::int64_t>();
  CombineFlaws(instruction, frame);
  const std::int64_t mask = instruction.number - 1;
  for (std::int64_t i = 0; i < frame.rows; ++i) out[i] = a[i] & mask;
}

/// `number` = the divisor, `wide` = its magic factor, `wide2` = the shift: a multiplication stands for the division.
void ModuloConstant(const Instruction& instruction, Frame& frame) {
  const auto* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<std::int64_t>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::int64_t>();
  CombineFlaws(instruction, frame);
  const std::int64_t by = instruction.number, shift = static_cast<std::int64_t>(instruction.wide2);
  const Int128 factor = instruction.wide;
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    const std::int64_t quotient = (static_cast<std::int64_t>((a[i] * factor) >> 64) >> shift) - (a[i] >> 63);
    const std::int64_t rest = a[i] - quotient * by;
    out[i] = rest + (by & (rest >> 63));
  }
}

/// Factor and shift by which x / by = (x * factor >> 64 >> shift) + (x < 0), by >= 2 (Warren, Hacker's Delight, 10-1). The factor takes
/// 65 bits with its sign, so it is kept as a wide number.
void SetMagic(std::int64_t by, Instruction* instruction) {
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 63;
  const auto divisor = static_cast<std::uint64_t>(by);
  const std::uint64_t limit = kHalf - 1 - kHalf % divisor;
  std::uint64_t q1 = kHalf / limit, r1 = kHalf % limit, q2 = kHalf / divisor, r2 = kHalf % divisor, delta = 0;
  int power = 63;
  do {
    ++power;
    q1 = 2 * q1 + (r1 * 2 >= limit ? 1 : 0);
    r1 = r1 * 2 >= limit ? r1 * 2 - limit : r1 * 2;
    q2 = 2 * q2 + (r2 * 2 >= divisor ? 1 : 0);
    r2 = r2 * 2 >= divisor ? r2 * 2 - divisor : r2 * 2;
    delta = divisor - r2;
  } while (q1 < delta || (q1 == delta && r1 == 0));
  instruction->wide = static_cast<Int128>(q2 + 1);
  instruction->wide2 = power - 64;
}

/// The inverse of an odd number modulo 2^64.
std::uint64_t InverseOf(std::uint64_t odd) {
  std::uint64_t inverse = odd;
  for (int i = 0; i < 5; ++i) inverse *= 2 - odd * inverse;
  return inverse;
}

/// A multiple of d = odd * 2^k, times the inverse of odd, is the quotient times 2^k; of other numbers it is beyond all quotients, as the
/// multiplication is one to one. `wide` = the inverse, `number` = k, `wide2` = the divisor.
void IsMultiple(const Instruction& instruction, Frame& frame) {
  const auto* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<std::int64_t>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::uint8_t>();
  CombineFlaws(instruction, frame);
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 63;
  const auto inverse = static_cast<std::uint64_t>(instruction.wide), divisor = static_cast<std::uint64_t>(instruction.wide2);
  const int twos = static_cast<int>(instruction.number);
  const std::uint64_t negative = kHalf / divisor, most = negative + (kHalf - 1) / divisor, shift = negative << twos;
  for (std::int64_t i = 0; i < frame.rows; ++i) out[i] = std::rotr(static_cast<std::uint64_t>(a[i]) * inverse + shift, twos) <= most;
}

/// `number` = the literal in units of the result. 64 by 64 bits is always below 38 digits.
void MultiplyToDecimal(const Instruction& instruction, Frame& frame) {
  const auto* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<std::int64_t>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<Int128>();
  CombineFlaws(instruction, frame);
  const std::int64_t by = instruction.number;
  for (std::int64_t i = 0; i < frame.rows; ++i) out[i] = static_cast<Int128>(a[i]) * by;
}

std::optional<ConstantCall> Modulo(const TypedExpression& call) {
  const std::optional<std::int64_t> by = IntOf(call.arguments[1]);
  if (!by || *by < 1 || !IsInt64(call.arguments[0])) return std::nullopt;
  ConstantCall chosen{&call.arguments[0], {}};
  chosen.instruction.number = *by;
  if (std::has_single_bit(static_cast<std::uint64_t>(*by))) {
    chosen.instruction.run = ModuloPowerOfTwo;
  } else {
    SetMagic(*by, &chosen.instruction);
    chosen.instruction.run = ModuloConstant;
  }
  return chosen;
}

std::optional<ConstantCall> Multiple(const TypedExpression& call) {
  const TypedExpression& left = call.arguments[0];
  if (left.kind != Kind::kCall || left.function != Function::kModulo || IntOf(call.arguments[1]) != 0) return std::nullopt;
  const std::optional<std::int64_t> by = IntOf(left.arguments[1]);
  if (!by || *by < 1 || !IsInt64(left.arguments[0])) return std::nullopt;
  const int twos = std::countr_zero(static_cast<std::uint64_t>(*by));
  ConstantCall chosen{&left.arguments[0], {}};
  chosen.instruction.run = IsMultiple;
  chosen.instruction.number = twos;
  chosen.instruction.wide = static_cast<Int128>(InverseOf(static_cast<std::uint64_t>(*by) >> twos));
  chosen.instruction.wide2 = *by;
  return chosen;
}

std::optional<ConstantCall> DecimalProduct(const TypedExpression& call) {
  for (const int side : {0, 1}) {
    const TypedExpression &number = call.arguments[static_cast<std::size_t>(side)],
                          &literal = call.arguments[static_cast<std::size_t>(1 - side)];
    if (number.kind != Kind::kCast || !plan::IsDecimal(*number.type) || !IsInt64(number.arguments[0])) continue;
    if (literal.kind != Kind::kLiteral || !plan::IsDecimal(*literal.type) || !literal.literal->is_valid) continue;
    const auto scale_of = [](const TypedExpression& of) { return static_cast<const arrow::DecimalType&>(*of.type).scale(); };
    if (scale_of(number) != 0 || scale_of(call) != scale_of(literal)) continue;
    const arrow::Decimal128& value = static_cast<const arrow::Decimal128Scalar&>(*literal.literal).value;
    if (value.high_bits() != static_cast<std::int64_t>(value.low_bits()) >> 63) continue;
    ConstantCall chosen{&number.arguments[0], {}};
    chosen.instruction.run = MultiplyToDecimal;
    chosen.instruction.number = static_cast<std::int64_t>(value.low_bits());
    return chosen;
  }
  return std::nullopt;
}

}  // namespace

std::optional<ConstantCall> ChooseConstantKernel(const TypedExpression& call) {
  if (call.kind != Kind::kCall || call.arguments.size() != 2) return std::nullopt;
  if (call.function == Function::kModulo && IsInt64(call)) return Modulo(call);
  if (call.function == Function::kEqual) return Multiple(call);
  if (call.function == Function::kMultiply && plan::IsDecimal(*call.type)) return DecimalProduct(call);
  return std::nullopt;
}

}  // namespace headrace::data::expression
