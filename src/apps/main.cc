#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "apps/cli/command.h"
#include "apps/version.h"

namespace {

using headrace::apps::ExitCode;
using headrace::apps::cli::CommandLine;

/// --set section.key=value
std::string TakeSetting(CommandLine* line, const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos) return "expected section.key=value, got " + text;
  line->flags.push_back({text.substr(0, equals), text.substr(equals + 1), "--set"});
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine line;
  CLI::App app("Headrace: distributed stream processing, jobs in Python, one binary", "headrace");
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", std::string(headrace::apps::kVersion));
  app.add_option("--config", line.config_file, "Settings file (YAML)");
  app.add_option_function<std::vector<std::string>>(
      "-s,--set",
      [&line](const std::vector<std::string>& texts) {
        for (const auto& text : texts)
          if (auto problem = TakeSetting(&line, text); !problem.empty()) throw CLI::ValidationError("--set", problem);
      },
      "A setting: section.key=value; repeatable. headrace config show lists them");
  app.add_option("-m,--jobmanager", line.manager, "JobManager for client commands: host[:port]");
  app.add_option("-o,--output", line.output, "text, wide or json")->check(CLI::IsMember({"text", "wide", "json"}));
  app.add_flag("--watch", line.watch, "Repeat until the job ends");
  app.add_flag("-v,--verbose", line.verbose, "Say more");
  headrace::apps::cli::AddLocalCommands(&app, &line);
  headrace::apps::cli::AddServerCommands(&app, &line);
  headrace::apps::cli::AddJobCommands(&app, &line);
  headrace::apps::cli::AddInspectCommands(&app, &line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? headrace::apps::kExitOk : headrace::apps::kExitUsage;
  }
  return line.run ? line.run() : headrace::apps::kExitUsage;
}
