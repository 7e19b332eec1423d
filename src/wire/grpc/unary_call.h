#pragma once
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/outcome.h"
#include "wire/cluster_message.h"
#include "wire/gateways.h"
#include "wire/grpc/channel_settings.h"
#include "wire/grpc/client_calls.h"

namespace headrace::wire {

// For the sources of wire/grpc only.

/// Whom a client talks to and how it names failures to reach it.
struct CallTarget {
  std::string who;  ///< "the TaskManager tm1 at 10.0.0.1:6124"
  ErrorCode lost = ErrorCode::kNotReady;
  bool unsent_is_not_done = true;  ///< whether a call that reached nobody counts as not done without a refused connection
};

/// What became of a call that gRPC did not carry to its end.
template <typename T>
Outcome<T> FailedOutcome(const CallTarget& target, const grpc::Status& status) {
  const TransportFailure failure = ClassifyFailure(status);
  if (failure == TransportFailure::kNotUnderstood)
    return Outcome<T>::NotDone(DescribeFailure(failure, status, ErrorCode::kBadRequest, target.who));
  const bool not_done = failure == TransportFailure::kRefused || (failure == TransportFailure::kUnsent && target.unsent_is_not_done);
  return RefusedOutcome<T>(DescribeFailure(failure, status, target.lost, target.who), !not_done);
}

/// One unary call under way. Owns itself until its reply has run.
template <typename Request, typename Response, typename T>
struct UnaryCall {
  grpc::ClientContext context;
  Request request;
  Response response;
  CallTarget target;
  Reply<T> reply;
  std::function<T(const Response&)> decode;
  std::shared_ptr<void> keep;  ///< lives as long as the call

  void Finish(const grpc::Status& status) {
    if (!status.ok()) return reply(FailedOutcome<T>(target, status));
    if (response.has_refusal()) return reply(RefusedOutcome<T>(FromMessage(response.refusal()), response.refusal().unknown()));
    reply(Outcome<T>::Done(decode(response)));
  }
};

/// Sends `call`: `start(context, request, response, done)` is one method of the stub's asynchronous side. The reply runs on a
/// gRPC thread, or here when nothing is sent.
template <typename Start, typename Request, typename Response, typename T>
void StartUnary(const std::shared_ptr<ClientCalls>& calls, std::chrono::milliseconds deadline,
                std::shared_ptr<UnaryCall<Request, Response, T>> call, Start start) {
  if (const std::size_t size = call->request.ByteSizeLong(); size > kMaxMessageBytes) {
    return call->reply(
        Outcome<T>::NotDone(Error(ErrorCode::kTooLarge, "a control message of " + std::to_string(size) + " bytes is above the limit of " +
                                                            std::to_string(kMaxMessageBytes))));
  }
  if (!calls->Add(&call->context))
    return call->reply(Outcome<T>::NotDone(Error(call->target.lost, "the connection to " + call->target.who + " was closed on this side")));
  call->context.set_deadline(std::chrono::system_clock::now() + deadline);
  auto* raw = call.get();
  std::function<void(grpc::Status)> done = [calls, call = std::move(call)](grpc::Status status) {
    ClientCalls::Finishing finishing(calls, &call->context);
    call->Finish(status);
  };
  start(&raw->context, &raw->request, &raw->response, std::move(done));
}

}  // namespace headrace::wire
