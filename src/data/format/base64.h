#pragma once
#include <string>
#include <string_view>

namespace headrace::data::format {

/// Appends the bytes that base64 stands for, standard or URL alphabet, with or without padding. False when it is none; `out` may then
/// hold part of it.
bool DecodeBase64(std::string_view text, std::string* out);

}  // namespace headrace::data::format
