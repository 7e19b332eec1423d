#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <limits>
#include <optional>

namespace headrace {
namespace {

struct Unit {
  std::string_view name;  // lower case
  std::int64_t factor;
};

constexpr std::int64_t kKibi = 1024, kKilo = 1000;
constexpr Unit kByteUnits[] = {
    {"b", 1},
    {"k", kKilo},
    {"kb", kKilo},
    {"ki", kKibi},
    {"kib", kKibi},
    {"m", kKilo* kKilo},
    {"mb", kKilo* kKilo},
    {"mi", kKibi* kKibi},
    {"mib", kKibi* kKibi},
    {"g", kKilo* kKilo* kKilo},
    {"gb", kKilo* kKilo* kKilo},
    {"gi", kKibi* kKibi* kKibi},
    {"gib", kKibi* kKibi* kKibi},
    {"t", kKilo* kKilo* kKilo* kKilo},
    {"tb", kKilo* kKilo* kKilo* kKilo},
    {"ti", kKibi* kKibi* kKibi* kKibi},
    {"tib", kKibi* kKibi* kKibi* kKibi},
};
constexpr Unit kDurationUnits[] = {
    {"ms", 1}, {"s", 1000}, {"sec", 1000}, {"m", 60'000}, {"min", 60'000}, {"h", 3'600'000}, {"d", 86'400'000},
};

/// A decimal number as digits and how many of them stand behind the point.
struct Number {
  std::int64_t digits = 0;
  int decimals = 0;
  std::size_t length = 0;
};

std::optional<Number> ReadNumber(std::string_view text) {
  Number number;
  bool point = false, any = false;
  for (; number.length < text.size(); ++number.length) {
    const char c = text[number.length];
    if (c == '.' && !point) {
      point = true;
      continue;
    }
    if (c < '0' || c > '9') break;
    any = true;
    if (number.digits > (std::numeric_limits<std::int64_t>::max() - 9) / 10) return std::nullopt;
    number.digits = number.digits * 10 + (c - '0');
    number.decimals += point ? 1 : 0;
  }
  if (!any || (point && number.decimals == 0)) return std::nullopt;
  return number;
}

/// The whole amount, or nothing on an unknown unit, overflow or a remainder.
template <std::size_t N>
std::optional<std::int64_t> Parse(std::string_view text, const Unit (&units)[N], std::int64_t plain_factor) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  const auto number = ReadNumber(text);
  if (!number) return std::nullopt;
  std::string_view rest = text.substr(number->length);
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  std::int64_t factor = plain_factor;
  if (!rest.empty()) {
    std::string lower(rest);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto unit = std::find_if(std::begin(units), std::end(units), [&](const Unit& u) { return u.name == lower; });
    if (unit == std::end(units)) return std::nullopt;
    factor = unit->factor;
  }
  __int128 value = static_cast<__int128>(number->digits) * factor;
  for (int i = 0; i < number->decimals; ++i) {
    if (value % 10 != 0) return std::nullopt;
    value /= 10;
  }
  if (value > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

}  // namespace

Result<std::int64_t> ParseBytes(std::string_view text) {
  if (const auto value = Parse(text, kByteUnits, 1)) return *value;
  return Status::Invalid(fmt::format("\"{}\" is not a size; write for example 64MiB or 67108864", text.substr(0, 64)));
}

Result<std::int64_t> ParseDurationMs(std::string_view text, DurationUnit plain) {
  if (const auto value = Parse(text, kDurationUnits, plain == DurationUnit::kSeconds ? 1000 : 1)) return *value;
  return Status::Invalid(fmt::format("\"{}\" is not a time span; write for example 1500ms, 60s or 5min", text.substr(0, 64)));
}

std::string FormatBytes(std::int64_t bytes) {
  static constexpr std::string_view kNames[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes != 0 && bytes % kKibi == 0 && unit + 1 < std::size(kNames)) {
    bytes /= kKibi;
    ++unit;
  }
  return fmt::format("{}{}", bytes, kNames[unit]);
}

std::string FormatDurationMs(std::int64_t ms) {
  static constexpr Unit kUnits[] = {{"h", 3'600'000}, {"min", 60'000}, {"s", 1000}};
  for (const Unit& unit : kUnits) {
    if (ms != 0 && ms % unit.factor == 0) return fmt::format("{}{}", ms / unit.factor, unit.name);
  }
  return fmt::format("{}ms", ms);
}

}  // namespace headrace
