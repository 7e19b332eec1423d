#pragma once
#include <cstdint>
#include <memory>

#include "base/status.h"
#include "wire/blob_shelf.h"
#include "wire/gateways.h"
#include "wire/grpc/rpc_server_options.h"

namespace headrace::wire {

/// Port 6123: decodes what TaskManagers ask and hands it to `handler`, which must post it elsewhere and return at once; its
/// methods are called on gRPC threads. Blobs on `shelf` are handed out without asking the handler. A reply that the handler
/// drops is answered as unknown. Stops in two phases: RequestStop() aborts open calls without blocking, Join() closes the port.
class GrpcJobManagerServer {
 public:
  /// `handler` must outlive the server.
  static Result<std::unique_ptr<GrpcJobManagerServer>> Start(const RpcServerOptions& options, JobManagerGateway* handler,
                                                             std::shared_ptr<BlobShelf> shelf);
  ~GrpcJobManagerServer();  ///< RequestStop() and Join()
  std::uint16_t port() const;
  void RequestStop();
  void Join();

 private:
  struct State;
  explicit GrpcJobManagerServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace headrace::wire
