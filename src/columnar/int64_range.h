#pragma once
#include <algorithm>
#include <cstdint>

namespace headrace::columnar {

struct Int64Range {
  std::int64_t least, greatest;
};

/// Of `count` numbers, at least one. Four of them at a time, so that no comparison waits for the one before it.
inline Int64Range RangeOf(const std::int64_t* values, std::int64_t count) {
  constexpr std::int64_t kLanes = 4;
  std::int64_t least[kLanes], greatest[kLanes];
  std::fill_n(least, kLanes, values[0]);
  std::fill_n(greatest, kLanes, values[0]);
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      least[lane] = std::min(least[lane], values[i + lane]);
      greatest[lane] = std::max(greatest[lane], values[i + lane]);
    }
  }
  for (; i < count; ++i) {
    least[0] = std::min(least[0], values[i]);
    greatest[0] = std::max(greatest[0], values[i]);
  }
  return {*std::min_element(least, least + kLanes), *std::max_element(greatest, greatest + kLanes)};
}

}  // namespace headrace::columnar
