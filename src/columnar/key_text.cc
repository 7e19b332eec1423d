#include "columnar/key_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "base/utf8.h"
#include "columnar/value_encoding.h"
#include "columnar/value_text.h"

namespace headrace::columnar {
namespace {

constexpr int kMaxDepth = 100;
// What the encoders take: Decimals down to 10^-2000, beside a float64 whose last bit is worth at most 10^293.
constexpr std::int64_t kMaxDecimalExponent = 2000;
constexpr std::size_t kMaxRemainderDigits = 2400;
/// Integral numbers up to here are written with all their digits.
constexpr double kAllDigitsBelow = 1e40;

/// A non-negative decimal number: digits before and after the point.
struct Decimal {
  std::string whole, fraction;
};

void Align(Decimal* a, Decimal* b) {
  const std::size_t whole = std::max(a->whole.size(), b->whole.size()), fraction = std::max(a->fraction.size(), b->fraction.size());
  for (Decimal* d : {a, b}) {
    d->whole.insert(0, whole - d->whole.size(), '0');
    d->fraction.append(fraction - d->fraction.size(), '0');
  }
}

/// a + b, or a - b for a >= b.
Decimal Combine(Decimal a, Decimal b, bool subtract) {
  Align(&a, &b);
  std::string left = a.whole + a.fraction;
  const std::string right = b.whole + b.fraction;
  int carry = 0;
  for (std::size_t i = left.size(); i-- > 0;) {
    int digit = subtract ? (left[i] - '0') - (right[i] - '0') - carry : (left[i] - '0') + (right[i] - '0') + carry;
    carry = 0;
    if (digit < 0) {
      digit += 10;
      carry = 1;
    }
    if (digit > 9) {
      digit -= 10;
      carry = 1;
    }
    left[i] = static_cast<char>('0' + digit);
  }
  std::size_t whole = a.whole.size();
  if (carry != 0 && !subtract) {
    left.insert(0, 1, '1');
    ++whole;
  }
  return {left.substr(0, whole), left.substr(whole)};
}

void AppendDecimal(const Decimal& d, bool negative, std::string* out) {
  if (negative) out->push_back('-');
  const std::size_t first = d.whole.find_first_not_of('0');
  if (first == std::string::npos)
    out->push_back('0');
  else
    out->append(d.whole, first);
  const std::size_t last = d.fraction.find_last_not_of('0');
  if (last != std::string::npos) out->append(".").append(d.fraction, 0, last + 1);
}

/// All digits of a finite, non-negative double.
Decimal ExactDecimal(double value) {
  std::array<char, 1500> text{};
  const int size = std::snprintf(text.data(), text.size(), "%.1074f", value);
  const std::string_view view(text.data(), static_cast<std::size_t>(size));
  const std::size_t point = view.find('.');
  return {std::string(view.substr(0, point)), std::string(view.substr(point + 1))};
}

class KeyReader {
 public:
  explicit KeyReader(std::string_view bytes) : bytes_(bytes) {}

  Status AppendWhole(std::string* out) {
    HR_RETURN_NOT_OK(AppendItem(/*nested=*/false, 0, out));
    return at_ == bytes_.size() ? Status::OK() : Fail("trailing bytes");
  }

 private:
  Status Fail(std::string_view why) const { return Status::Invalid("not a key: ", why, " at byte ", at_); }

  Status Take(std::size_t count, std::string_view* taken) {
    if (bytes_.size() - at_ < count) return Fail("truncated");
    *taken = bytes_.substr(at_, count);
    at_ += count;
    return Status::OK();
  }

  std::uint64_t BigEndian(std::string_view bytes) const {
    std::uint64_t value = 0;
    for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }

  /// Bytes up to 00 00, with 00 FF read as 00.
  Status TakeEscaped(std::string* out) {
    while (at_ < bytes_.size()) {
      const std::size_t zero = bytes_.find('\0', at_);
      if (zero == std::string_view::npos || zero + 1 >= bytes_.size()) break;
      out->append(bytes_, at_, zero - at_);
      at_ = zero + 2;
      const auto mark = static_cast<unsigned char>(bytes_[zero + 1]);
      if (mark == 0x00) return Status::OK();
      if (mark != 0xFF) return Fail("bad escape");
      out->push_back('\0');
    }
    return Fail("unterminated text");
  }

  Status AppendText(bool nested, std::string* out) {
    if (!nested) return TakeEscaped(out);
    std::string text;
    HR_RETURN_NOT_OK(TakeEscaped(&text));
    if (!IsUtf8(text)) return Fail("text that is not UTF-8");
    AppendJsonString(text, out);
    return Status::OK();
  }

  Status AppendBytes(bool nested, std::string* out) {
    if (!nested) return TakeEscaped(out);
    std::string raw;
    HR_RETURN_NOT_OK(TakeEscaped(&raw));
    out->push_back('"');
    AppendBase64(raw, out);
    out->push_back('"');
    return Status::OK();
  }

  Status AppendNumber(bool nested, std::string* out) {
    std::string_view taken;
    HR_RETURN_NOT_OK(Take(9, &taken));
    std::uint64_t bits = BigEndian(taken.substr(0, 8));
    bits = bits >> 63 ? bits ^ (1ULL << 63) : ~bits;
    double number;
    std::memcpy(&number, &bits, sizeof(number));
    if (std::isnan(number)) return Fail("a number that is none");
    const char exact = taken[8];
    if (exact == 1) return AppendWithRemainder(number, out);
    if (exact != 0) return Fail("bad number");
    if (std::isinf(number)) {
      out->append(nested ? "null" : number < 0 ? "-Infinity" : "Infinity");
    } else if (number == std::floor(number) && std::fabs(number) < kAllDigitsBelow) {
      std::array<char, 64> text{};
      out->append(text.data(), static_cast<std::size_t>(std::snprintf(text.data(), text.size(), "%.0f", number)));
    } else {
      AppendShortestFloat(number, out);
    }
    return Status::OK();
  }

