#pragma once
#include <string>

#include "base/settings.h"

namespace headrace::apps {

/// The Python of the workers: the setting python.executable; else VIRTUAL_ENV's; else the one of a .venv above the binary; else python3 on
/// PATH.
std::string PythonExecutable(const Settings& settings);
/// "3.11", by asking it; empty when it does not run or lacks the headrace package.
std::string PythonVersionOf(const std::string& executable);

}  // namespace headrace::apps
