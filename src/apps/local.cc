#include "apps/local.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "apps/advertise_host.h"
#include "apps/banner.h"
#include "apps/cli/command.h"
#include "apps/demo_view.h"
#include "apps/embedded_cluster.h"
#include "apps/job_runner.h"
#include "apps/program_output.h"
#include "apps/python_executable.h"
#include "apps/result_pipe.h"
#include "apps/version.h"
#include "base/logging.h"
#include "base/shown_warnings.h"
#include "control/rest/rest_server.h"
#include "plan/execution_plan.h"
#include "wire/job_file.h"

namespace headrace::apps {
namespace {

/// A folder of this process below the data folder, removed at the end.
class ScratchFolder {
 public:
  static Result<std::unique_ptr<ScratchFolder>> Make(const Settings& settings) {
    const auto path = std::filesystem::path(settings.Path("data.dir")) / "run" / std::to_string(getpid());
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error)
      return Error(ErrorCode::kBadSetting, fmt::format("the folder {} cannot be made: {}", path.string(), error.message()),
                   "Set HEADRACE_DATA_DIR to a folder of yours.");
    return std::unique_ptr<ScratchFolder>(new ScratchFolder(path));
  }
  ~ScratchFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  std::string path() const { return path_.string(); }

 private:
  explicit ScratchFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

Result<std::unique_ptr<control::rest::RestServer>> StartRest(const Settings& settings, EmbeddedCluster* cluster, MetricsRegistry* metrics,
                                                             Random* random) {
  control::rest::RestContext context;
  context.dispatcher = cluster->dispatcher();
  context.metrics = metrics;
  context.settings = &settings;
  context.random = random;
  context.bind = BindAddress(settings, "127.0.0.1");
  context.version = kVersion;
  return control::rest::RestServer::Start(context);
}

Status Local(const Settings& settings, SignalWaiter* signals) {
  MetricsRegistry metrics;
  SystemRandom random;
  EmbeddedCluster::Options options;
  options.slots = settings.is_default("taskmanager.slots") ? 16 : static_cast<std::uint32_t>(settings.Int("taskmanager.slots"));
  options.rest_address = fmt::format("localhost:{}", settings.Port("rest.port"));
  HR_ASSIGN_OR_RAISE(auto scratch, ScratchFolder::Make(settings));
  options.work_dir = scratch->path();
  options.python_version = PythonVersionOf(PythonExecutable(settings));
  const std::uint32_t slots = options.slots;
  HR_ASSIGN_OR_RAISE(auto cluster, EmbeddedCluster::Start(settings, std::move(options), &metrics));
  HR_ASSIGN_OR_RAISE(auto rest, StartRest(settings, cluster.get(), &metrics, &random));
  PrintBanner("local",
              {{"rest", fmt::format("http://localhost:{} ({})", rest->port(), rest->security())},
               {"slots", std::to_string(slots)},
               {"next", fmt::format("headrace submit FILE -m localhost:{}", rest->port())}},
              settings);
  if (!rest->new_token().empty()) std::fprintf(stderr, "  token (shown once): %s\n", rest->new_token().c_str());
  signals->Wait();
  signals->ReleaseSignals();
  rest->RequestStop();
  rest->Join();
  cluster->Stop();
  return Status::OK();
}

/// Slots that the job needs; an embedded run offers exactly so many.
Result<std::uint32_t> SlotsNeeded(const std::string& job_file, std::uint32_t parallelism) {
  HR_ASSIGN_OR_RAISE(wire::JobFile file, wire::ReadJobFile(job_file));
  HR_ASSIGN_OR_RAISE(plan::JobGraph graph, plan::Validate(std::move(file.graph), parallelism));
  HR_ASSIGN_OR_RAISE(auto plan, plan::Chain(graph));
  return plan->slots_needed();
}

Status RunOnce(const Settings& settings, const std::string& path, int results_fd, std::uint32_t parallelism, SignalWaiter* signals,
               bool* interrupted) {
  control::job::SubmitRequest request;
  HR_ASSIGN_OR_RAISE(request.job_file, cli::ReadWholeFile(path));
  if (parallelism > 0) request.parallelism = parallelism;
  MetricsRegistry metrics;
  EmbeddedCluster::Options options;
  options.store = ControlPlane::Store::kMemory;
  HR_ASSIGN_OR_RAISE(options.slots, SlotsNeeded(request.job_file, parallelism));
  HR_ASSIGN_OR_RAISE(auto scratch, ScratchFolder::Make(settings));
  options.work_dir = scratch->path();
  std::optional<ResultPipe> results;
  if (results_fd >= 0) results.emplace(results_fd);
  options.on_collected = [&results, signals](const std::string& uid, const columnar::DataBatch& batch) {
    if (results && !results->Write(uid, batch)) signals->Notify();
  };
  options.on_change = [signals] { signals->Notify(); };
  // Somebody waits at the terminal: a mistake in a function is to be seen, not tried again.
  options.fail_at_once = true;
  HR_ASSIGN_OR_RAISE(auto cluster, EmbeddedCluster::Start(settings, std::move(options), &metrics));
  JobRunner runner(cluster->dispatcher(), signals);
  auto job = runner.Submit(std::move(request));
  Status ended = job.ok() ? runner.AwaitEnd(*job, [&results] { return results ? results->failure() : Status::OK(); }) : job.status();
  *interrupted = runner.interrupted();
  signals->ReleaseSignals();
  cluster->Stop();
  if (results) results->Close();
  return ended;
}

/// The demo's job file, made by the Python package.
Result<std::string> DemoJobFile(const Settings& settings, const DemoOptions& options) {
  const std::string python = PythonExecutable(settings);
  auto bytes = OutputOf({python, "-m", "headrace.demo", std::to_string(options.parallelism), std::to_string(options.rows_per_second)},
                        ProgramErrors::kShow);
  if (!bytes || bytes->empty()) return Error(ErrorCode::kPythonStart, fmt::format("{} could not write the demo's job file", python));
  return std::move(*bytes);
}

/// Draws the table in place on a terminal, and one line a second otherwise.
class DemoScreen {
 public:
  DemoScreen() : terminal_(isatty(STDOUT_FILENO) != 0) {}
  void Draw(DemoView* view) {
    std::string text = view->Render(terminal_ ? 12 : 3);
    if (terminal_ && lines_ > 0) std::printf("\033[%zuA\033[J", lines_);
    lines_ = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  }

