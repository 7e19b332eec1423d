#include "apps/python_executable.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

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
  std::string quoted = "'";
  for (char c : executable) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  quoted += "'";
  std::FILE* pipe = popen((quoted + " -s -c 'import sys, importlib.util as u; assert u.find_spec(\"headrace\"); print(\"%d.%d\" % sys.version_info[:2])' 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return {};
  std::array<char, 64> buffer{};
  std::string line = std::fgets(buffer.data(), buffer.size(), pipe) != nullptr ? buffer.data() : "";
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  return pclose(pipe) == 0 ? line : std::string{};
}

}  // namespace headrace::apps
