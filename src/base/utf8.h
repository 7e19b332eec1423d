#pragma once
#include <cstddef>
#include <string_view>

namespace headrace {

/// Position of the first byte that does not continue valid UTF-8 (no surrogates, no overlong forms, at most U+10FFFF), or npos.
std::size_t FindInvalidUtf8(std::string_view bytes);
/// Position of the first byte that is not ASCII, or the size.
std::size_t AsciiPrefix(std::string_view bytes);
inline bool IsAscii(std::string_view bytes) { return AsciiPrefix(bytes) == bytes.size(); }
inline bool IsUtf8(std::string_view bytes) { return FindInvalidUtf8(bytes) == std::string_view::npos; }

}  // namespace headrace
