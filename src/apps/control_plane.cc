#include "apps/control_plane.h"

#include <fmt/core.h>
#include <filesystem>

#include "base/logging.h"

namespace headrace::apps {
namespace {

using control::metastore::Metastore;

Result<std::unique_ptr<Metastore>> OpenStore(const Settings& settings, ControlPlane::Store kind, Executor* executor,
                                             std::string* description) {
  if (kind == ControlPlane::Store::kMemory) {
    *description = "memory";
    return control::metastore::MakeMemoryMetastore(executor);
  }
  if (settings.String("postgres.host").empty()) {
    const auto folder = std::filesystem::path(settings.Path("data.dir"));
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error)
      return Error(ErrorCode::kBadSetting, fmt::format("the data folder {} cannot be made: {}", folder.string(), error.message()),
                   "Set HEADRACE_DATA_DIR to a folder of yours.");
    const std::string path = (folder / "metadata.db").string();
    *description = "SQLite " + path;
    return control::metastore::OpenSqliteMetastore(path, executor);
  }
  control::metastore::PostgresOptions options;
  options.host = settings.String("postgres.host");
  options.port = settings.Port("postgres.port");
  options.database = settings.String("postgres.db");
  options.user = settings.String("postgres.user");
  options.password = settings.String("postgres.password");
  options.sslmode = settings.String("postgres.sslmode");
  *description = fmt::format("PostgreSQL {}:{}/{}", options.host, options.port, options.database);
  if (options.sslmode == "disable" || options.sslmode == "allow" || options.sslmode == "prefer")
    LogWarn("headrace", fmt::format("the connection to PostgreSQL may be in plain text (sslmode {}); set POSTGRES_SSLMODE=verify-full",
                                    options.sslmode));
  return control::metastore::OpenPostgresMetastore(options, executor);
}

Duration Ms(const Settings& settings, const char* key) { return std::chrono::milliseconds(settings.DurationMs(key)); }

plan::RestartSettings RestartFrom(const Settings& settings) {
  using Kind = plan::RestartSettings::Kind;
  const std::string& name = settings.String("restart.strategy");
  plan::RestartSettings restart;
  restart.kind = name == "none" ? Kind::kNone : name == "fixed_delay" ? Kind::kFixedDelay : Kind::kExponential;
  restart.max_attempts = static_cast<std::uint32_t>(settings.Int("restart.attempts"));
  restart.delay_ms = static_cast<std::uint64_t>(settings.DurationMs("restart.delay"));
  restart.initial_delay_ms = static_cast<std::uint64_t>(settings.DurationMs("restart.initial_delay"));
  restart.max_delay_ms = static_cast<std::uint64_t>(settings.DurationMs("restart.max_delay"));
  return restart;
}

}  // namespace

Result<std::unique_ptr<ControlPlane>> ControlPlane::Make(const Settings& settings, Options options, MetricsRegistry* metrics) {
  std::unique_ptr<ControlPlane> plane(new ControlPlane());
  HR_ASSIGN_OR_RAISE(plane->store_, OpenStore(settings, options.store, &plane->executor_, &plane->store_description_));
  plane->planner_ = std::make_unique<control::job::SplitPlannerImpl>(&plane->executor_, settings.String("kafka.bootstrap_servers"));
  control::job::ControlPlaneOptions control;
  control.address = options.address;
  control.registry.heartbeat_interval = Ms(settings, "heartbeat.interval");
  control.registry.heartbeat_timeout = Ms(settings, "heartbeat.timeout");
  control.submit.slots = Ms(settings, "jobmanager.slot_wait");
  control.submit.tasks = Ms(settings, "jobmanager.start_wait");
  control.submit.outside = Ms(settings, "kafka.probe_timeout");
  control.job.healthy_after = Ms(settings, "restart.healthy_after");
  control.default_restart = RestartFrom(settings);
  if (options.fail_at_once && settings.is_default("restart.strategy")) control.default_restart.kind = plan::RestartSettings::Kind::kNone;
  control.on_change = std::move(options.on_change);
  control::job::ControlPlaneParts parts;
  parts.executor = &plane->executor_;
  parts.store = plane->store_.get();
  parts.connector = options.connector;
  parts.planner = plane->planner_.get();
  parts.random = &plane->random_;
  parts.metrics = metrics;
  parts.side = &plane->side_;
  plane->dispatcher_ = std::make_unique<control::job::DispatcherImpl>(parts, std::move(control));
  return plane;
}

ControlPlane::~ControlPlane() { Stop(); }

void ControlPlane::Stop() {
  if (std::exchange(stopped_, true)) return;
  if (store_ != nullptr) store_->RequestStop();
  executor_.RequestStop();
  side_.RequestStop();
  executor_.Join();
  side_.Join();
  if (store_ != nullptr) store_->Join();
}

}  // namespace headrace::apps
