#include <fmt/core.h>
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "apps/cli/command.h"
#include "apps/cli/doctor.h"
#include "apps/version.h"
#include "plan/execution_plan.h"
#include "wire/job_file.h"

namespace headrace::apps::cli {
namespace {

void Print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

Status Explain(const CommandLine& line, const std::string& path, std::uint32_t parallelism) {
  HR_ASSIGN_OR_RAISE(std::string bytes, ReadWholeFile(path));
  HR_ASSIGN_OR_RAISE(wire::JobFile file, wire::ReadJobFile(bytes));
  HR_ASSIGN_OR_RAISE(plan::JobGraph graph, plan::Validate(std::move(file.graph), parallelism));
  HR_ASSIGN_OR_RAISE(auto plan, plan::Chain(graph));
  Print(line.output == "json" ? plan::ExplainJson(*plan) + "\n" : plan::ExplainText(*plan));
  return Status::OK();
}

Status ShowConfig(const CommandLine& line, bool with_origin) {
  HR_ASSIGN_OR_RAISE(Settings settings, line.LoadSettings());
  for (const auto& warning : settings.warnings()) std::fputs(("warning: " + warning + "\n").c_str(), stderr);
  Print(line.output == "json" ? settings.ToJson() + "\n" : settings.Render(with_origin));
  return Status::OK();
}

/// Resident megabytes of this process: what the binary costs before it does anything.
double ResidentMb() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  long size = 0, resident = 0;
  const int fields = std::fscanf(file, "%ld %ld", &size, &resident);
  std::fclose(file);
  return fields == 2 ? static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6 : 0;
}

}  // namespace

void AddInspectCommands(CLI::App* app, CommandLine* line) {
  struct Arguments {
    std::string file;
    std::uint32_t parallelism = 0;
    bool origin = false, resident = false;
  };
  auto arguments = std::make_shared<Arguments>();
  auto* explain = app->add_subcommand("explain", "Print the plan of a job file: chains, parallelism, exchanges");
  explain->add_option("FILE", arguments->file, "Job file; - for standard input")->required();
  explain->add_option("-p,--parallelism", arguments->parallelism, "Parallelism instead of the job's own")->check(CLI::Range(1u, 32768u));
  explain->callback([=] { line->run = [=] { return PrintFailureOrOk(Explain(*line, arguments->file, arguments->parallelism)); }; });
  auto* config = app->add_subcommand("config", "Settings");
  config->require_subcommand(1);
  auto* show = config->add_subcommand("show", "Every setting with its value; secrets masked");
  show->add_flag("--origin", arguments->origin, "Say where each value came from");
  show->callback([=] { line->run = [=] { return PrintFailureOrOk(ShowConfig(*line, arguments->origin)); }; });
  auto* doctor = app->add_subcommand("doctor", "Check this machine and its surroundings, with advice");
  doctor->callback([=] {
    line->run = [=]() -> ExitCode {
      auto settings = line->LoadSettings();
      if (!settings.ok()) return PrintFailure(settings.status());
      return RunDoctor(*settings) == 0 ? kExitOk : kExitFailed;
    };
  });
  auto* version = app->add_subcommand("version", "Version of this binary");
  version->add_flag("--resident", arguments->resident, "Print the resident megabytes of the bare binary instead")->group("");
  version->callback([=] {
    line->run = [=] {
      if (arguments->resident)
        Print(fmt::format("{:.1f}\n", ResidentMb()));
      else
        Print(line->output == "json" ? fmt::format("{{\"version\":\"{}\"}}\n", kVersion) : fmt::format("headrace {}\n", kVersion));
      return kExitOk;
    };
  });
}

}  // namespace headrace::apps::cli
