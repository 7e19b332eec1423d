#include "apps/task_manager.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "apps/advertise_host.h"
#include "apps/banner.h"
#include "apps/host_port.h"
#include "apps/python_executable.h"
#include "apps/task_manager_options.h"
#include "base/logging.h"
#include "kafka/client_settings.h"
#include "net/metrics_server.h"
#include "wire/grpc/job_manager_client.h"
#include "wire/grpc/task_manager_server.h"

namespace headrace::apps {
namespace {

/// The folder must be writable before anything is promised to the JobManager.
Status MakeWorkFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    return Error(ErrorCode::kBadSetting, fmt::format("the state folder {} cannot be made: {}", path, error.message()),
                 "Set STATE_DIR to a folder that this user may write.");
  if (access(path.c_str(), W_OK | X_OK) != 0)
    return Error(ErrorCode::kBadSetting, fmt::format("the state folder {} cannot be written: {}", path, std::strerror(errno)),
                 "Set STATE_DIR to a folder that this user may write.");
  return Status::OK();
}

Status Run(const Settings& settings, SignalWaiter* signals) {
  const auto hosts = settings.List("jobmanager.host");
  if (hosts.empty())
    return Error(ErrorCode::kBadSetting, "JOBMANAGER_HOST is not set: this TaskManager does not know where to register",
                 "Set JOBMANAGER_HOST=host or host:port; several are separated by commas.");
  HR_RETURN_NOT_OK(MakeWorkFolder(settings.Path("state.dir")));
  kafka::SetDefaultBootstrapServers(settings.String("kafka.bootstrap_servers"));
  MetricsRegistry metrics;
  const std::string bind = BindAddress(settings, "0.0.0.0");
  std::vector<HostPort> addresses;
  for (const auto& text : hosts) {
    HR_ASSIGN_OR_RAISE(HostPort address, ParseHostPort("jobmanager.host", text, settings.Port("jobmanager.rpc_port")));
    addresses.push_back(std::move(address));
  }
  auto options = TaskManagerOptionsFrom(settings, PythonVersionOf(PythonExecutable(settings)));
  const std::string id = settings.String("taskmanager.id").empty() ? HostName() : settings.String("taskmanager.id");
  options.task_manager.id = TaskManagerId(id);
  options.task_manager.advertise_host = AdvertiseHost(settings, bind, addresses.front().host, addresses.front().port);
  options.exchange.task_manager = id;
  options.exchange.bind_host = bind;
  options.exchange.port = settings.Port("taskmanager.exchange_port");
  std::vector<std::shared_ptr<wire::JobManagerGateway>> job_managers;
  for (const auto& address : addresses) job_managers.push_back(std::make_shared<wire::GrpcJobManagerGateway>(address.host, address.port));
  const std::string python = options.task_manager.python_version.empty()
                                 ? fmt::format("none: {} has no headrace package", options.task_manager.python_executable)
                                 : fmt::format("{} ({})", options.task_manager.python_version, options.task_manager.python_executable);
  const std::uint32_t slots = options.task_manager.slots;
  HR_ASSIGN_OR_RAISE(auto host, data::taskmanager::TaskManagerHost::Make(std::move(options), std::move(job_managers), &metrics));
  auto fetch = [host = host.get()](BlobId blob, wire::Reply<std::string> reply) { host->FetchBlob(std::move(blob), std::move(reply)); };
  HR_ASSIGN_OR_RAISE(auto rpc, wire::GrpcTaskManagerServer::Start({bind, settings.Port("taskmanager.rpc_port")}, &host->gateway(), fetch));
  HR_ASSIGN_OR_RAISE(auto metrics_server, net::StartMetricsServer(bind, settings.Port("metrics.port"), &metrics));
  host->Start(rpc->port(), metrics_server->port());
  PrintBanner("taskmanager " + id,
              {{"jobmanager", fmt::format("{}", fmt::join(hosts, ", "))},
               {"slots", std::to_string(slots)},
               {"rpc", fmt::format("{}:{}", bind, rpc->port())},
               {"exchange", fmt::format("{}:{}", bind, host->exchange_port())},
               {"metrics", fmt::format("{}:{}/metrics", bind, metrics_server->port())},
               {"python", python},
               {"security", "workers: own process, cleared environment; RPC without a cluster secret"}},
              settings);
  signals->Wait();
  LogInfo("headrace", "stopping; running tasks are cancelled");
  signals->ReleaseSignals();
  host->RequestStop();
  host->Join();
  rpc->RequestStop();
  metrics_server->RequestStop();
  rpc->Join();
  metrics_server->Join();
  return Status::OK();
}

}  // namespace

ExitCode RunTaskManager(const Settings& settings, SignalWaiter* signals) {
  ConfigureProcess(settings);
  return PrintFailureOrOk(Run(settings, signals));
}

}  // namespace headrace::apps
