#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace headrace::columnar {

/// Year, month, day of days since 1970-01-01.
struct CivilDate {
  std::int64_t year;
  unsigned month;
  unsigned day;
};
CivilDate CivilFromDays(std::int64_t days);
/// A time of day.
struct ClockTime {
  int hour, minute, second, microsecond;
};
ClockTime ClockFromUs(std::int64_t us_since_midnight);
/// Splits µs since 1970 into whole days (rounded down) and µs of the day.
void SplitDays(std::int64_t us, std::int64_t* days, std::int64_t* us_of_day);

/// As Python's repr of a finite float: shortest digits that read back as the same number, always with a point or an exponent.
void AppendShortestFloat(double value, std::string* out);
/// A JSON string literal. `utf8` must be valid UTF-8.
void AppendJsonString(std::string_view utf8, std::string* out);
void AppendBase64(std::string_view bytes, std::string* out);
/// 8-4-4-4-12 hex digits of 16 bytes.
void AppendUuidText(std::string_view bytes, std::string* out);

}  // namespace headrace::columnar
