#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace headrace {

/// What a number without a unit means.
enum class DurationUnit { kMilliseconds, kSeconds };

/// Bytes from "65536", "64MiB", "64Mi" (powers of 1024), "64MB", "64M" (powers of 1000); units b k m g t, any case, blanks allowed
/// before the unit. Invalid on anything else, on a sign and on overflow.
Result<std::int64_t> ParseBytes(std::string_view text);

/// Milliseconds from "1500ms", "60s", "1.5s", "5m" or "5min", "2h", "1d", or a plain number in `plain`. Invalid on anything else,
/// on a sign, on overflow and on a part of a millisecond.
Result<std::int64_t> ParseDurationMs(std::string_view text, DurationUnit plain = DurationUnit::kMilliseconds);

/// "64MiB", "1500B": the largest binary unit that divides the value.
std::string FormatBytes(std::int64_t bytes);
/// "1m", "1500ms": the largest unit that divides the value.
std::string FormatDurationMs(std::int64_t ms);

}  // namespace headrace
