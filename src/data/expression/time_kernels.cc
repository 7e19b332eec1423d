#include <cstdint>

#include "data/expression/civil_time.h"
#include "data/expression/kernels.h"

namespace headrace::data::expression {

using plan::Function;

namespace {

constexpr std::int64_t kDaySeconds = 86'400;

/// `number`: ticks a day of the argument; 1 for dates.
template <typename Op>
void Each(const Instruction& instruction, Frame& frame, int from, Op op) {
  const auto* a = frame.registers[static_cast<std::size_t>(from)].as<std::int64_t>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::int64_t>();
  CombineFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) out[i] = op(a[i]);
}

/// Where `op`(ticks, out) is false, the result is beyond the range of its type.
template <typename Op>
void EachChecked(const Instruction& instruction, Frame& frame, int from, Op op) {
  const auto* a = frame.registers[static_cast<std::size_t>(from)].as<std::int64_t>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::int64_t>();
  std::uint8_t* flaws = CombineFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    if (op(a[i], &out[i]) || (flaws != nullptr && flaws[i] != kNone)) continue;
    flaws = EnsureFlaws(instruction, frame);
    flaws[i] = instruction.or_null ? kNull : kOverflow;
  }
}

template <std::int64_t Civil::*kPart>
void Part(const Instruction& instruction, Frame& frame) {
  const std::int64_t per_day = instruction.number;
  // Rows that follow each other mostly share their day.
  std::int64_t last_day = INT64_MIN, last = 0;
  Each(instruction, frame, instruction.a, [&](std::int64_t ticks) {
    const std::int64_t day = FloorDivide(ticks, per_day);
    if (day != last_day) {
      last_day = day;
      last = CivilOf(day).*kPart;
    }
    return last;
  });
}

template <std::int64_t kSeconds, std::int64_t kModulus>
void Clock(const Instruction& instruction, Frame& frame) {
  const std::int64_t per_day = instruction.number, step = per_day >= kDaySeconds ? per_day / kDaySeconds * kSeconds : 0;
  Each(instruction, frame, instruction.a, [&](std::int64_t ticks) { return step == 0 ? 0 : FloorRest(ticks, per_day) / step % kModulus; });
}

void DayOfWeek(const Instruction& instruction, Frame& frame) {
  const std::int64_t per_day = instruction.number;
  Each(instruction, frame, instruction.a, [&](std::int64_t ticks) {
    const std::int64_t from_monday = FloorDivide(ticks, per_day) + 3;  // 1970-01-01 was a Thursday
    return from_monday - FloorDivide(from_monday, 7) * 7 + 1;
  });
}

void Date(const Instruction& instruction, Frame& frame) {
  const std::int64_t per_day = instruction.number;
  EachChecked(instruction, frame, instruction.a, [&](std::int64_t ticks, std::int64_t* out) {
    *out = FloorDivide(ticks, per_day);
    return *out == static_cast<std::int32_t>(*out);
  });
}

/// `wide`: seconds of the unit, 0 for month, -1 for year; weeks begin on Monday.
void Truncate(const Instruction& instruction, Frame& frame) {
  const std::int64_t per_day = instruction.number;
  const auto seconds = static_cast<std::int64_t>(instruction.wide);
  if (seconds > 0 && seconds < 7 * kDaySeconds) {
    const std::int64_t step = per_day >= kDaySeconds ? per_day / kDaySeconds * seconds : 1;
    EachChecked(instruction, frame, instruction.b,
                [&](std::int64_t ticks, std::int64_t* out) { return !__builtin_sub_overflow(ticks, FloorRest(ticks, step), out); });
    return;
  }
  const bool date = per_day == 1;
  EachChecked(instruction, frame, instruction.b, [&](std::int64_t ticks, std::int64_t* out) {
    const std::int64_t day = FloorDivide(ticks, per_day);
    std::int64_t first = 0;
    if (seconds == 7 * kDaySeconds) {
      first = FloorDivide(day + 3, 7) * 7 - 3;
    } else {
      const Civil civil = CivilOf(day);
      first = DaysOf(civil.year, seconds == 0 ? civil.month : 1, 1);
    }
    return !__builtin_mul_overflow(first, per_day, out) && (!date || *out == static_cast<std::int32_t>(*out));
  });
}

void EpochMs(const Instruction& instruction, Frame& frame) {
  const std::int64_t per_day = instruction.number, per_ms = per_day / (kDaySeconds * 1000);
  if (per_ms > 0) {
    Each(instruction, frame, instruction.a, [&](std::int64_t ticks) { return FloorDivide(ticks, per_ms); });
    return;
  }
  const std::int64_t ms = kDaySeconds * 1000 / per_day;
  EachChecked(instruction, frame, instruction.a,
              [&](std::int64_t ticks, std::int64_t* out) { return !__builtin_mul_overflow(ticks, ms, out); });
}

void Same(const Instruction& instruction, Frame& frame) {
  Each(instruction, frame, instruction.a, [](std::int64_t ticks) { return ticks; });
}

}  // namespace

Kernel TimeKernel(Function function) {
  switch (function) {
    case Function::kYear:
      return Part<&Civil::year>;
    case Function::kMonth:
      return Part<&Civil::month>;
    case Function::kDay:
      return Part<&Civil::day>;
    case Function::kHour:
      return Clock<3600, 24>;
    case Function::kMinute:
      return Clock<60, 60>;
    case Function::kSecond:
      return Clock<1, 60>;
    case Function::kDayOfWeek:
      return DayOfWeek;
    case Function::kDate:
      return Date;
    case Function::kTruncate:
      return Truncate;
    case Function::kEpochMs:
      return EpochMs;
    case Function::kFromEpochMs:
      return Same;
    default:
      return nullptr;
  }
}

}  // namespace headrace::data::expression
