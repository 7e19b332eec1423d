#include <cmath>
#include <cstdint>
#include <limits>

#include "data/expression/kernels.h"

namespace headrace::data::expression {

using plan::Function;

Int128 PowerOfTen(std::int64_t digits) {
  Int128 power = 1;
  for (std::int64_t i = 0; i < digits; ++i) power *= 10;
  return power;
}

namespace {

constexpr std::uint8_t Or(const Instruction& instruction, Flaw flaw) { return instruction.or_null ? kNull : flaw; }

/// out = op(a, b); op gives a flaw, kNone mostly. Errors are looked for once a chunk, so that the loop stays tight.
template <typename T, typename Op>
void Checked(const Instruction& instruction, Frame& frame, Op op) {
  const T* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<T>();
  const T* b = frame.registers[static_cast<std::size_t>(instruction.b < 0 ? instruction.a : instruction.b)].as<T>();
  T* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<T>();
  std::uint8_t* flaws = CombineFlaws(instruction, frame);
  bool any = false;
  for (std::int64_t i = 0; i < frame.rows; ++i) any |= op(a[i], b[i], &out[i]) != kNone;
  if (!any) return;
  if (flaws == nullptr) flaws = EnsureFlaws(instruction, frame);
  T ignored;
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    if (flaws[i] != kNone) continue;
    const Flaw flaw = op(a[i], b[i], &ignored);
    if (flaw != kNone) flaws[i] = Or(instruction, flaw);
  }
}

template <typename T, typename Op>
void Plain(const Instruction& instruction, Frame& frame, Op op) {
  const T* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<T>();
  const T* b = frame.registers[static_cast<std::size_t>(instruction.b < 0 ? instruction.a : instruction.b)].as<T>();
  T* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<T>();
  CombineFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) out[i] = op(a[i], b[i]);
}

// ---- int64 ----

Flaw FloorDivide(std::int64_t a, std::int64_t b, std::int64_t* out) {
  *out = 0;
  if (b == 0) return kDivisionByZero;
  if (b == -1) return __builtin_sub_overflow(std::int64_t{0}, a, out) ? kOverflow : kNone;
  *out = a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
  return kNone;
}

Flaw Modulo(std::int64_t a, std::int64_t b, std::int64_t* out) {
  *out = 0;
  if (b == 0) return kDivisionByZero;
  if (b == -1) return kNone;
  const std::int64_t rest = a % b;
  *out = rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  return kNone;
}

void IntModulo(const Instruction& instruction, Frame& frame) {
  Checked<std::int64_t>(instruction, frame, [](std::int64_t a, std::int64_t b, std::int64_t* out) { return Modulo(a, b, out); });
}

Kernel IntKernel(Function function) {
  switch (function) {
    case Function::kAdd:
      return [](const Instruction& i, Frame& f) {
        Checked<std::int64_t>(i, f, [](std::int64_t a, std::int64_t b, std::int64_t* out) {
          *out = static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
          return ((a ^ *out) & (b ^ *out)) < 0 ? kOverflow : kNone;
        });
      };
    case Function::kSubtract:
      return [](const Instruction& i, Frame& f) {
        Checked<std::int64_t>(i, f, [](std::int64_t a, std::int64_t b, std::int64_t* out) {
          *out = static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
          return ((a ^ b) & (a ^ *out)) < 0 ? kOverflow : kNone;
        });
      };
    case Function::kMultiply:
      return [](const Instruction& i, Frame& f) {
        Checked<std::int64_t>(
            i, f, [](std::int64_t a, std::int64_t b, std::int64_t* out) { return __builtin_mul_overflow(a, b, out) ? kOverflow : kNone; });
      };
    case Function::kFloorDivide:
      return [](const Instruction& i, Frame& f) { Checked<std::int64_t>(i, f, FloorDivide); };
    case Function::kModulo:
      return IntModulo;
    case Function::kNegate:
      return [](const Instruction& i, Frame& f) {
        Checked<std::int64_t>(i, f, [](std::int64_t a, std::int64_t, std::int64_t* out) {
          return __builtin_sub_overflow(std::int64_t{0}, a, out) ? kOverflow : kNone;
        });
      };
    case Function::kAbs:
      return [](const Instruction& i, Frame& f) {
        Checked<std::int64_t>(i, f, [](std::int64_t a, std::int64_t, std::int64_t* out) {
          if (a < 0) return __builtin_sub_overflow(std::int64_t{0}, a, out) ? kOverflow : kNone;
          *out = a;
          return kNone;
        });
      };
    case Function::kRound:
    case Function::kFloor:
    case Function::kCeil:
      return [](const Instruction& i, Frame& f) { Plain<std::int64_t>(i, f, [](std::int64_t a, std::int64_t) { return a; }); };
    default:
      return nullptr;
  }
}

