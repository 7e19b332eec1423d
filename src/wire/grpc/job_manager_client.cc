#include "wire/grpc/job_manager_client.h"

#include <fmt/format.h>

#include <utility>

#include "proto/cluster.grpc.pb.h"
#include "wire/grpc/unary_call.h"
#include "wire/sha256.h"

namespace headrace::wire {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kRegisterDeadline{5'000}, kHeartbeatDeadline{3'000}, kReportDeadline{5'000}, kBlobDeadline{60'000};

/// Collects the chunks of one blob. Owns itself until its reply has run.
class BlobReader final : public grpc::ClientReadReactor<proto::BlobChunk> {
 public:
  BlobReader(std::shared_ptr<ClientCalls> calls, CallTarget target, BlobId id, Reply<std::string> reply)
      : calls_(std::move(calls)), target_(std::move(target)), id_(std::move(id)), reply_(std::move(reply)) {}

  void Start(proto::JobManager::Stub* stub) {
    if (!calls_->Add(&context_)) {
      reply_(Outcome<std::string>::NotDone(Error(target_.lost, "the connection to " + target_.who + " was closed on this side")));
      delete this;
      return;
    }
    request_.set_sha256(RawOf(id_));
    context_.set_deadline(std::chrono::system_clock::now() + kBlobDeadline);
    stub->async()->FetchBlob(&context_, &request_, this);
    StartRead(&chunk_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (chunk_.has_refusal()) {
      failure_ = FromMessage(chunk_.refusal());
    } else if (content_.size() + chunk_.content().size() > kMaxBlobBytes || chunk_.total_bytes() > kMaxBlobBytes) {
      failure_ = Error(ErrorCode::kTooLarge, fmt::format("blob {} has more than {} bytes", id_.str(), kMaxBlobBytes));
      context_.TryCancel();
    } else {
      if (content_.empty()) content_.reserve(chunk_.total_bytes());
      content_ += chunk_.content();
    }
    StartRead(&chunk_);
  }

  void OnDone(const grpc::Status& status) override {
    {
      ClientCalls::Finishing finishing(calls_, &context_);
      reply_(Answer(status));
    }
    delete this;
  }

 private:
  // Fetching has no effect: nothing about it is ever unknown.
  Outcome<std::string> Answer(const grpc::Status& status) {
    if (!failure_.ok()) return Outcome<std::string>::NotDone(failure_);
    if (!status.ok()) return Outcome<std::string>::NotDone(FailedOutcome<std::string>(target_, status).reason());
    if (BlobIdOf(content_) != id_)
      return Outcome<std::string>::NotDone(Error(target_.lost, fmt::format("blob {} came damaged from {}", id_.str(), target_.who)));
    return Outcome<std::string>::Done(std::move(content_));
  }

  std::shared_ptr<ClientCalls> calls_;
  CallTarget target_;
  BlobId id_;
  Reply<std::string> reply_;
  grpc::ClientContext context_;
  proto::FetchBlobRequest request_;
  proto::BlobChunk chunk_;
  std::string content_;
  Status failure_;
};

}  // namespace

struct GrpcJobManagerGateway::State {
  CallTarget target;
  std::unique_ptr<proto::JobManager::Stub> stub;
  std::shared_ptr<ClientCalls> calls = std::make_shared<ClientCalls>();

  template <typename Request, typename Response, typename T>
  std::shared_ptr<UnaryCall<Request, Response, T>> NewCall(Reply<T> reply, std::function<T(const Response&)> decode) const {
    auto call = std::make_shared<UnaryCall<Request, Response, T>>();
    call->target = target;
    call->reply = std::move(reply);
    call->decode = std::move(decode);
    return call;
  }
};

GrpcJobManagerGateway::GrpcJobManagerGateway(const std::string& host, std::uint16_t port) : state_(std::make_unique<State>()) {
  state_->target = {"the JobManager at " + JoinHostPort(host, port), ErrorCode::kNotReady, true};
  state_->stub = proto::JobManager::NewStub(MakeChannel(host, port));
}

GrpcJobManagerGateway::~GrpcJobManagerGateway() { state_->calls->Close(); }

void GrpcJobManagerGateway::Register(RegisterRequest request, Reply<RegisterReply> reply) {
  auto call = state_->NewCall<proto::RegisterRequest, proto::RegisterReply, RegisterReply>(
      std::move(reply), [](const proto::RegisterReply& message) { return FromMessage(message); });
  ToMessage(request, &call->request);
  StartUnary(state_->calls, kRegisterDeadline, std::move(call),
             [stub = state_->stub.get()](auto... arguments) { stub->async()->Register(arguments...); });
}

void GrpcJobManagerGateway::Heartbeat(HeartbeatRequest request, Reply<HeartbeatReply> reply) {
  auto call = state_->NewCall<proto::HeartbeatRequest, proto::HeartbeatReply, HeartbeatReply>(
      std::move(reply), [](const proto::HeartbeatReply& message) { return FromMessage(message); });
  ToMessage(request, &call->request);
  StartUnary(state_->calls, kHeartbeatDeadline, std::move(call),
             [stub = state_->stub.get()](auto... arguments) { stub->async()->Heartbeat(arguments...); });
}

void GrpcJobManagerGateway::ReportTask(TaskManagerId from, Incarnation incarnation, TaskReport report, Reply<Nothing> reply) {
  auto call = state_->NewCall<proto::ReportTaskRequest, proto::Ack, Nothing>(std::move(reply), [](const proto::Ack&) { return Nothing{}; });
  ToMessage(from, incarnation, report, &call->request);
  StartUnary(state_->calls, kReportDeadline, std::move(call),
             [stub = state_->stub.get()](auto... arguments) { stub->async()->ReportTask(arguments...); });
}

void GrpcJobManagerGateway::FetchBlob(BlobId id, Reply<std::string> reply) {
  (new BlobReader(state_->calls, state_->target, std::move(id), std::move(reply)))->Start(state_->stub.get());
}

}  // namespace headrace::wire
