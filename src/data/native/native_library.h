#pragma once
#include <string>

#include "base/status.h"
#include "headrace/native_abi.h"

namespace headrace::data::native {

/// The function `function` of the library `library`, which is <folder>/lib<library>.so and nothing else: the operator's folder says what a
/// job may name. Libraries stay loaded until the process ends. Thread-safe. Errors (kUnknownFeature): no folder is set, names that are no
/// plain names, no such file, what the loader says, another version of the boundary, no such function.
Result<const headrace_function*> LoadFunction(const std::string& folder, const std::string& library, const std::string& function);

}  // namespace headrace::data::native