  Status AppendWithRemainder(double floor, std::string* out) {
    std::string_view taken;
    HR_RETURN_NOT_OK(Take(4, &taken));
    const std::int64_t exponent = static_cast<std::int64_t>(BigEndian(taken)) - (std::int64_t{1} << 31);
    const std::size_t end = bytes_.find('\0', at_);
    if (end == std::string_view::npos) return Fail("unterminated number");
    const std::string_view digits = bytes_.substr(at_, end - at_);
    if (digits.empty() || digits.size() > kMaxRemainderDigits ||
        !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }))
      return Fail("bad digits");
    if (exponent < -kMaxDecimalExponent || exponent > kMaxDecimalExponent || std::isinf(floor)) return Fail("number out of range");
    at_ = end + 1;
    Decimal remainder;
    if (exponent <= 0) {
      remainder.fraction = std::string(static_cast<std::size_t>(-exponent), '0').append(digits);
    } else {
      remainder.whole = digits.substr(0, static_cast<std::size_t>(exponent));
      remainder.whole.append(static_cast<std::size_t>(exponent) - remainder.whole.size(), '0');
      if (digits.size() > static_cast<std::size_t>(exponent)) remainder.fraction = digits.substr(static_cast<std::size_t>(exponent));
    }
    AppendDecimal(Combine(ExactDecimal(std::fabs(floor)), remainder, /*subtract=*/floor < 0), floor < 0, out);
    return Status::OK();
  }

  /// A scalar that the value encoding knows too: its JSON text, without the quotes at top level.
  Status AppendAsValue(const std::string& value, bool nested, std::string* out) {
    std::string json;
    const Status written = AppendJson(value, &json);
    if (!written.ok()) return Fail(written.message());
    if (!nested && json.size() >= 2 && json.front() == '"') json = json.substr(1, json.size() - 2);
    out->append(json);
    return Status::OK();
  }

  Status AppendInstant(ValueTag tag, bool nested, std::string* out) {
    std::string_view taken;
    HR_RETURN_NOT_OK(Take(8, &taken));
    const auto number = static_cast<std::int64_t>(BigEndian(taken) ^ (1ULL << 63));
    std::string value(1, static_cast<char>(tag));
    const auto varint = [&value](std::uint64_t v) {
      for (; v >= 0x80; v >>= 7) value.push_back(static_cast<char>(v | 0x80));
      value.push_back(static_cast<char>(v));
    };
    switch (tag) {
      case ValueTag::kDate:
      case ValueTag::kTimedelta:
        varint(static_cast<std::uint64_t>(number) << 1 ^ static_cast<std::uint64_t>(number >> 63));
        break;
      case ValueTag::kTime:
        varint(static_cast<std::uint64_t>(number));
        break;
      default:
        for (int i = 0; i < 8; ++i) value.push_back(static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * i)));
        if (tag == ValueTag::kAwareDatetime) value.append(4, '\0');
    }
    return AppendAsValue(value, nested, out);
  }

  Status AppendItems(int depth, std::string* out) {
    out->push_back('[');
    for (bool first = true;; first = false) {
      if (at_ >= bytes_.size()) return Fail("unterminated tuple");
      if (bytes_[at_] == '\0') break;
      if (!first) out->push_back(',');
      HR_RETURN_NOT_OK(AppendItem(/*nested=*/true, depth + 1, out));
    }
    ++at_;
    out->push_back(']');
    return Status::OK();
  }

  Status AppendItem(bool nested, int depth, std::string* out) {
    if (depth > kMaxDepth) return Fail("nested too deep");
    std::string_view tag, taken;
    HR_RETURN_NOT_OK(Take(1, &tag));
    switch (static_cast<unsigned char>(tag[0])) {
      case 0x10:
        out->append("null");
        return Status::OK();
      case 0x20:
        return AppendNumber(nested, out);
      case 0x21:
        out->append(nested ? "null" : "NaN");
        return Status::OK();
      case 0x30:
        return AppendBytes(nested, out);
      case 0x40:
        return AppendText(nested, out);
      case 0x50:
        return AppendItems(depth, out);
      case 0x60:
        return AppendInstant(ValueTag::kAwareDatetime, nested, out);
      case 0x61:
        return AppendInstant(ValueTag::kNaiveDatetime, nested, out);
      case 0x62:
        return AppendInstant(ValueTag::kDate, nested, out);
      case 0x63:
        return AppendInstant(ValueTag::kTime, nested, out);
      case 0x64:
        return AppendInstant(ValueTag::kTimedelta, nested, out);
      case 0x65:
        HR_RETURN_NOT_OK(Take(16, &taken));
        return AppendAsValue(std::string(1, static_cast<char>(ValueTag::kUuid)).append(taken), nested, out);
      case 0x70: {
        std::string name;
        HR_RETURN_NOT_OK(TakeEscaped(&name));
        return AppendItems(depth, out);
      }
      default:
        --at_;
        return Fail("unknown tag");
    }
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
};

}  // namespace

Status AppendKeyText(std::string_view key_bytes, std::string* out) { return KeyReader(key_bytes).AppendWhole(out); }

}  // namespace headrace::columnar
