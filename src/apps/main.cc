#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "apps/cli/command.h"
#include "apps/version.h"
#include "base/nearest_name.h"

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

/// Says what is wrong with the command line, and which help to read.
ExitCode RefuseUsage(const CLI::App& app, const CLI::ParseError& error) {
  std::string command = "headrace";
  const CLI::App* at = &app;
  for (auto chosen = at->get_subcommands(); !chosen.empty(); chosen = at->get_subcommands()) {
    at = chosen.front();
    command += " " + at->get_name();
  }
  std::string why = error.what();
  const auto extra = at->remaining();
  if (!extra.empty() && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr &&
      !at->get_subcommands([](const CLI::App*) { return true; }).empty()) {
    std::vector<std::string> names;
    for (const CLI::App* known : at->get_subcommands([](const CLI::App*) { return true; })) names.push_back(known->get_name());
    const std::string nearest(headrace::NearestName(extra.front(), {names.begin(), names.end()}));
    why = "there is no command \"" + extra.front() + "\"" + (nearest.empty() ? "" : "; did you mean " + nearest + "?");
  }
  std::fprintf(stderr, "error: %s: %s\n  hint: %s --help\n", command.c_str(), why.c_str(), command.c_str());
  return headrace::apps::kExitUsage;
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
  headrace::apps::cli::AddLocalCommands(&app, &line);
  headrace::apps::cli::AddServerCommands(&app, &line);
  headrace::apps::cli::AddJobCommands(&app, &line);
  headrace::apps::cli::AddInspectCommands(&app, &line);
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
    command->footer("The options of headrace --help may stand here too: -m, -o, --set, --config.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return RefuseUsage(app, error);
  }
  return line.run ? line.run() : headrace::apps::kExitUsage;
}
