#include "base/utf8.h"

#include <emmintrin.h>

#include <cstdint>
#include <cstring>

namespace headrace {
namespace {

/// Length of the well-formed multi-byte sequence at `p`, or 0.
std::size_t SequenceLength(const unsigned char* p, std::size_t left) {
  const unsigned char lead = p[0];
  auto follows = [p](std::size_t i) { return (p[i] & 0xC0) == 0x80; };
  if (lead >= 0xC2 && lead <= 0xDF) return left >= 2 && follows(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (left < 3 || !follows(1) || !follows(2)) return 0;
    if (lead == 0xE0 && p[1] < 0xA0) return 0;  // overlong
    if (lead == 0xED && p[1] > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (left < 4 || !follows(1) || !follows(2) || !follows(3)) return 0;
    if (lead == 0xF0 && p[1] < 0x90) return 0;  // overlong
    if (lead == 0xF4 && p[1] > 0x8F) return 0;  // beyond U+10FFFF
    return 4;
  }
  return 0;
}

}  // namespace

std::size_t AsciiPrefix(std::string_view bytes) {
  const char* p = bytes.data();
  const std::size_t size = bytes.size();
  std::size_t at = 0;
  auto load = [p](std::size_t i) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i)); };
  for (; at + 64 <= size; at += 64) {
    const __m128i any = _mm_or_si128(_mm_or_si128(load(at), load(at + 16)), _mm_or_si128(load(at + 32), load(at + 48)));
    if (_mm_movemask_epi8(any) != 0) break;
  }
  while (at < size && static_cast<signed char>(p[at]) >= 0) ++at;
  return at;
}

std::size_t FindInvalidUtf8(std::string_view bytes) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  const std::size_t size = bytes.size();
  std::size_t at = AsciiPrefix(bytes);
  while (at < size) {
    const std::size_t length = SequenceLength(p + at, size - at);
    if (length == 0) return at;
    at += length;
    // Text that is not ASCII tends to stay so: the long look ahead is for where it ends.
    if (at < size && p[at] < 0x80) at += AsciiPrefix(bytes.substr(at));
  }
  return std::string_view::npos;
}

}  // namespace headrace
