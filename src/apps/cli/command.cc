#include "apps/cli/command.h"

#include <fmt/core.h>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace headrace::apps::cli {

Result<Settings> CommandLine::LoadSettings() const {
  SettingSources sources;
  sources.flags = flags;
  sources.environment = ProcessEnvironment();
  sources.config_file = config_file;
  return Settings::Load(sources);
}

Result<std::string> ReadWholeFile(const std::string& path, std::size_t max_bytes) {
  std::FILE* file = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr)
    return Error(ErrorCode::kBadRequest, fmt::format("cannot read {}: {}", path, std::strerror(errno)), "Check the path.");
  std::string bytes;
  char buffer[64 << 10];
  std::size_t got = 0;
  while ((got = std::fread(buffer, 1, sizeof(buffer), file)) > 0 && bytes.size() <= max_bytes) bytes.append(buffer, got);
  const bool failed = std::ferror(file) != 0;
  const int error = errno;
  if (file != stdin) std::fclose(file);
  if (failed) return Error(ErrorCode::kBadRequest, fmt::format("cannot read {}: {}", path, std::strerror(error)), "Check the path.");
  if (bytes.size() > max_bytes) return Error(ErrorCode::kTooLarge, fmt::format("{} is larger than {} MiB", path, max_bytes >> 20));
  return bytes;
}

}  // namespace headrace::apps::cli
