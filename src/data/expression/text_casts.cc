#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <arrow/util/value_parsing.h>
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <string>
#include <string_view>

#include "columnar/decimal_text.h"
#include "data/expression/civil_time.h"
#include "data/expression/kernels.h"
#include "plan/function_types.h"

namespace headrace::data::expression {
namespace {

constexpr std::int64_t kDaySeconds = 86'400;

std::string_view Trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

template <typename Number>
bool ParseNumber(std::string_view text, Number* out) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

/// `parse`(text, out) for every row; what it refuses is a bad cast.
template <typename Out, typename Parse>
void FromText(const Instruction& instruction, Frame& frame, Parse parse) {
  const auto* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<std::string_view>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<Out>();
  std::uint8_t* flaws = CombineFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    out[i] = {};
    if (flaws != nullptr && flaws[i] != kNone) continue;
    if (parse(Trimmed(a[i]), &out[i])) continue;
    out[i] = {};
    flaws = EnsureFlaws(instruction, frame);
    flaws[i] = instruction.or_null ? kNull : kBadCast;
  }
}

/// An int of [wide, wide2].
void TextToInt(const Instruction& instruction, Frame& frame) {
  FromText<std::int64_t>(instruction, frame, [&](std::string_view text, std::int64_t* out) {
    return ParseNumber(text, out) && *out >= instruction.wide && *out <= instruction.wide2;
  });
}

void TextToFloat(const Instruction& instruction, Frame& frame) {
  FromText<double>(instruction, frame, [](std::string_view text, double* out) { return ParseNumber(text, out); });
}

void TextToBool(const Instruction& instruction, Frame& frame) {
  FromText<std::uint8_t>(instruction, frame, [](std::string_view text, std::uint8_t* out) {
    const auto is = [&](std::string_view word) {
      return text.size() == word.size() && strncasecmp(text.data(), word.data(), word.size()) == 0;
    };
    *out = is("true") || is("1");
    return *out != 0 || is("false") || is("0");
  });
}

/// `number` digits, `wide` of them behind the point; more of them in the text are rounded, half away from zero.
void TextToDecimal(const Instruction& instruction, Frame& frame) {
  const auto scale = static_cast<std::int32_t>(instruction.wide), precision = static_cast<std::int32_t>(instruction.number);
  FromText<Int128>(instruction, frame, [&](std::string_view text, Int128* out) {
    arrow::Decimal128 value;
    if (!columnar::DecimalFromText(text, precision, scale, columnar::MoreDigits::kRounded, &value)) return false;
    std::memcpy(out, value.ToBytes().data(), sizeof(*out));
    return true;
  });
}

/// `number`: ticks a day.
void TextToTime(const Instruction& instruction, Frame& frame) {
  const std::int64_t per_day = instruction.number;
  FromText<std::int64_t>(instruction, frame, [&](std::string_view text, std::int64_t* out) {
    const auto unit = per_day <= kDaySeconds               ? arrow::TimeUnit::SECOND
                      : per_day == kDaySeconds * 1000      ? arrow::TimeUnit::MILLI
                      : per_day == kDaySeconds * 1'000'000 ? arrow::TimeUnit::MICRO
                                                           : arrow::TimeUnit::NANO;
    bool has_zone = false;  // the offset is taken off already
    if (!arrow::internal::ParseTimestampISO8601(text.data(), text.size(), unit, out, &has_zone)) return false;
    if (per_day == 1) {
      if (text.size() != 10) return false;
      *out = FloorDivide(*out, kDaySeconds);
    }
    return true;
  });
}

template <typename From, typename Write>
void ToText(const Instruction& instruction, Frame& frame, Write write) {
  const auto* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<From>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::string_view>();
  const std::uint8_t* flaws = CombineFlaws(instruction, frame);
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    out[i] = {};
    if (flaws != nullptr && flaws[i] != kNone) continue;
    std::string* made = frame.NewText();
    write(a[i], made);
    out[i] = *made;
  }
}

void IntToText(const Instruction& instruction, Frame& frame) {
  ToText<std::int64_t>(instruction, frame, [](std::int64_t value, std::string* out) { *out = std::to_string(value); });
}

