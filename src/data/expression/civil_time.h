#pragma once
#include <cstdint>

namespace headrace::data::expression {

inline std::int64_t FloorDivide(std::int64_t a, std::int64_t by) {
  const std::int64_t quotient = a / by;
  return a % by < 0 ? quotient - 1 : quotient;
}

/// What FloorDivide() leaves, never negative.
inline std::int64_t FloorRest(std::int64_t a, std::int64_t by) {
  const std::int64_t rest = a % by;
  return rest < 0 ? rest + by : rest;
}

struct Civil {
  std::int64_t year, month, day;
};

/// The date of a day since 1970-01-01. Counts in years that begin in March, so that the leap day is the last one, and in eras
/// of 400 years, which all have 146,097 days.
inline Civil CivilOf(std::int64_t days) {
  days += 719'468;  // 1970-01-01 counted from 0000-03-01
  const std::int64_t era = FloorDivide(days, 146'097), in_era = days - era * 146'097;
  const std::int64_t year_in_era = (in_era - in_era / 1460 + in_era / 36'524 - in_era / 146'096) / 365;
  const std::int64_t in_year = in_era - (365 * year_in_era + year_in_era / 4 - year_in_era / 100);
  const std::int64_t march_month = (5 * in_year + 2) / 153;
  const std::int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  return {year_in_era + era * 400 + (month <= 2 ? 1 : 0), month, in_year - (153 * march_month + 2) / 5 + 1};
}

/// Days since 1970-01-01 of a date; days beyond a month's end count on.
inline std::int64_t DaysOf(std::int64_t year, std::int64_t month, std::int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = FloorDivide(year, 400), year_in_era = year - era * 400;
  const std::int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return era * 146'097 + year_in_era * 365 + year_in_era / 4 - year_in_era / 100 + in_year - 719'468;
}

}  // namespace headrace::data::expression
