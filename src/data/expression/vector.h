#pragma once
#include <cstdint>
#include <string_view>

namespace headrace::data::expression {

/// Rows that kernels work on at a time: small enough that the vectors of an expression stay in the nearest cache.
inline constexpr std::int64_t kChunkRows = 1024;

/// How values lie in a vector. Dates, times, timestamps and durations are int64; smaller numbers are widened when loaded.
enum class Physical : std::uint8_t { kBool, kInt64, kFloat64, kDecimal, kText };

__extension__ using Int128 = __int128;

/// Why a row of a vector has no value: kNull, or an error that counts only if the row's result is used. The greater one wins
/// when two meet, so combining is a maximum.
using Flaw = std::uint8_t;
inline constexpr Flaw kNone = 0, kNull = 1, kOverflow = 2, kDivisionByZero = 3, kBadCast = 4, kBadArgument = 5;

/// Up to kChunkRows values of one column or step. Borrowed from its owner: a batch or the evaluator.
struct Vector {
  void* values = nullptr;         ///< uint8_t, int64_t, double, Int128 or std::string_view by Physical
  std::uint8_t* flaws = nullptr;  ///< Flaw of each row; null = none has one
  template <typename T>
  T* as() const {
    return static_cast<T*>(values);
  }
};

}  // namespace headrace::data::expression
