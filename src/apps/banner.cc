#include "apps/banner.h"

#include <fmt/core.h>
#include <unistd.h>
#include <cstdio>

#include "apps/version.h"
#include "base/logging.h"

namespace headrace::apps {
namespace {

/// "3 settings changed (env POSTGRES_HOST, flag --set …)"
std::string OriginSummary(const Settings& settings) {
  std::string changed;
  int count = 0;
  for (const auto& spec : SettingSpecs()) {
    if (settings.is_default(spec.key)) continue;
    if (count++ < 8) changed += (changed.empty() ? "" : ", ") + settings.origin(spec.key);
  }
  if (count == 0) return "defaults";
  return fmt::format("{} changed: {}{}", count, changed, count > 8 ? ", …" : "");
}

}  // namespace

void ConfigureProcess(const Settings& settings) {
  LogOptions options;
  const auto& level = settings.String("log.level");
  options.level = level == "debug"   ? LogLevel::kDebug
                  : level == "warn"  ? LogLevel::kWarn
                  : level == "error" ? LogLevel::kError
                                     : LogLevel::kInfo;
  const auto& format = settings.String("log.format");
  options.format = format == "json" ? LogOptions::Format::kJson : format == "text" ? LogOptions::Format::kText : LogOptions::Format::kAuto;
  options.file = settings.Path("log.file");
  options.rotate_bytes = static_cast<std::size_t>(settings.Bytes("log.rotate_size"));
  options.keep = static_cast<int>(settings.Int("log.keep"));
  ConfigureLogging(options);
  for (const auto& warning : settings.warnings()) LogWarn("settings", warning);
}

void PrintBanner(const std::string& process, const std::vector<std::pair<std::string, std::string>>& facts, const Settings& settings) {
  std::vector<std::pair<std::string, std::string>> all = facts;
  all.emplace_back("settings", OriginSummary(settings));
  if (isatty(STDERR_FILENO) != 0 && settings.String("log.file").empty()) {
    std::string text = fmt::format("\n  Headrace {} · {}\n", kVersion, process);
    for (const auto& [name, value] : all) text += fmt::format("    {:<12} {}\n", name, value);
    std::fputs((text + "\n").c_str(), stderr);
    return;
  }
  std::string line = fmt::format("Headrace {} {} is up", kVersion, process);
  for (const auto& [name, value] : all) line += fmt::format("; {}: {}", name, value);
  LogInfo("headrace", line);
}

}  // namespace headrace::apps
