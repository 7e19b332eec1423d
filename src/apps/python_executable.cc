#include "apps/python_executable.h"

#include <cstdlib>
#include <filesystem>

#include "apps/program_output.h"

namespace headrace::apps {

std::string PythonExecutable(const Settings& settings) {
  if (const auto& configured = settings.String("python.executable"); !configured.empty()) return configured;
  std::error_code error;
  if (const char* environment = std::getenv("VIRTUAL_ENV"); environment != nullptr) {
    const auto python = std::filesystem::path(environment) / "bin" / "python";
    if (std::filesystem::exists(python, error)) return python.string();
  }
  auto folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (int levels = 0; levels < 4 && folder.has_parent_path(); ++levels, folder = folder.parent_path()) {
    const auto python = folder / ".venv" / "bin" / "python";
    if (std::filesystem::exists(python, error)) return python.string();
    if (folder == folder.parent_path()) break;
  }
  return "python3";
}

std::string PythonVersionOf(const std::string& executable) {
  return FirstLineOf(
      {executable, "-s", "-c", "import sys, importlib.util as u; assert u.find_spec('headrace'); print('%d.%d' % sys.version_info[:2])"});
}

}  // namespace headrace::apps