// ---- float64 ----

double FloorDivideFloat(double a, double b) { return std::floor(a / b); }
double ModuloFloat(double a, double b) {
  const double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

template <double (*kOp)(double)>
void OneFloat(const Instruction& i, Frame& f) {
  Plain<double>(i, f, [](double a, double) { return kOp(a); });
}

void RoundFloat(const Instruction& instruction, Frame& frame) {
  const double power = std::pow(10.0, static_cast<double>(instruction.number));
  const bool all = power == 0;  // more digits go than a number has
  Instruction one = instruction;
  one.b = -1;
  Plain<double>(one, frame, [power, all](double a, double) {
    if (all) return std::isfinite(a) ? std::copysign(0.0, a) : a;
    const double scaled = a * power;
    return std::isfinite(scaled) ? std::nearbyint(scaled) / power : a;
  });
}

Kernel FloatKernel(Function function) {
  switch (function) {
    case Function::kAdd:
      return [](const Instruction& i, Frame& f) { Plain<double>(i, f, [](double a, double b) { return a + b; }); };
    case Function::kSubtract:
      return [](const Instruction& i, Frame& f) { Plain<double>(i, f, [](double a, double b) { return a - b; }); };
    case Function::kMultiply:
      return [](const Instruction& i, Frame& f) { Plain<double>(i, f, [](double a, double b) { return a * b; }); };
    case Function::kDivide:
      return [](const Instruction& i, Frame& f) { Plain<double>(i, f, [](double a, double b) { return a / b; }); };
    case Function::kFloorDivide:
      return [](const Instruction& i, Frame& f) { Plain<double>(i, f, FloorDivideFloat); };
    case Function::kModulo:
      return [](const Instruction& i, Frame& f) { Plain<double>(i, f, ModuloFloat); };
    case Function::kPower:
      return [](const Instruction& i, Frame& f) { Plain<double>(i, f, [](double a, double b) { return std::pow(a, b); }); };
    case Function::kNegate:
      return [](const Instruction& i, Frame& f) { Plain<double>(i, f, [](double a, double) { return -a; }); };
    case Function::kAbs:
      return OneFloat<std::fabs>;
    case Function::kFloor:
      return OneFloat<std::floor>;
    case Function::kCeil:
      return OneFloat<std::ceil>;
    case Function::kSqrt:
      return OneFloat<std::sqrt>;
    case Function::kExp:
      return OneFloat<std::exp>;
    case Function::kLn:
      return OneFloat<std::log>;
    case Function::kRound:
      return RoundFloat;
    default:
      return nullptr;
  }
}

// ---- decimal: a and b are brought to the result's scale by `wide` and `wide2` ----

bool TooLong(Int128 value) {
  static const Int128 limit = PowerOfTen(38);
  return value >= limit || value <= -limit;
}

Flaw Fit(Int128 value, bool overflow) { return overflow || TooLong(value) ? kOverflow : kNone; }

/// Divides, half away from zero.
Int128 DivideRounded(Int128 value, Int128 by) {
  const Int128 quotient = value / by, rest = value % by;
  const Int128 twice = rest < 0 ? -rest : rest, half = (by < 0 ? -by : by) - twice;
  if (twice < half) return quotient;
  return quotient + ((value < 0) != (by < 0) ? -1 : 1);
}

void DecimalAdd(const Instruction& instruction, Frame& frame) {
  const Int128 by_a = instruction.wide, by_b = instruction.wide2;
  Checked<Int128>(instruction, frame, [by_a, by_b](Int128 a, Int128 b, Int128* out) {
    Int128 left = 0, right = 0;
    const bool overflow =
        __builtin_mul_overflow(a, by_a, &left) | __builtin_mul_overflow(b, by_b, &right) | __builtin_add_overflow(left, right, out);
    return Fit(*out, overflow);
  });
}

void DecimalMultiply(const Instruction& instruction, Frame& frame) {
  const Int128 by = instruction.wide;  // 10^digits that the result drops
  if (by == 1) {
    Checked<Int128>(instruction, frame, [](Int128 a, Int128 b, Int128* out) {
      // Both in 64 bits, as money mostly is: one multiplication.
      if (a == static_cast<std::int64_t>(a) && b == static_cast<std::int64_t>(b)) {
        *out = static_cast<Int128>(static_cast<std::int64_t>(a)) * static_cast<std::int64_t>(b);
        return TooLong(*out) ? kOverflow : kNone;
      }
      const bool overflow = __builtin_mul_overflow(a, b, out);
      return Fit(*out, overflow);
    });
    return;
  }
  Checked<Int128>(instruction, frame, [by](Int128 a, Int128 b, Int128* out) {
    Int128 product = 0;
    const bool overflow = __builtin_mul_overflow(a, b, &product);
    *out = DivideRounded(product, by);
    return Fit(*out, overflow);
  });
}

void DecimalDivide(const Instruction& instruction, Frame& frame) {
  const Int128 by = instruction.wide;  // 10^(scale - scale a + scale b); 0 if that has more than 38 digits
  Checked<Int128>(instruction, frame, [by](Int128 a, Int128 b, Int128* out) {
    *out = 0;
    if (b == 0) return kDivisionByZero;
    if (by == 0) return a == 0 ? kNone : kOverflow;
    Int128 scaled = 0;
    if (__builtin_mul_overflow(a, by, &scaled)) return kOverflow;
    *out = DivideRounded(scaled, b);
    return Fit(*out, false);
  });
}

template <bool kRest>
void DecimalFloor(const Instruction& instruction, Frame& frame) {
  const Int128 by_a = instruction.wide, by_b = instruction.wide2, back = PowerOfTen(instruction.number);
  Checked<Int128>(instruction, frame, [by_a, by_b, back](Int128 a, Int128 b, Int128* out) {
    *out = 0;
    if (b == 0) return kDivisionByZero;
    Int128 left = 0, right = 0;
    if (__builtin_mul_overflow(a, by_a, &left) || __builtin_mul_overflow(b, by_b, &right)) return kOverflow;
    Int128 quotient = left / right, rest = left % right;
    if (rest != 0 && (rest < 0) != (right < 0)) {
      --quotient;
      rest += right;
    }
    if (kRest)
      *out = rest;
    else if (__builtin_mul_overflow(quotient, back, out))
      return kOverflow;
    return Fit(*out, false);
  });
}

enum class Rounding { kNearest, kDown, kUp };
/// `wide` = 10^digits that go, 0 for more than 38; the scale stays.
template <Rounding kHow>
void DecimalRound(const Instruction& instruction, Frame& frame) {
  const Int128 by = instruction.wide;
  Instruction one = instruction;
  one.b = -1;
  Checked<Int128>(one, frame, [by](Int128 a, Int128, Int128* out) {
    *out = 0;
    if (by == 0) return kNone;
    Int128 quotient = a / by, rest = a % by;
    if (kHow == Rounding::kDown && rest < 0) --quotient;
    if (kHow == Rounding::kUp && rest > 0) ++quotient;
    if (kHow == Rounding::kNearest && rest != 0) {
      const Int128 above = rest < 0 ? -rest : rest, below = by - above;  // twice the rest may be beyond the range
      if (above > below || (above == below && quotient % 2 != 0)) quotient += a < 0 ? -1 : 1;
    }
    const bool overflow = __builtin_mul_overflow(quotient, by, out);
    return Fit(*out, overflow);
  });
}

Kernel DecimalKernel(Function function) {
  switch (function) {
    case Function::kAdd:
    case Function::kSubtract:
      return DecimalAdd;  // subtract with a negative wide2
    case Function::kMultiply:
      return DecimalMultiply;
    case Function::kDivide:
      return DecimalDivide;
    case Function::kFloorDivide:
      return DecimalFloor<false>;
    case Function::kModulo:
      return DecimalFloor<true>;
    case Function::kRound:
      return DecimalRound<Rounding::kNearest>;
    case Function::kFloor:
      return DecimalRound<Rounding::kDown>;
    case Function::kCeil:
      return DecimalRound<Rounding::kUp>;
    case Function::kNegate:
      return [](const Instruction& i, Frame& f) { Plain<Int128>(i, f, [](Int128 a, Int128) { return -a; }); };
    case Function::kAbs:
      return [](const Instruction& i, Frame& f) { Plain<Int128>(i, f, [](Int128 a, Int128) { return a < 0 ? -a : a; }); };
    default:
      return nullptr;
  }
}

}  // namespace

Kernel ArithmeticKernel(Function function, Physical physical) {
  switch (physical) {
    case Physical::kInt64:
      return IntKernel(function);
    case Physical::kFloat64:
      return FloatKernel(function);
    case Physical::kDecimal:
      return DecimalKernel(function);
    default:
      return nullptr;
  }
}

}  // namespace headrace::data::expression
