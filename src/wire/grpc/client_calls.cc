#include "wire/grpc/client_calls.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

namespace headrace::wire {
namespace {

/// The gateway whose reply this thread runs now.
thread_local const ClientCalls* current = nullptr;

}  // namespace

TransportFailure ClassifyFailure(const grpc::Status& status) {
  const std::string& text = status.error_message();
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) return TransportFailure::kNotUnderstood;
  // gRPC tells by its text alone that a call never got a connection: every other failure may have come after sending.
  // The library's own retries are off, so that a call that was sent once is never looked for a connection again.
  if (status.error_code() != grpc::StatusCode::UNAVAILABLE) return TransportFailure::kNoAnswer;
  if (text.starts_with("failed to connect to all addresses")) {
    return text.find("Connection refused") != std::string::npos ? TransportFailure::kRefused : TransportFailure::kUnsent;
  }
  return text.starts_with("DNS resolution failed") ? TransportFailure::kUnsent : TransportFailure::kNoAnswer;
}

Status DescribeFailure(TransportFailure failure, const grpc::Status& status, ErrorCode code, const std::string& who) {
  switch (failure) {
    case TransportFailure::kRefused:
      return Error(code, fmt::format("{} refuses connections", who));
    case TransportFailure::kUnsent:
      return Error(code, fmt::format("{} cannot be reached: {}", who, status.error_message()));
    case TransportFailure::kNoAnswer:
      return Error(code, fmt::format("{} did not answer: {}", who, status.error_message()));
    case TransportFailure::kNotUnderstood:
      return Error(code, fmt::format("{} does not know this call, so it runs another version: {}", who, status.error_message()));
  }
  return Error(code, who);
}

bool ClientCalls::Add(grpc::ClientContext* context) {
  std::lock_guard lock(mutex_);
  if (!closed_) open_.insert(context);
  return !closed_;
}

void ClientCalls::Close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  for (grpc::ClientContext* context : open_) context->TryCancel();
  const bool inside = current == this;
  if (!inside) drained_.wait(lock, [this] { return open_.empty(); });
}

ClientCalls::Finishing::Finishing(std::shared_ptr<ClientCalls> calls, grpc::ClientContext* context)
    : calls_(std::move(calls)), context_(context), outer_(current) {
  current = calls_.get();
}

ClientCalls::Finishing::~Finishing() {
  current = outer_;
  std::lock_guard lock(calls_->mutex_);
  calls_->open_.erase(context_);
  calls_->drained_.notify_all();
}

}  // namespace headrace::wire
