#pragma once
#include <emmintrin.h>

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

/// Whether all of `count` numbers are from 0 to 2^bits - 1. Half an instruction a number where two bounds are four: where almost all
/// batches are, RangeOf() need not be asked.
inline bool FitInBits(const std::int64_t* values, std::int64_t count, int bits) {
  constexpr std::int64_t kRows = 16;
  __m128i any[2] = {_mm_setzero_si128(), _mm_setzero_si128()};
  std::int64_t i = 0;
  for (; i + kRows <= count; i += kRows)
    for (std::int64_t row = 0; row < kRows; row += 2)
      any[row / 2 % 2] = _mm_or_si128(any[row / 2 % 2], _mm_loadu_si128(reinterpret_cast<const __m128i*>(values + i + row)));
  alignas(16) std::uint64_t both[2];
  _mm_store_si128(reinterpret_cast<__m128i*>(both), _mm_or_si128(any[0], any[1]));
  for (; i < count; ++i) both[0] |= static_cast<std::uint64_t>(values[i]);
  return (both[0] | both[1]) >> bits == 0;
}

}  // namespace headrace::columnar
