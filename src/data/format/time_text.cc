#include "data/format/time_text.h"

#include <limits>

namespace headrace::data::format {
namespace {

bool Digits(std::string_view text, int* out) {
  *out = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    *out = *out * 10 + (c - '0');
  }
  return !text.empty();
}

/// Days since 1970 of a date of the Gregorian calendar; years are counted from March, so that leap days come last.
std::int64_t DaysOf(int year, int month, int day) {
  const std::int64_t y = month <= 2 ? year - 1 : year;
  const std::int64_t era = y / 400, of_era = y % 400;
  const std::int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719'468;
}

int DaysIn(int year, int month) {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/// The digits behind a point as nanoseconds.
std::optional<std::int32_t> Fraction(std::string_view digits) {
  if (digits.empty() || digits.size() > 30) return std::nullopt;
  std::int32_t nanos = 0;
  for (std::size_t i = 0; i < digits.size() || i < 9; ++i) {
    const char c = i < digits.size() ? digits[i] : '0';
    if (c < '0' || c > '9') return std::nullopt;
    if (i < 9) nanos = nanos * 10 + (c - '0');
  }
  return nanos;
}

/// Seconds east of UTC that the end of `text` names; cuts it off.
std::optional<std::int32_t> TakeZone(std::string_view* text, bool* found) {
  *found = false;
  if (text->empty()) return 0;
  if (text->back() == 'Z' || text->back() == 'z') {
    *found = true;
    text->remove_suffix(1);
    return 0;
  }
  const std::size_t sign = text->find_first_of("+-");
  if (sign == std::string_view::npos) return 0;
  const std::string_view offset = text->substr(sign + 1);
  const bool colon = offset.size() == 5 && offset[2] == ':';
  int hours = 0, minutes = 0;
  if (!Digits(offset.substr(0, 2), &hours) || hours > 23) return std::nullopt;
  if (offset.size() == 4 || colon) {
    if (!Digits(offset.substr(colon ? 3 : 2), &minutes) || minutes > 59) return std::nullopt;
  } else if (offset.size() != 2) {
    return std::nullopt;
  }
  *found = true;
  const int seconds = hours * 3600 + minutes * 60;
  const bool west = (*text)[sign] == '-';
  text->remove_suffix(text->size() - sign);
  return west ? -seconds : seconds;
}

}  // namespace

std::optional<std::int64_t> ParseDate(std::string_view text) {
  int year = 0, month = 0, day = 0;
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  if (!Digits(text.substr(0, 4), &year) || !Digits(text.substr(5, 2), &month) || !Digits(text.substr(8, 2), &day)) return std::nullopt;
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > DaysIn(year, month)) return std::nullopt;
  return DaysOf(year, month, day);
}

std::optional<std::int64_t> ParseClock(std::string_view text) {
  int hour = 0, minute = 0, second = 0;
  if (text.size() < 5 || text[2] != ':' || !Digits(text.substr(0, 2), &hour) || !Digits(text.substr(3, 2), &minute)) return std::nullopt;
  std::int32_t nanos = 0;
  if (text.size() > 5) {
    if (text.size() < 8 || text[5] != ':' || !Digits(text.substr(6, 2), &second)) return std::nullopt;
    if (text.size() > 8) {
      const auto fraction = text[8] == '.' || text[8] == ',' ? Fraction(text.substr(9)) : std::nullopt;
      if (!fraction) return std::nullopt;
      nanos = *fraction;
    }
  }
  if (hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return (std::int64_t{hour} * 3600 + minute * 60 + second) * 1'000'000'000 + nanos;
}

std::optional<ParsedTime> ParseTimestamp(std::string_view text) {
  if (text.size() < 10) return std::nullopt;
  const auto days = ParseDate(text.substr(0, 10));
  if (!days) return std::nullopt;
  ParsedTime parsed{*days * 86'400, 0, false};
  if (text.size() == 10) return parsed;
  if (text[10] != 'T' && text[10] != ' ' && text[10] != 't') return std::nullopt;
  std::string_view clock = text.substr(11);
  const auto zone = TakeZone(&clock, &parsed.has_zone);
  const auto nanos = ParseClock(clock);
  if (!zone || !nanos) return std::nullopt;
  parsed.seconds += *nanos / 1'000'000'000 - *zone;
  parsed.nanos = static_cast<std::int32_t>(*nanos % 1'000'000'000);
  return parsed;
}

std::optional<std::int64_t> ParseDuration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (!text.starts_with("PT") || !text.ends_with('S') || text.size() < 4) return std::nullopt;
  text = text.substr(2, text.size() - 3);
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  std::int64_t seconds = 0;
  if (whole.empty() || whole.size() > 10) return std::nullopt;
  for (const char c : whole) {
    if (c < '0' || c > '9') return std::nullopt;
    seconds = seconds * 10 + (c - '0');
  }
  if (seconds > std::numeric_limits<std::int64_t>::max() / 1'000'000'000 - 1) return std::nullopt;
  std::int64_t nanos = 0;
  if (point != std::string_view::npos) {
    const auto fraction = Fraction(text.substr(point + 1));
    if (!fraction) return std::nullopt;
    nanos = *fraction;
  }
  nanos += seconds * 1'000'000'000;
  return negative ? -nanos : nanos;
}

}  // namespace headrace::data::format