 private:
  const bool terminal_;
  std::size_t lines_ = 0;
};

Status Demo(const Settings& settings, const DemoOptions& demo, SignalWaiter* signals) {
  MetricsRegistry metrics;
  SystemRandom random;
  DemoView view;
  control::job::SubmitRequest request;
  HR_ASSIGN_OR_RAISE(request.job_file, DemoJobFile(settings, demo));
  EmbeddedCluster::Options options;
  options.store = ControlPlane::Store::kMemory;
  options.slots = std::max<std::uint32_t>(demo.parallelism, 4);
  HR_ASSIGN_OR_RAISE(auto scratch, ScratchFolder::Make(settings));
  options.work_dir = scratch->path();
  options.on_collected = [&view](const std::string&, const columnar::DataBatch& batch) { view.Add(batch); };
  HR_ASSIGN_OR_RAISE(auto cluster, EmbeddedCluster::Start(settings, std::move(options), &metrics));
  HR_ASSIGN_OR_RAISE(auto rest, StartRest(settings, cluster.get(), &metrics, &random));
  JobRunner runner(cluster->dispatcher(), signals);
  HR_ASSIGN_OR_RAISE(JobId job, runner.Submit(std::move(request)));
  std::printf(
      "A word count on generated lines runs in this process, its functions in Python workers.\n"
      "REST API: http://localhost:%u/jobs/%s   (try: headrace status %s -m localhost:%u)\n%s\n\n",
      rest->port(), job.str().c_str(), job.str().c_str(), rest->port(), demo.duration_seconds > 0 ? "" : "Ctrl-C ends it.");
  DemoScreen screen;
  const auto start = std::chrono::steady_clock::now();
  Status ended = Status::OK();
  for (;;) {
    const bool stop =
        signals->WaitFor(std::chrono::milliseconds(1000)).has_value() ||
        (demo.duration_seconds > 0 && std::chrono::steady_clock::now() - start >= std::chrono::duration<double>(demo.duration_seconds));
    screen.Draw(&view);
    HR_ASSIGN_OR_RAISE(auto state, runner.View(job));
    if (control::job::IsTerminal(state.state)) {
      ended = runner.AwaitEnd(job);
      break;
    }
    if (stop) {
      ended = runner.Cancel(job);
      break;
    }
  }
  signals->ReleaseSignals();
  rest->RequestStop();
  rest->Join();
  cluster->Stop();
  if (ended.ok() && view.results() == 0)
    return Error(ErrorCode::kInternal, "the demo showed no result in its time",
                 "Run it longer, e.g. --duration 20s; see the log lines above.");
  if (ended.ok())
    std::printf(
        "\nNext: write a job as in examples/word_count.py, run it with python, or start a cluster: headrace jobmanager, headrace "
        "taskmanager.\n");
  return ended;
}

/// Embedded runs are quiet unless the log is asked for: a failure is told once, at the end. What looks wrong with event times is told.
void ConfigureQuietly(const Settings& settings) {
  ConfigureProcess(settings);
  if (settings.is_default("log.level") && settings.String("log.file").empty()) {
    LogOptions options;
    options.level = LogLevel::kError;
    options.format = LogOptions::Format::kText;
    ConfigureLogging(options);
    ShowWarningsOf("event_time");
  }
}

}  // namespace

ExitCode RunLocal(const Settings& settings, SignalWaiter* signals) {
  ConfigureProcess(settings);
  return PrintFailureOrOk(Local(settings, signals));
}

ExitCode RunJobFile(const Settings& settings, const std::string& path, int results_fd, std::uint32_t parallelism, SignalWaiter* signals) {
  ConfigureQuietly(settings);
  bool interrupted = false;
  const ExitCode code = PrintFailureOrOk(RunOnce(settings, path, results_fd, parallelism, signals, &interrupted));
  return code == kExitOk && interrupted ? kExitFailed : code;
}

ExitCode RunDemo(const Settings& settings, const DemoOptions& options, SignalWaiter* signals) {
  ConfigureQuietly(settings);
  return PrintFailureOrOk(Demo(settings, options, signals));
}

}  // namespace headrace::apps
