#include <arrow/scalar.h>
#include <arrow/type.h>
#include <re2/re2.h>
#include <time.h>

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/expression/civil_time.h"
#include "data/expression/kernels.h"

namespace headrace::data::expression {

using plan::Function;

namespace {

constexpr std::int64_t kDaySeconds = 86'400;

struct Regexp {
  explicit Regexp(const std::string& pattern) : compiled(pattern, re2::RE2::Quiet) {}
  re2::RE2 compiled;
  int group = 0;
  std::string replacement;
};

const std::string_view* TextOf(const Frame& frame, int reg) {
  return frame.registers[static_cast<std::size_t>(reg)].as<std::string_view>();
}
bool Good(const std::uint8_t* flaws, std::int64_t i) { return flaws == nullptr || flaws[i] == kNone; }
re2::StringPiece Piece(std::string_view text) { return {text.data(), text.size()}; }

std::size_t CharacterBytes(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  return end - at;
}

/// SQL's LIKE. Steps back to the last % alone, so the time is at most length times length.
bool IsLike(std::string_view text, std::string_view pattern) {
  std::size_t t = 0, p = 0, after_any = std::string_view::npos, retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      after_any = ++p;
      retry = t;
    } else if (p < pattern.size() && pattern[p] == '_') {
      t += CharacterBytes(text, t);
      ++p;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++t;
      ++p;
    } else if (after_any != std::string_view::npos) {
      retry += CharacterBytes(text, retry);
      t = retry;
      p = after_any;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

void Like(const Instruction& instruction, Frame& frame) {
  const std::string_view* a = TextOf(frame, instruction.a);
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::uint8_t>();
  const std::uint8_t* flaws = CombineFlaws(instruction, frame);
  const auto& pattern = *static_cast<const std::string*>(instruction.helper.get());
  for (std::int64_t i = 0; i < frame.rows; ++i) out[i] = Good(flaws, i) && IsLike(a[i], pattern);
}

void Matches(const Instruction& instruction, Frame& frame) {
  const std::string_view* a = TextOf(frame, instruction.a);
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::uint8_t>();
  const std::uint8_t* flaws = CombineFlaws(instruction, frame);
  const auto& regexp = *static_cast<const Regexp*>(instruction.helper.get());
  for (std::int64_t i = 0; i < frame.rows; ++i)
    out[i] = Good(flaws, i) && regexp.compiled.Match(Piece(a[i]), 0, a[i].size(), re2::RE2::UNANCHORED, nullptr, 0);
}

void Extract(const Instruction& instruction, Frame& frame) {
  const std::string_view* a = TextOf(frame, instruction.a);
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::string_view>();
  CombineFlaws(instruction, frame);
  std::uint8_t* flaws = EnsureFlaws(instruction, frame);
  const auto& regexp = *static_cast<const Regexp*>(instruction.helper.get());
  std::vector<re2::StringPiece> groups(static_cast<std::size_t>(regexp.group) + 1);
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    out[i] = {};
    if (flaws[i] != kNone) continue;
    const bool found =
        regexp.compiled.Match(Piece(a[i]), 0, a[i].size(), re2::RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size()));
    if (found && groups.back().data() != nullptr)
      out[i] = {groups.back().data(), groups.back().size()};
    else
      flaws[i] = kNull;
  }
}

void ReplaceRegexp(const Instruction& instruction, Frame& frame) {
  const std::string_view* a = TextOf(frame, instruction.a);
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::string_view>();
  const std::uint8_t* flaws = CombineFlaws(instruction, frame);
  const auto& regexp = *static_cast<const Regexp*>(instruction.helper.get());
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    out[i] = {};
    if (!Good(flaws, i)) continue;
    std::string* made = frame.NewText();
    *made = a[i];
    re2::RE2::GlobalReplace(made, regexp.compiled, regexp.replacement);
    out[i] = *made;
  }
}

