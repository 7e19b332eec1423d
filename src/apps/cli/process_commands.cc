#include <CLI/CLI.hpp>
#include <memory>

#include "apps/cli/command.h"
#include "apps/job_manager.h"
#include "apps/local.h"
#include "apps/signal_waiter.h"
#include "apps/task_manager.h"
#include "base/units.h"

namespace headrace::apps::cli {
namespace {

/// Loads the settings, blocks the signals, then runs.
template <typename Body>
ExitCode WithSettings(const CommandLine& line, Body body) {
  auto settings = line.LoadSettings();
  if (!settings.ok()) return PrintFailure(settings.status());
  SignalWaiter signals;
  return body(*settings, &signals);
}

/// An option that is a setting: --port 8081 is rest.port=8081.
void AddSetting(CLI::App* command, CommandLine* line, const std::string& flag, const std::string& key, const std::string& help) {
  command->add_option_function<std::string>(
      flag,
      [line, flag, key](const std::string& value) {
        line->flags.push_back({key, value, flag});
      },
      help);
}

}  // namespace

void AddServerCommands(CLI::App* app, CommandLine* line) {
  auto* manager = app->add_subcommand("jobmanager", "Run a JobManager: REST, scheduling, metadata");
  AddSetting(manager, line, "--port", "rest.port", "REST port");
  AddSetting(manager, line, "--rpc-port", "jobmanager.rpc_port", "gRPC port");
  AddSetting(manager, line, "--bind", "net.bind", "Address to listen on");
  AddSetting(manager, line, "--data-dir", "data.dir", "Folder of SQLite and tokens");
  manager->callback([=] { line->run = [=] { return WithSettings(*line, RunJobManager); }; });
  auto* worker = app->add_subcommand("taskmanager", "Run a TaskManager: slots that do the work");
  AddSetting(worker, line, "--jobmanager-host", "jobmanager.host", "Where to register: host[:port], several by commas");
  AddSetting(worker, line, "--slots", "taskmanager.slots", "Slots");
  AddSetting(worker, line, "--id", "taskmanager.id", "Name of this TaskManager");
  AddSetting(worker, line, "--bind", "net.bind", "Address to listen on");
  worker->callback([=] { line->run = [=] { return WithSettings(*line, RunTaskManager); }; });
}

void AddLocalCommands(CLI::App* app, CommandLine* line) {
  struct Arguments {
    std::string file, duration;
    int results_fd = -1;
    std::uint32_t parallelism = 0;
    DemoOptions demo;
  };
  auto arguments = std::make_shared<Arguments>();
  auto* demo = app->add_subcommand("demo", "A live word count in this process, to look at");
  demo->add_option("--duration", arguments->duration, "How long, e.g. 10s; without it until Ctrl-C");
  demo->add_option("--parallelism", arguments->demo.parallelism, "Subtasks")->check(CLI::Range(1u, 64u));
  demo->add_option("--lines-per-second", arguments->demo.rows_per_second, "Generated lines a second; 0 = as fast as it goes");
  AddSetting(demo, line, "--port", "rest.port", "REST port");
  AddSetting(demo, line, "--data-dir", "data.dir", "Folder for local data");
  demo->callback([=] {
    line->run = [=]() -> ExitCode {
      if (!arguments->duration.empty()) {
        auto parsed = ParseDurationMs(arguments->duration, DurationUnit::kSeconds);
        if (!parsed.ok())
          return PrintFailure(Error(ErrorCode::kBadSetting, "--duration: " + parsed.status().message(), "For example --duration 10s."));
        arguments->demo.duration_seconds = static_cast<double>(*parsed) / 1000;
      }
      return WithSettings(*line,
                          [=](const Settings& settings, SignalWaiter* signals) { return RunDemo(settings, arguments->demo, signals); });
    };
  });
  auto* local = app->add_subcommand("local", "JobManager and TaskManager in one process, REST on loopback");
  AddSetting(local, line, "--port", "rest.port", "REST port");
  AddSetting(local, line, "--slots", "taskmanager.slots", "Slots");
  AddSetting(local, line, "--data-dir", "data.dir", "Folder for local data");
  local->callback([=] { line->run = [=] { return WithSettings(*line, RunLocal); }; });
  auto* run = app->add_subcommand("run", "Run one job file in this process and end with it");
  run->add_option("FILE", arguments->file, "Job file; - for standard input")->required();
  run->add_option("-p,--parallelism", arguments->parallelism, "Parallelism instead of the job's own")->check(CLI::Range(1u, 32768u));
  run->add_option("--results-fd", arguments->results_fd, "Descriptor that takes the rows of collection sinks")->group("");
  AddSetting(run, line, "--data-dir", "data.dir", "Folder for local data");
  run->callback([=] {
    line->run = [=] {
      return WithSettings(*line, [=](const Settings& settings, SignalWaiter* signals) {
        return RunJobFile(settings, arguments->file, arguments->results_fd, arguments->parallelism, signals);
      });
    };
  });
}

}  // namespace headrace::apps::cli
