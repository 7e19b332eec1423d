#include "wire/grpc/unary_answer.h"

#include <fmt/format.h>

#include <chrono>

#include "wire/grpc/channel_settings.h"

namespace headrace::wire {

Result<std::unique_ptr<grpc::Server>> StartServer(const RpcServerOptions& options, grpc::Service* service, std::uint16_t* port) {
  grpc::ServerBuilder builder;
  ConfigureServer(&builder);
  int selected = 0;
  const std::string address = JoinHostPort(options.bind, options.port);
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &selected);
  builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || selected == 0)
    return Error(ErrorCode::kBadSetting,
                 fmt::format("cannot listen on {}: the port is taken or the address is not one of this machine", address));
  *port = static_cast<std::uint16_t>(selected);
  return server;
}

void StopServer(grpc::Server* server) {
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
  server->Wait();
}

}  // namespace headrace::wire
