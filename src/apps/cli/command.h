#pragma once
#include <functional>
#include <string>
#include <vector>

#include "apps/exit_code.h"
#include "base/settings.h"

namespace CLI {
class App;
}

namespace headrace::apps::cli {

/// What all commands share: options given before or after the command's name.
struct CommandLine {
  std::string config_file;
  std::vector<SettingFlag> flags;  ///< --set and the commands' own options that are settings
  std::string manager;             ///< -m
  std::string output = "text";     ///< -o: text, json, wide
  bool watch = false;
  std::function<ExitCode()> run;  ///< the chosen command

  /// Settings from flags, environment and file.
  Result<Settings> LoadSettings() const;
};

/// Each adds its commands to `app`. They set CommandLine::run when chosen.
void AddServerCommands(CLI::App* app, CommandLine* line);   ///< jobmanager taskmanager
void AddLocalCommands(CLI::App* app, CommandLine* line);    ///< local run demo
void AddJobCommands(CLI::App* app, CommandLine* line);      ///< submit list status cancel
void AddInspectCommands(CLI::App* app, CommandLine* line);  ///< explain config doctor version

/// The whole file, or "-" for standard input. kBadRequest naming the path and the reason.
Result<std::string> ReadWholeFile(const std::string& path, std::size_t max_bytes = 66u << 20);

}  // namespace headrace::apps::cli
