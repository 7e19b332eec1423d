#pragma once
#include <string_view>

namespace headrace::apps {

inline constexpr std::string_view kVersion = HEADRACE_VERSION;

}  // namespace headrace::apps
