#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace headrace::data::format {

/// A point in time as text gives it.
struct ParsedTime {
  std::int64_t seconds = 0;  ///< since 1970; local ones when the text has no zone
  std::int32_t nanos = 0;    ///< 0 to 999,999,999
  bool has_zone = false;
};

/// Days since 1970 of "YYYY-MM-DD", years 0001 to 9999.
std::optional<std::int64_t> ParseDate(std::string_view text);
/// "hh:mm[:ss[.f…]]" as nanoseconds of the day; digits behind the ninth are dropped.
std::optional<std::int64_t> ParseClock(std::string_view text);
/// ISO 8601: a date, or a date, "T" or a blank, a clock time, and maybe "Z" or an offset (±hh, ±hhmm, ±hh:mm).
std::optional<ParsedTime> ParseTimestamp(std::string_view text);
/// "[-]PTn[.f…]S", as sinks write durations, in nanoseconds.
std::optional<std::int64_t> ParseDuration(std::string_view text);

}  // namespace headrace::data::format
