#include "columnar/decimal_text.h"

#include <cstddef>

namespace headrace::columnar {
namespace {

constexpr std::int64_t kMaxDigits = 38;
/// Arrow computes with exponents in 32 bits and does not look whether they fit.
constexpr std::size_t kMaxExponentDigits = 6;

bool ExponentFits(std::string_view text) {
  const std::size_t e = text.find_first_of("eE");
  if (e == std::string_view::npos) return true;
  const std::size_t digits = text.find_first_not_of("+-0", e + 1);
  return digits == std::string_view::npos || text.size() - digits <= kMaxExponentDigits;
}

}  // namespace

bool RescaleDecimal(const arrow::Decimal128& value, std::int64_t from, std::int32_t to, MoreDigits more, arrow::Decimal128* out) {
  const std::int64_t drop = from - to;
  if (drop > kMaxDigits || drop < -kMaxDigits) {
    *out = arrow::Decimal128(0);
    return value == *out || (drop > 0 && more == MoreDigits::kRounded);
  }
  if (drop > 0 && more == MoreDigits::kRounded) {
    *out = value.ReduceScaleBy(static_cast<std::int32_t>(drop), /*round=*/true);
    return true;
  }
  if (drop == 0) {
    *out = value;
    return true;
  }
  const auto scaled = value.Rescale(static_cast<std::int32_t>(from), to);
  if (!scaled.ok()) return false;
  *out = *scaled;
  return true;
}

bool ParseDecimal(std::string_view text, arrow::Decimal128* value, std::int32_t* precision, std::int32_t* scale) {
  return !text.empty() && ExponentFits(text) && arrow::Decimal128::FromString(text, value, precision, scale).ok() && *scale >= 0;
}

bool DecimalFromText(std::string_view text, std::int32_t precision, std::int32_t scale, MoreDigits more, arrow::Decimal128* out) {
  arrow::Decimal128 value;
  std::int32_t had_precision = 0, had_scale = 0;
  return ParseDecimal(text, &value, &had_precision, &had_scale) && RescaleDecimal(value, had_scale, scale, more, out) &&
         out->FitsInPrecision(precision);
}

}  // namespace headrace::columnar
