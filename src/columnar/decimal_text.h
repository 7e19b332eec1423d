#pragma once
#include <arrow/util/decimal.h>

#include <cstdint>
#include <string_view>

namespace headrace::columnar {

/// What happens to digits behind the point that a decimal type does not have: the number is refused, or rounded, half away from zero.
enum class MoreDigits { kRefused, kRounded };

/// `value` with `from` digits behind the point as one with `to` of them. False when digits would be lost that may not, or when it goes
/// beyond the range. Arrow's own Rescale() reads behind its tables where more than 38 digits lie between both.
bool RescaleDecimal(const arrow::Decimal128& value, std::int64_t from, std::int32_t to, MoreDigits more, arrow::Decimal128* out);

/// The number that `text` writes: digits with a point, and an exponent of any length. False when it is none, or goes beyond the range.
/// `scale` are its digits behind the point, 0 or more; of 1e-60 they are 60.
bool ParseDecimal(std::string_view text, arrow::Decimal128* value, std::int32_t* precision, std::int32_t* scale);

/// The number that `text` writes as a value of decimal(precision, scale); false when it is none or does not fit.
bool DecimalFromText(std::string_view text, std::int32_t precision, std::int32_t scale, MoreDigits more, arrow::Decimal128* out);

}  // namespace headrace::columnar
