#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "data/expression/kernels.h"

namespace headrace::data::expression {

using plan::Function;

std::uint8_t* EnsureFlaws(const Instruction& instruction, Frame& frame) {
  std::uint8_t* flaws = frame.FlawsOf(instruction.out);
  Vector& out = frame.registers[static_cast<std::size_t>(instruction.out)];
  if (out.flaws == nullptr) std::memset(flaws, kNone, static_cast<std::size_t>(frame.rows));
  out.flaws = flaws;
  return flaws;
}

std::uint8_t* CombineFlaws(const Instruction& instruction, Frame& frame) {
  Vector& out = frame.registers[static_cast<std::size_t>(instruction.out)];
  out.flaws = nullptr;
  for (const int input : instruction.more) {
    const std::uint8_t* from = frame.registers[static_cast<std::size_t>(input)].flaws;
    if (from == nullptr) continue;
    std::uint8_t* flaws = frame.FlawsOf(instruction.out);
    if (out.flaws == nullptr) {
      std::memcpy(flaws, from, static_cast<std::size_t>(frame.rows));
      out.flaws = flaws;
      continue;
    }
    for (std::int64_t i = 0; i < frame.rows; ++i) flaws[i] = std::max(flaws[i], from[i]);
  }
  return out.flaws;
}

namespace {

template <typename T>
bool Less(T a, T b) {
  return a < b;
}
/// NaN equals itself and is greater than every number.
template <>
bool Less(double a, double b) {
  return a < b || (b != b && a == a);
}
template <typename T>
bool Equal(T a, T b) {
  return a == b;
}
template <>
bool Equal(double a, double b) {
  return a == b || (a != a && b != b);
}

template <typename T, Function kFunction>
void ComparePair(const Instruction& instruction, Frame& frame) {
  const T* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<T>();
  const T* b = frame.registers[static_cast<std::size_t>(instruction.b)].as<T>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::uint8_t>();
  const std::uint8_t* flaws = CombineFlaws(instruction, frame);
  const auto compare = [](T x, T y) {
    if constexpr (kFunction == Function::kEqual) return Equal(x, y);
    if constexpr (kFunction == Function::kNotEqual) return !Equal(x, y);
    if constexpr (kFunction == Function::kLess) return Less(x, y);
    if constexpr (kFunction == Function::kLessEqual) return !Less(y, x);
    if constexpr (kFunction == Function::kGreater) return Less(y, x);
    return !Less(x, y);
  };
  if (std::is_same_v<T, std::string_view> && flaws != nullptr) {
    for (std::int64_t i = 0; i < frame.rows; ++i) out[i] = flaws[i] == kNone && compare(a[i], b[i]);
    return;
  }
  for (std::int64_t i = 0; i < frame.rows; ++i) out[i] = compare(a[i], b[i]);
}

template <typename T>
void Between(const Instruction& instruction, Frame& frame) {
  const T* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<T>();
  const T* least = frame.registers[static_cast<std::size_t>(instruction.b)].as<T>();
  const T* most = frame.registers[static_cast<std::size_t>(instruction.c)].as<T>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::uint8_t>();
  const std::uint8_t* flaws = CombineFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i)
    out[i] = (flaws == nullptr || flaws[i] == kNone) && !Less(a[i], least[i]) && !Less(most[i], a[i]);
}

template <typename T>
void IsIn(const Instruction& instruction, Frame& frame) {
  const Vector& value = frame.registers[static_cast<std::size_t>(instruction.a)];
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::uint8_t>();
  Instruction first = instruction;
  first.more.resize(1);
  std::uint8_t* flaws = CombineFlaws(first, frame);
  bool has_null = false;
  std::fill_n(out, frame.rows, 0);
  for (std::size_t k = 1; k < instruction.more.size(); ++k) {
    const Vector& literal = frame.registers[static_cast<std::size_t>(instruction.more[k])];
    if (literal.flaws != nullptr) {
      has_null = true;
      continue;
    }
    const T wanted = literal.as<T>()[0];
    for (std::int64_t i = 0; i < frame.rows; ++i)
      if (flaws == nullptr || flaws[i] == kNone) out[i] |= static_cast<std::uint8_t>(Equal(value.as<T>()[i], wanted));
  }
  if (!has_null) return;
  if (flaws == nullptr) flaws = EnsureFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i)
    if (flaws[i] == kNone && out[i] == 0) flaws[i] = kNull;
}

