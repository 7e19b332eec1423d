#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "wire/gateways.h"
#include "wire/grpc/rpc_server_options.h"

namespace headrace::wire {

/// Port 6124: decodes what the JobManager asks and hands it to `handler`, which must post it elsewhere and return at once; its
/// methods are called on gRPC threads. Plans that did not fit into the call are fetched from the JobManager first and kept
/// decoded for the next deployments of the same plan. A reply that the handler drops is answered as unknown.
/// Stops in two phases: RequestStop() aborts open calls without blocking, Join() closes the port.
class GrpcTaskManagerServer {
 public:
  /// JobManagerGateway::FetchBlob of the gateway in use at the time; called on gRPC threads, must not block.
  using FetchBlob = std::function<void(BlobId id, Reply<std::string> reply)>;
  /// `handler` and what `fetch` refers to must outlive the server.
  static Result<std::unique_ptr<GrpcTaskManagerServer>> Start(const RpcServerOptions& options, TaskManagerGateway* handler,
                                                              FetchBlob fetch);
  ~GrpcTaskManagerServer();  ///< RequestStop() and Join()
  std::uint16_t port() const;
  void RequestStop();
  void Join();

 private:
  struct State;
  explicit GrpcTaskManagerServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace headrace::wire
