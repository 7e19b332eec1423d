#include "apps/job_manager.h"

#include <fmt/core.h>
#include <cstdio>

#include "apps/advertise_host.h"
#include "apps/banner.h"
#include "apps/control_plane.h"
#include "apps/version.h"
#include "base/logging.h"
#include "control/rest/rest_server.h"
#include "net/metrics_server.h"
#include "wire/blob_shelf.h"
#include "wire/grpc/job_manager_server.h"
#include "wire/grpc/task_manager_client.h"

namespace headrace::apps {
namespace {

/// A token is shown once, to the person who started the process; it never goes to a log file.
void ShowNewToken(const std::string& token) {
  if (token.empty()) return;
  std::fprintf(stderr,
               "\n  Admin token of the REST interface (shown once; kept hashed):\n    %s\n  Use it as: curl -H 'Authorization: Bearer "
               "TOKEN' …, or HEADRACE_REST__TOKEN for the headrace command.\n\n",
               token.c_str());
}

Status Run(const Settings& settings, SignalWaiter* signals) {
  MetricsRegistry metrics;
  SystemRandom random;
  const std::string bind = BindAddress(settings, "0.0.0.0");
  const std::string address = AdvertiseHost(settings, bind, settings.String("postgres.host"), settings.Port("postgres.port"));
  auto shelf = std::make_shared<wire::BlobShelf>();
  wire::GrpcTaskManagerConnector connector(shelf);

  ControlPlane::Options options;
  options.address = fmt::format("{}:{}", address, settings.Port("rest.port"));
  options.connector = &connector;
  HR_ASSIGN_OR_RAISE(auto plane, ControlPlane::Make(settings, options, &metrics));
  HR_ASSIGN_OR_RAISE(auto rpc,
                     wire::GrpcJobManagerServer::Start({bind, settings.Port("jobmanager.rpc_port")}, plane->gateway().get(), shelf));
  control::rest::RestContext rest_context;
  rest_context.dispatcher = plane->dispatcher();
  rest_context.metrics = &metrics;
  rest_context.settings = &settings;
  rest_context.random = &random;
  rest_context.bind = bind;
  rest_context.version = kVersion;
  HR_ASSIGN_OR_RAISE(auto rest, control::rest::RestServer::Start(rest_context));
  HR_ASSIGN_OR_RAISE(auto metrics_server, net::StartMetricsServer(bind, settings.Port("metrics.port"), &metrics));
  plane->Start();

  PrintBanner("jobmanager",
              {{"rest", fmt::format("http://{}:{} ({})", address, rest->port(), rest->security())},
               {"rpc", fmt::format("{}:{}", bind, rpc->port())},
               {"metrics", fmt::format("{}:{}/metrics", bind, metrics_server->port())},
               {"metadata", plane->store_description()},
               {"role", "single JobManager: takes the lead"},
               {"security", "RPC without a cluster secret: keep the ports inside a trusted network"}},
              settings);
  ShowNewToken(rest->new_token());
  signals->Wait();
  LogInfo("headrace", "stopping; jobs go on on their TaskManagers until they miss the heartbeat");
  signals->ReleaseSignals();
  rest->RequestStop();
  rpc->RequestStop();
  metrics_server->RequestStop();
  rest->Join();
  rpc->Join();
  metrics_server->Join();
  plane->Stop();
  return Status::OK();
}

}  // namespace

ExitCode RunJobManager(const Settings& settings, SignalWaiter* signals) {
  ConfigureProcess(settings);
  return PrintFailureOrOk(Run(settings, signals));
}

}  // namespace headrace::apps