/// `number`: ticks a day.
void FormatTime(const Instruction& instruction, Frame& frame) {
  const auto* a = frame.registers[static_cast<std::size_t>(instruction.a)].as<std::int64_t>();
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::string_view>();
  std::uint8_t* flaws = CombineFlaws(instruction, frame);
  const auto& format = *static_cast<const std::string*>(instruction.helper.get());
  const std::int64_t per_day = instruction.number;
  std::int64_t last_day = INT64_MIN, last_second = 0;  // rows that follow each other mostly share their second
  std::string_view last;
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    out[i] = {};
    if (!Good(flaws, i)) continue;
    const std::int64_t day = FloorDivide(a[i], per_day), in_day = FloorRest(a[i], per_day);
    const std::int64_t second = per_day >= kDaySeconds ? in_day / (per_day / kDaySeconds) : 0;
    if (day != last_day || second != last_second) {
      const Civil civil = CivilOf(day);
      if (civil.year - 1900 != static_cast<int>(civil.year - 1900)) {
        flaws = EnsureFlaws(instruction, frame);
        flaws[i] = instruction.or_null ? kNull : kOverflow;
        continue;
      }
      last_day = day;
      last_second = second;
      std::tm time{};
      time.tm_year = static_cast<int>(civil.year - 1900);
      time.tm_mon = static_cast<int>(civil.month - 1);
      time.tm_mday = static_cast<int>(civil.day);
      time.tm_hour = static_cast<int>(second / 3600);
      time.tm_min = static_cast<int>(second / 60 % 60);
      time.tm_sec = static_cast<int>(second % 60);
      const std::int64_t from_sunday = day + 4;  // 1970-01-01 was a Thursday
      time.tm_wday = static_cast<int>(from_sunday - FloorDivide(from_sunday, 7) * 7);
      time.tm_yday = static_cast<int>(day - DaysOf(civil.year, 1, 1));
      std::string* made = frame.NewText();
      made->resize(format.size() * 10 + 64);
      made->resize(std::strftime(made->data(), made->size(), format.c_str(), &time));
      last = *made;
    }
    out[i] = last;
  }
}

/// Text to µs since 1970; what the format does not take in whole, or is no date, is a bad cast.
void ParseTime(const Instruction& instruction, Frame& frame) {
  const std::string_view* a = TextOf(frame, instruction.a);
  auto* out = frame.registers[static_cast<std::size_t>(instruction.out)].as<std::int64_t>();
  std::uint8_t* flaws = CombineFlaws(instruction, frame);
  const auto& format = *static_cast<const std::string*>(instruction.helper.get());
  std::string text;
  for (std::int64_t i = 0; i < frame.rows; ++i) {
    out[i] = 0;
    if (!Good(flaws, i)) continue;
    text = a[i];
    std::tm time{};
    time.tm_year = 70;
    time.tm_mday = 1;
    const char* end = ::strptime(text.c_str(), format.c_str(), &time);
    const std::int64_t day = DaysOf(std::int64_t{time.tm_year} + 1900, time.tm_mon + 1, time.tm_mday);
    const std::int64_t seconds = day * kDaySeconds + time.tm_hour * 3600 + time.tm_min * 60 + time.tm_sec;
    const bool whole = end == text.c_str() + text.size() && CivilOf(day).day == time.tm_mday;
    if (whole && !__builtin_mul_overflow(seconds, 1'000'000, &out[i])) continue;
    out[i] = 0;
    flaws = EnsureFlaws(instruction, frame);
    flaws[i] = instruction.or_null ? kNull : kBadCast;
  }
}

std::string LiteralText(const plan::TypedExpression& call, std::size_t index) {
  return index < call.arguments.size() ? call.arguments[index].literal->ToString() : std::string();
}

}  // namespace

Status ChoosePatternKernel(const plan::TypedExpression& call, Instruction* instruction) {
  switch (call.function) {
    case Function::kLike:
      instruction->run = Like;
      break;
    case Function::kFormatTime:
      instruction->run = FormatTime;
      break;
    case Function::kParseTime:
      instruction->run = ParseTime;
      break;
    case Function::kRegexpMatches:
      instruction->run = Matches;
      break;
    case Function::kRegexpExtract:
      instruction->run = Extract;
      break;
    case Function::kRegexpReplace:
      instruction->run = ReplaceRegexp;
      break;
    default:
      return Status::NotImplemented("the function ", plan::EntryOf(call.function).name);
  }
  const bool regexp =
      call.function == Function::kRegexpMatches || call.function == Function::kRegexpExtract || call.function == Function::kRegexpReplace;
  if (!regexp) {
    instruction->helper = std::make_shared<const std::string>(LiteralText(call, 1));
    return Status::OK();
  }
  auto compiled = std::make_shared<Regexp>(LiteralText(call, 1));
  if (!compiled->compiled.ok()) return Status::Invalid(compiled->compiled.error());
  if (call.function == Function::kRegexpExtract && call.arguments.size() > 2)
    compiled->group = static_cast<int>(static_cast<const arrow::Int64Scalar&>(*call.arguments[2].literal).value);
  if (call.function == Function::kRegexpReplace) compiled->replacement = LiteralText(call, 2);
  instruction->helper = std::move(compiled);
  return Status::OK();
}

}  // namespace headrace::data::expression