template <typename T, bool kGreatest>
void Extreme(const Instruction& instruction, Frame& frame) {
  T* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<T>();
  frame.registers[static_cast<std::size_t>(instruction.out)].flaws = nullptr;
  std::uint8_t* flaws = EnsureFlaws(instruction, frame);
  std::fill_n(flaws, frame.rows, kNull);
  for (const int input : instruction.more) {
    const Vector& from = frame.registers[static_cast<std::size_t>(input)];
    for (std::int64_t i = 0; i < frame.rows; ++i) {
      const std::uint8_t flaw = from.flaws == nullptr ? kNone : from.flaws[i];
      if (flaw == kNull || flaws[i] > kNull) continue;
      if (flaw > kNull) {
        flaws[i] = flaw;
      } else if (flaws[i] == kNull || (kGreatest ? Less(out[i], from.as<T>()[i]) : Less(from.as<T>()[i], out[i]))) {
        out[i] = from.as<T>()[i];
        flaws[i] = kNone;
      }
    }
  }
}

template <typename T>
Kernel ComparisonOf(Function function) {
  switch (function) {
    case Function::kEqual:
      return ComparePair<T, Function::kEqual>;
    case Function::kNotEqual:
      return ComparePair<T, Function::kNotEqual>;
    case Function::kLess:
      return ComparePair<T, Function::kLess>;
    case Function::kLessEqual:
      return ComparePair<T, Function::kLessEqual>;
    case Function::kGreater:
      return ComparePair<T, Function::kGreater>;
    case Function::kGreaterEqual:
      return ComparePair<T, Function::kGreaterEqual>;
    case Function::kBetween:
      return Between<T>;
    case Function::kIsIn:
      return IsIn<T>;
    case Function::kLeast:
      return Extreme<T, false>;
    case Function::kGreatest:
      return Extreme<T, true>;
    default:
      return nullptr;
  }
}

/// And: false decides; or: true decides, whatever the others are.
template <bool kDecides>
void Connect(const Instruction& instruction, Frame& frame) {
  Vector& result = frame.registers[static_cast<std::size_t>(instruction.out)];
  auto* out = result.as<std::uint8_t>();
  std::uint8_t* flaws = CombineFlaws(instruction, frame);
  const auto* first = frame.registers[static_cast<std::size_t>(instruction.a)].as<std::uint8_t>();
  if (flaws == nullptr) {
    std::memcpy(out, first, static_cast<std::size_t>(frame.rows));
    for (std::size_t k = 1; k < instruction.more.size(); ++k) {
      const auto* from = frame.registers[static_cast<std::size_t>(instruction.more[k])].as<std::uint8_t>();
      for (std::int64_t i = 0; i < frame.rows; ++i) out[i] = kDecides ? out[i] | from[i] : out[i] & from[i];
    }
    return;
  }
  std::fill_n(out, frame.rows, !kDecides);
  for (const int input : instruction.more) {
    const Vector& from = frame.registers[static_cast<std::size_t>(input)];
    for (std::int64_t i = 0; i < frame.rows; ++i)
      if ((from.flaws == nullptr || from.flaws[i] == kNone) && (from.as<std::uint8_t>()[i] != 0) == kDecides) out[i] = kDecides;
  }
  for (std::int64_t i = 0; i < frame.rows; ++i)
    if ((out[i] != 0) == kDecides) flaws[i] = kNone;
}

void Not(const Instruction& instruction, Frame& frame) {
  const auto* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<std::uint8_t>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::uint8_t>();
  CombineFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) out[i] = a[i] ^ 1;
}

template <bool kNullIs>
void IsNull(const Instruction& instruction, Frame& frame) {
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::uint8_t>();
  std::uint8_t* flaws = CombineFlaws(instruction, frame);
  std::fill_n(out, frame.rows, !kNullIs);
  if (flaws == nullptr) return;
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    if (flaws[i] != kNull) continue;
    out[i] = kNullIs;
    flaws[i] = kNone;
  }
}

