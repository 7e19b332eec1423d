#pragma once
#include <string>

#include "base/status.h"

namespace headrace {

/// One YAML document as JSON text, key order kept. Plain scalars that read as null, true, false or a number become such;
/// quoted ones stay strings. kBadSetting with the line on malformed YAML; depth and size are capped.
Result<std::string> YamlToJson(const std::string& yaml);

}  // namespace headrace