void FloatToText(const Instruction& instruction, Frame& frame) {
  ToText<double>(instruction, frame, [](double value, std::string* out) {
    *out = std::isnan(value) ? "nan" : fmt::format("{}", value);
    if (std::isfinite(value) && out->find_first_of(".e") == std::string::npos) *out += ".0";
  });
}

void BoolToText(const Instruction& instruction, Frame& frame) {
  ToText<std::uint8_t>(instruction, frame, [](std::uint8_t value, std::string* out) { *out = value != 0 ? "true" : "false"; });
}

/// `number`: digits behind the point.
void DecimalToText(const Instruction& instruction, Frame& frame) {
  ToText<Int128>(instruction, frame, [&](Int128 value, std::string* out) {
    *out = arrow::Decimal128(reinterpret_cast<const std::uint8_t*>(&value)).ToString(static_cast<std::int32_t>(instruction.number));
  });
}

/// 2024-02-29, or with a clock 2024-02-29 12:34:56 and the fraction's digits, if it has one. `number`: ticks a day.
void TimeToText(const Instruction& instruction, Frame& frame) {
  const std::int64_t per_day = instruction.number;
  ToText<std::int64_t>(instruction, frame, [&](std::int64_t ticks, std::string* out) {
    const std::int64_t day = FloorDivide(ticks, per_day), in_day = FloorRest(ticks, per_day);
    const Civil civil = CivilOf(day);
    *out = fmt::format("{:04}-{:02}-{:02}", civil.year, civil.month, civil.day);
    if (per_day == 1) return;
    const std::int64_t per_second = per_day / kDaySeconds, second = in_day / per_second, rest = in_day % per_second;
    *out += fmt::format(" {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    if (rest == 0) return;
    *out += "." + std::to_string(per_second + rest).substr(1);
    while (out->back() == '0') out->pop_back();
  });
}

Status ChooseToText(const arrow::DataType& from, Physical physical, Instruction* instruction) {
  if (from.id() == arrow::Type::TIMESTAMP || from.id() == arrow::Type::DATE32) {
    instruction->number = TicksPerDay(from);
    instruction->run = TimeToText;
  } else if (physical == Physical::kDecimal) {
    instruction->number = static_cast<const arrow::DecimalType&>(from).scale();
    instruction->run = DecimalToText;
  } else if (physical == Physical::kBool) {
    instruction->run = BoolToText;
  } else if (physical == Physical::kFloat64) {
    instruction->run = FloatToText;
  } else if (plan::IsInteger(from)) {
    instruction->run = IntToText;
  }
  return Status::OK();
}

Status ChooseFromText(const arrow::DataType& to, Physical physical, Instruction* instruction) {
  if (to.id() == arrow::Type::TIMESTAMP || to.id() == arrow::Type::DATE32) {
    instruction->number = TicksPerDay(to);
    instruction->run = TextToTime;
  } else if (physical == Physical::kDecimal) {
    instruction->number = static_cast<const arrow::DecimalType&>(to).precision();
    instruction->wide = static_cast<const arrow::DecimalType&>(to).scale();
    instruction->run = TextToDecimal;
  } else if (physical == Physical::kBool) {
    instruction->run = TextToBool;
  } else if (physical == Physical::kFloat64) {
    instruction->run = TextToFloat;
  } else if (plan::IsInteger(to)) {
    instruction->run = TextToInt;
  }
  return Status::OK();
}

}  // namespace

Status ChooseTextCast(const arrow::DataType& from, const arrow::DataType& to, Instruction* instruction) {
  HR_ASSIGN_OR_RAISE(const Physical a, Program::PhysicalOf(from));
  HR_ASSIGN_OR_RAISE(const Physical b, Program::PhysicalOf(to));
  if (to.id() == arrow::Type::STRING && a != Physical::kText) HR_RETURN_NOT_OK(ChooseToText(from, a, instruction));
  if (from.id() == arrow::Type::STRING && b != Physical::kText) HR_RETURN_NOT_OK(ChooseFromText(to, b, instruction));
  if (instruction->run == nullptr) return Status::NotImplemented("a cast from ", from.ToString(), " to ", to.ToString());
  return Status::OK();
}

}  // namespace headrace::data::expression
