#include "wire/grpc/job_manager_server.h"

#include <algorithm>
#include <utility>

#include "proto/cluster.grpc.pb.h"
#include "wire/grpc/channel_settings.h"
#include "wire/grpc/unary_answer.h"
#include "wire/sha256.h"

namespace headrace::wire {
namespace {

/// Writes one blob in chunks. Owned by gRPC from the moment it is returned: OnDone() ends it.
class BlobWriter final : public grpc::ServerWriteReactor<proto::BlobChunk> {
 public:
  /// Called once, by whoever claimed the call.
  void Begin(BlobShelf::Content content) {
    content_ = std::move(content);
    chunk_.set_total_bytes(content_->size());
    WriteNext();
  }
  void Refuse(const Status& reason, bool unknown) {
    ToMessage(reason, unknown, chunk_.mutable_refusal());
    StartWriteAndFinish(&chunk_, grpc::WriteOptions(), grpc::Status::OK);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(Stopping());
    if (at_ == content_->size()) return Finish(grpc::Status::OK);
    chunk_.Clear();
    WriteNext();
  }
  void OnDone() override { delete this; }

 private:
  void WriteNext() {
    const std::size_t size = std::min(kBlobChunkBytes, content_->size() - at_);
    chunk_.set_content(content_->substr(at_, size));
    at_ += size;
    StartWrite(&chunk_);
  }

  BlobShelf::Content content_;
  std::size_t at_ = 0;
  proto::BlobChunk chunk_;
};

class Service final : public proto::JobManager::CallbackService {
 public:
  Service(JobManagerGateway* handler, std::shared_ptr<BlobShelf> shelf) : handler_(handler), shelf_(std::move(shelf)) {}
  OpenCalls* calls() { return calls_.get(); }

  grpc::ServerUnaryReactor* Register(grpc::CallbackServerContext* context, const proto::RegisterRequest* request,
                                     proto::RegisterReply* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    auto reply = AnswerUnary<RegisterReply>(calls(), reactor, response,
                                            [](const RegisterReply& value, proto::RegisterReply* out) { ToMessage(value, out); });
    if (reply == nullptr) return reactor;
    Result<RegisterRequest> decoded = FromMessage(*request);
    if (!decoded.ok())
      reply(Outcome<RegisterReply>::NotDone(decoded.status()));
    else
      handler_->Register(std::move(*decoded), std::move(reply));
    return reactor;
  }

  grpc::ServerUnaryReactor* Heartbeat(grpc::CallbackServerContext* context, const proto::HeartbeatRequest* request,
                                      proto::HeartbeatReply* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    auto reply = AnswerUnary<HeartbeatReply>(calls(), reactor, response,
                                             [](const HeartbeatReply& value, proto::HeartbeatReply* out) { ToMessage(value, out); });
    if (reply == nullptr) return reactor;
    Result<HeartbeatRequest> decoded = FromMessage(*request);
    if (!decoded.ok())
      reply(Outcome<HeartbeatReply>::NotDone(decoded.status()));
    else
      handler_->Heartbeat(std::move(*decoded), std::move(reply));
    return reactor;
  }

  grpc::ServerUnaryReactor* ReportTask(grpc::CallbackServerContext* context, const proto::ReportTaskRequest* request,
                                       proto::Ack* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    auto reply = AnswerUnary<Nothing>(calls(), reactor, response, [](const Nothing&, proto::Ack*) {});
    if (reply == nullptr) return reactor;
    Result<TaskReport> decoded = FromMessage(*request);
    if (!decoded.ok())
      reply(Outcome<Nothing>::NotDone(decoded.status()));
    else
      handler_->ReportTask(TaskManagerId(request->id()), Incarnation(request->incarnation()), std::move(*decoded), std::move(reply));
    return reactor;
  }

  grpc::ServerWriteReactor<proto::BlobChunk>* FetchBlob(grpc::CallbackServerContext*, const proto::FetchBlobRequest* request) override {
    auto* writer = new BlobWriter;
    const BlobId id = BlobIdFromRaw(request->sha256());
    std::shared_ptr<OpenCall> call = calls()->Open([writer] { writer->Finish(Stopping()); });
    if (call == nullptr) return writer;
    if (BlobShelf::Content kept = shelf_->Find(id)) {
      if (call->Claim()) writer->Begin(std::move(kept));
      return writer;
    }
    handler_->FetchBlob(id, [call, writer](Outcome<std::string> outcome) {
      if (!call->Claim()) return;
      if (outcome.done())
        writer->Begin(std::make_shared<const std::string>(outcome.TakeValue()));
      else
        writer->Refuse(outcome.reason(), outcome.unknown());
    });
    return writer;
  }

 private:
  JobManagerGateway* handler_;
  std::shared_ptr<BlobShelf> shelf_;
  std::shared_ptr<OpenCalls> calls_ = std::make_shared<OpenCalls>();
};

}  // namespace

struct GrpcJobManagerServer::State {
  State(JobManagerGateway* handler, std::shared_ptr<BlobShelf> shelf) : service(handler, std::move(shelf)) {}
  Service service;
  std::unique_ptr<grpc::Server> server;
  std::uint16_t port = 0;
};

Result<std::unique_ptr<GrpcJobManagerServer>> GrpcJobManagerServer::Start(const RpcServerOptions& options, JobManagerGateway* handler,
                                                                          std::shared_ptr<BlobShelf> shelf) {
  auto state = std::make_unique<State>(handler, std::move(shelf));
  HR_ASSIGN_OR_RAISE(state->server, StartServer(options, &state->service, &state->port));
  return std::unique_ptr<GrpcJobManagerServer>(new GrpcJobManagerServer(std::move(state)));
}

GrpcJobManagerServer::GrpcJobManagerServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
GrpcJobManagerServer::~GrpcJobManagerServer() { Join(); }
std::uint16_t GrpcJobManagerServer::port() const { return state_->port; }
void GrpcJobManagerServer::RequestStop() { state_->service.calls()->Close(); }

void GrpcJobManagerServer::Join() {
  RequestStop();
  if (state_->server == nullptr) return;
  StopServer(state_->server.get());
  state_->server.reset();
}

}  // namespace headrace::wire