template <typename T>
void Choose(const Instruction& instruction, Frame& frame) {
  T* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<T>();
  frame.registers[static_cast<std::size_t>(instruction.out)].flaws = nullptr;
  std::uint8_t* flaws = EnsureFlaws(instruction, frame);
  bool any = false;
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    std::size_t chosen = instruction.more.size() - 1;
    std::uint8_t flaw = kNone;
    for (std::size_t k = 0; k + 1 < instruction.more.size(); k += 2) {
      const Vector& condition = frame.registers[static_cast<std::size_t>(instruction.more[k])];
      const std::uint8_t condition_flaw = condition.flaws == nullptr ? kNone : condition.flaws[i];
      if (condition_flaw > kNull) flaw = condition_flaw;
      if (condition_flaw > kNull || (condition_flaw == kNone && condition.as<std::uint8_t>()[i] != 0)) {
        chosen = k + 1;
        break;
      }
    }
    const Vector& from = frame.registers[static_cast<std::size_t>(instruction.more[chosen])];
    out[i] = from.as<T>()[i];
    flaws[i] = flaw != kNone ? flaw : from.flaws == nullptr ? kNone : from.flaws[i];
    any |= flaws[i] != kNone;
  }
  if (!any) frame.registers[static_cast<std::size_t>(instruction.out)].flaws = nullptr;
}

template <typename T>
void Coalesce(const Instruction& instruction, Frame& frame) {
  T* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<T>();
  frame.registers[static_cast<std::size_t>(instruction.out)].flaws = nullptr;
  std::uint8_t* flaws = EnsureFlaws(instruction, frame);
  std::fill_n(flaws, frame.rows, kNull);
  for (const int input : instruction.more) {
    const Vector& from = frame.registers[static_cast<std::size_t>(input)];
    for (std::int64_t i = 0; i < frame.rows; ++i) {
      if (flaws[i] != kNull) continue;
      out[i] = from.as<T>()[i];
      flaws[i] = from.flaws == nullptr ? kNone : from.flaws[i];
    }
  }
}

template <typename T>
void NullIf(const Instruction& instruction, Frame& frame) {
  const Vector &a = frame.registers[static_cast<std::size_t>(instruction.a)], &b = frame.registers[static_cast<std::size_t>(instruction.b)];
  T* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<T>();
  Instruction first = instruction;
  first.more.resize(1);
  CombineFlaws(first, frame);
  std::uint8_t* flaws = EnsureFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    out[i] = a.as<T>()[i];
    if (flaws[i] != kNone) continue;
    const std::uint8_t other = b.flaws == nullptr ? kNone : b.flaws[i];
    if (other > kNull)
      flaws[i] = other;
    else if (other == kNone && Equal(out[i], b.as<T>()[i]))
      flaws[i] = kNull;
  }
}

template <typename T>
Kernel ChoiceOf(Function function) {
  switch (function) {
    case Function::kIf:
    case Function::kCase:
      return Choose<T>;
    case Function::kCoalesce:
      return Coalesce<T>;
    case Function::kNullIf:
      return NullIf<T>;
    default:
      return nullptr;
  }
}

}  // namespace

Kernel ComparisonKernel(Function function, Physical physical) {
  switch (physical) {
    case Physical::kBool:
      return ComparisonOf<std::uint8_t>(function);
    case Physical::kInt64:
      return ComparisonOf<std::int64_t>(function);
    case Physical::kFloat64:
      return ComparisonOf<double>(function);
    case Physical::kDecimal:
      return ComparisonOf<Int128>(function);
    case Physical::kText:
      return ComparisonOf<std::string_view>(function);
  }
  return nullptr;
}

Kernel LogicKernel(Function function) {
  switch (function) {
    case Function::kAnd:
      return Connect<false>;
    case Function::kOr:
      return Connect<true>;
    case Function::kNot:
      return Not;
    case Function::kIsNull:
      return IsNull<true>;
    case Function::kIsNotNull:
      return IsNull<false>;
    default:
      return nullptr;
  }
}

Kernel ChoiceKernel(Function function, Physical physical) {
  switch (physical) {
    case Physical::kBool:
      return ChoiceOf<std::uint8_t>(function);
    case Physical::kInt64:
      return ChoiceOf<std::int64_t>(function);
    case Physical::kFloat64:
      return ChoiceOf<double>(function);
    case Physical::kDecimal:
      return ChoiceOf<Int128>(function);
    case Physical::kText:
      return ChoiceOf<std::string_view>(function);
  }
  return nullptr;
}

}  // namespace headrace::data::expression
