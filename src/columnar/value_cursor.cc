#include "columnar/value_cursor.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/utf8.h"

namespace headrace::columnar {
namespace {

// Python's datetime types end at the years 1 and 9999; an aware one may lie a day outside in UTC.
constexpr std::int64_t kDayUs = 86'400'000'000;
constexpr std::int64_t kMinDay = -719'162, kMaxDay = 2'932'896;
constexpr std::size_t kMaxDecimalBytes = 1800;

}  // namespace

Status ValueCursor::Fail(std::string_view what) const { return Status::Invalid("bad encoded value at byte ", at_, ": ", what); }

Status ValueCursor::ReadVarint(std::uint64_t* value) {
  std::uint64_t result = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (at_ == bytes_.size()) return Fail("it ends inside an integer");
    const auto byte = static_cast<unsigned char>(bytes_[at_++]);
    if (shift == 63 && byte > 1) return Fail("an integer exceeds 64 bits");
    result |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) {
      *value = result;
      return Status::OK();
    }
  }
  return Fail("an integer exceeds 64 bits");
}

Status ValueCursor::ReadZigzag(std::int64_t* value) {
  std::uint64_t raw = 0;
  HR_RETURN_NOT_OK(ReadVarint(&raw));
  *value = static_cast<std::int64_t>((raw >> 1) ^ (~(raw & 1) + 1));
  return Status::OK();
}

Status ValueCursor::ReadBytes(std::uint64_t count, std::string_view* bytes) {
  if (count > bytes_.size() - at_) return Fail("a length exceeds the input");
  *bytes = bytes_.substr(at_, static_cast<std::size_t>(count));
  at_ += static_cast<std::size_t>(count);
  return Status::OK();
}

Status ValueCursor::ReadCounted(std::string_view* bytes) {
  std::uint64_t count = 0;
  HR_RETURN_NOT_OK(ReadVarint(&count));
  return ReadBytes(count, bytes);
}

Status ValueCursor::ReadText(std::string_view* text) {
  HR_RETURN_NOT_OK(ReadCounted(text));
  return IsUtf8(*text) ? Status::OK() : Fail("a text is not UTF-8");
}

Status ValueCursor::ReadName(std::string_view* name) { return ReadText(name); }

Status ValueCursor::ReadFixed(void* out, std::size_t size) {
  std::string_view bytes;
  HR_RETURN_NOT_OK(ReadBytes(size, &bytes));
  std::memcpy(out, bytes.data(), size);
  return Status::OK();
}

Status ValueCursor::ReadCount(std::uint64_t bytes_per_item, std::uint64_t* count) {
  HR_RETURN_NOT_OK(ReadVarint(count));
  return *count > (bytes_.size() - at_) / bytes_per_item ? Fail("an item count exceeds the input") : Status::OK();
}

Status ValueCursor::ReadInRange(std::int64_t low, std::int64_t high, std::string_view what, std::int64_t value) const {
  return value < low || value > high ? Fail(std::string(what) + " is out of range") : Status::OK();
}

