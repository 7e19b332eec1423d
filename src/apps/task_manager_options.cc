#include "apps/task_manager_options.h"

#include "apps/python_executable.h"
#include "apps/version.h"
#include "base/random.h"

namespace headrace::apps {

data::taskmanager::TaskManagerHostOptions TaskManagerOptionsFrom(const Settings& settings, const std::string& own_python) {
  data::taskmanager::TaskManagerHostOptions options;
  auto& manager = options.task_manager;
  manager.incarnation = Incarnation(SystemRandom().NextHex(16));
  manager.slots = static_cast<std::uint32_t>(settings.Int("taskmanager.slots"));
  manager.version = kVersion;
  manager.python_version = own_python;
  manager.work_dir = settings.Path("state.dir");
  manager.python_executable = PythonExecutable(settings);
  manager.python_workers = static_cast<std::uint32_t>(settings.Int("python.workers"));
  manager.python_batch_timeout_ms = settings.DurationMs("python.batch_timeout");
  manager.python_start_timeout_ms = settings.DurationMs("python.start_timeout");
  manager.native_libraries = settings.String("taskmanager.native_libraries");
  manager.cut_batches_seed = static_cast<std::uint64_t>(settings.Int("debug.cut_batches"));
  manager.pre_aggregates = settings.String("exchange.pre_aggregate") == "auto";
  manager.channel_credit_bytes = settings.Bytes("exchange.channel_credit");
  manager.channel_open_timeout_ms = settings.DurationMs("exchange.connect_timeout");
  manager.cancel_timeout_ms = settings.DurationMs("taskmanager.cancel_timeout");
  manager.contact_timeout_ms = settings.DurationMs("taskmanager.contact_timeout");
  manager.call_timeout_ms = settings.DurationMs("heartbeat.timeout");
  options.loops = static_cast<std::uint32_t>(settings.Int("taskmanager.loops"));
  options.exchange.incarnation = manager.incarnation.str();
  return options;
}

}  // namespace headrace::apps
