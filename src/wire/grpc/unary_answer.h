#pragma once
#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <utility>

#include "base/outcome.h"
#include "wire/cluster_message.h"
#include "wire/gateways.h"
#include "wire/grpc/open_calls.h"
#include "wire/grpc/rpc_server_options.h"

namespace headrace::wire {

// For the sources of wire/grpc only.

inline grpc::Status Stopping() {
  return {grpc::StatusCode::UNAVAILABLE, "the call was dropped, because the process or the part it was for is stopping"};
}

/// The reply of a unary call: writes the outcome into `response` and lets it go. Empty when the server is stopping, in which
/// case the call is answered already. `encode(value, response)` writes what is done.
template <typename T, typename Response, typename Encode>
Reply<T> AnswerUnary(OpenCalls* calls, grpc::ServerUnaryReactor* reactor, Response* response, Encode encode) {
  std::shared_ptr<OpenCall> call = calls->Open([reactor] { reactor->Finish(Stopping()); });
  if (call == nullptr) return nullptr;
  return [call, reactor, response, encode = std::move(encode)](Outcome<T> outcome) {
    if (!call->Claim()) return;
    if (outcome.done()) {
      encode(outcome.value(), response);
    } else {
      ToMessage(outcome.reason(), outcome.unknown(), response->mutable_refusal());
    }
    reactor->Finish(grpc::Status::OK);
  };
}

/// Starts a server of one service and tells its port. kBadSetting when the address cannot be bound.
Result<std::unique_ptr<grpc::Server>> StartServer(const RpcServerOptions& options, grpc::Service* service, std::uint16_t* port);
/// Closes the port and cancels what gRPC still carries. Blocks until no method runs.
void StopServer(grpc::Server* server);

}  // namespace headrace::wire