Status ValueCursor::Next(ValueToken* token) {
  *token = ValueToken{};
  if (at_ == bytes_.size()) return Fail("it ends where a value should start");
  token->tag = static_cast<ValueTag>(bytes_[at_++]);
  switch (token->tag) {
    case ValueTag::kNone:
    case ValueTag::kFalse:
    case ValueTag::kTrue:
      return Status::OK();
    case ValueTag::kInt:
    case ValueTag::kTimedelta:
      return ReadZigzag(&token->integer);
    case ValueTag::kBigInt: {
      HR_RETURN_NOT_OK(ReadCounted(&token->bytes));
      const std::string_view b = token->bytes;
      if (b.size() <= 8) return Fail("a big integer that fits 64 bits");
      const auto last = static_cast<unsigned char>(b.back()), before = static_cast<unsigned char>(b[b.size() - 2]);
      if ((last == 0x00 && before < 0x80) || (last == 0xFF && before >= 0x80)) return Fail("a big integer not in its shortest form");
      return Status::OK();
    }
    case ValueTag::kFloat:
      return ReadFixed(&token->real, sizeof(double));
    case ValueTag::kString:
    case ValueTag::kDecimal:
      return ReadText(&token->bytes);
    case ValueTag::kBytes:
    case ValueTag::kPickle:
      return ReadCounted(&token->bytes);
    case ValueTag::kTuple:
    case ValueTag::kList:
    case ValueTag::kSet:
    case ValueTag::kFrozenSet:
      return ReadCount(1, &token->items);
    case ValueTag::kDict:
      return ReadCount(2, &token->items);
    case ValueTag::kDataclass:
      HR_RETURN_NOT_OK(ReadText(&token->bytes));
      return ReadCount(2, &token->items);
    case ValueTag::kAwareDatetime:
      HR_RETURN_NOT_OK(ReadFixed(&token->integer, sizeof(token->integer)));
      HR_RETURN_NOT_OK(ReadFixed(&token->utc_offset_seconds, sizeof(token->utc_offset_seconds)));
      HR_RETURN_NOT_OK(ReadInRange(-86'399, 86'399, "a UTC offset", token->utc_offset_seconds));
      return ReadInRange((kMinDay - 1) * kDayUs, (kMaxDay + 2) * kDayUs - 1, "a datetime", token->integer);
    case ValueTag::kNaiveDatetime:
      HR_RETURN_NOT_OK(ReadFixed(&token->integer, sizeof(token->integer)));
      return ReadInRange(kMinDay * kDayUs, (kMaxDay + 1) * kDayUs - 1, "a datetime", token->integer);
    case ValueTag::kDate:
      HR_RETURN_NOT_OK(ReadZigzag(&token->integer));
      return ReadInRange(kMinDay, kMaxDay, "a date", token->integer);
    case ValueTag::kTime: {
      std::uint64_t us = 0;
      HR_RETURN_NOT_OK(ReadVarint(&us));
      if (us >= static_cast<std::uint64_t>(kDayUs)) return Fail("a time is out of range");
      token->integer = static_cast<std::int64_t>(us);
      return Status::OK();
    }
    case ValueTag::kUuid:
      return ReadBytes(16, &token->bytes);
  }
  --at_;
  return Fail("an unknown tag");
}

std::string BigIntText(std::string_view twos_complement) {
  const bool negative = !twos_complement.empty() && static_cast<signed char>(twos_complement.back()) < 0;
  std::vector<std::uint8_t> magnitude(twos_complement.begin(), twos_complement.end());
  if (negative) {
    unsigned carry = 1;
    for (auto& byte : magnitude) {
      carry += static_cast<std::uint8_t>(~byte);
      byte = static_cast<std::uint8_t>(carry);
      carry >>= 8;
    }
    // -2^(8n) does not occur in shortest form with n bytes, so the carry never leaves the top byte.
  }
  std::string text;
  if (magnitude.size() > kMaxDecimalBytes) {
    static constexpr char kHex[] = "0123456789abcdef";
    for (auto byte : magnitude) {
      text.push_back(kHex[byte & 15]);
      text.push_back(kHex[byte >> 4]);
    }
    while (text.size() > 1 && text.back() == '0') text.pop_back();
    text += negative ? "x0-" : "x0";
  } else {
    while (!magnitude.empty()) {
      unsigned remainder = 0;
      for (auto byte = magnitude.rbegin(); byte != magnitude.rend(); ++byte) {
        remainder = remainder << 8 | *byte;
        *byte = static_cast<std::uint8_t>(remainder / 10);
        remainder %= 10;
      }
      text.push_back(static_cast<char>('0' + remainder));
      while (!magnitude.empty() && magnitude.back() == 0) magnitude.pop_back();
    }
    if (negative) text.push_back('-');
  }
  std::reverse(text.begin(), text.end());
  return text;
}

}  // namespace headrace::columnar
