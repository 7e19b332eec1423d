#include "wire/grpc/task_manager_server.h"

#include <fmt/format.h>

#include <mutex>
#include <shared_mutex>
#include <utility>

#include "proto/deploy.grpc.pb.h"
#include "wire/grpc/plan_cache.h"
#include "wire/grpc/unary_answer.h"
#include "wire/plan_codec.h"
#include "wire/plan_message.h"
#include "wire/sha256.h"

namespace headrace::wire {
namespace {

/// The way to the handler, which a late fetch must not take once the server is gone. Calls hold the lock shared; they are short.
class HandlerDoor {
 public:
  explicit HandlerDoor(TaskManagerGateway* handler) : handler_(handler) {}
  void Deploy(LeaderToken leader, Incarnation target, plan::JobDeployment deployment, Reply<Nothing> reply) {
    std::shared_lock lock(mutex_);
    if (handler_ != nullptr) handler_->Deploy(std::move(leader), std::move(target), std::move(deployment), std::move(reply));
  }
  void Shut() {
    std::unique_lock lock(mutex_);
    handler_ = nullptr;
  }

 private:
  std::shared_mutex mutex_;
  TaskManagerGateway* handler_;  ///< guarded by mutex_; null once shut
};

/// One deploy call whose parts may have to be fetched. Shared by the fetches; the last one hands it on.
struct Assembly : std::enable_shared_from_this<Assembly> {
  std::shared_ptr<HandlerDoor> door;
  std::shared_ptr<PlanCache> plans;
  GrpcTaskManagerServer::FetchBlob fetch;
  LeaderToken leader;
  Incarnation target;
  proto::Payload plan, deployment;
  Reply<Nothing> reply;
  PlanCache::Plan decoded_plan;

  void Run() {
    decoded_plan = plans->Find(BlobIdFromRaw(plan.sha256()));
    if (decoded_plan != nullptr) return WithPlan();
    Load(&plan, [](Assembly* self) {
      Result<PlanCache::Plan> decoded = self->plans->Add(BlobIdFromRaw(self->plan.sha256()), self->plan.inline_content());
      if (!decoded.ok()) return self->Refuse(decoded.status());
      self->decoded_plan = std::move(*decoded);
      self->WithPlan();
    });
  }
  void WithPlan() {
    Load(&deployment, [](Assembly* self) {
      Result<plan::JobDeployment> decoded = DecodeJobDeployment(self->deployment.inline_content());
      if (!decoded.ok()) return self->Refuse(decoded.status());
      decoded->plan = self->decoded_plan;
      if (Status status = CheckFits(*decoded); !status.ok()) return self->Refuse(std::move(status));
      self->door->Deploy(std::move(self->leader), std::move(self->target), std::move(*decoded), std::move(self->reply));
    });
  }
  /// Calls `next` with the content in place, fetched and checked.
  void Load(proto::Payload* payload, void (*next)(Assembly*)) {
    const BlobId id = BlobIdFromRaw(payload->sha256());
    if (id.empty()) return Refuse(Error(ErrorCode::kBadRequest, "a part of the deployment has no sha256"));
    if (!payload->inline_content().empty() || payload->size_bytes() == 0) return Checked(payload, id, next);
    fetch(id, [self = shared_from_this(), payload, id, next](Outcome<std::string> content) {
      if (!content.done()) return self->Refuse(WithContext(content.reason(), "a part of the deployment could not be fetched"));
      payload->set_inline_content(content.TakeValue());
      self->Checked(payload, id, next);
    });
  }
  void Checked(proto::Payload* payload, const BlobId& id, void (*next)(Assembly*)) {
    if (BlobIdOf(payload->inline_content()) != id)
      return Refuse(Error(ErrorCode::kDeployFailed, "a part of the deployment does not fit its sha256"));
    next(this);
  }
  void Refuse(Status reason) { reply(Outcome<Nothing>::NotDone(std::move(reason))); }

  /// Indices that the handler uses without asking.
  static Status CheckFits(const plan::JobDeployment& deployment) {
    const plan::ExecutionPlan& plan = *deployment.plan;
    for (const plan::TaskDeployment& task : deployment.tasks) {
      if (task.attempt.vertex >= plan.vertices.size() || task.attempt.subtask >= plan.vertices[task.attempt.vertex].parallelism) {
        return Error(ErrorCode::kBadRequest,
                     fmt::format("the deployment names subtask {}, which is not in its plan", task.attempt.ToString()));
      }
      for (const auto* peers : {&task.inputs, &task.outputs}) {
        for (const plan::ChannelPeer& peer : *peers) {
          if (peer.channel.edge >= plan.edges.size())
            return Error(ErrorCode::kBadRequest, fmt::format("the deployment names edge {}, which is not in its plan", peer.channel.edge));
        }
      }
    }
    return Status::OK();
  }
};

class Service final : public proto::TaskManager::CallbackService {
 public:
  Service(TaskManagerGateway* handler, GrpcTaskManagerServer::FetchBlob fetch) : handler_(handler), fetch_(std::move(fetch)) {}
  OpenCalls* calls() { return calls_.get(); }
  void ShutDoor() { door_->Shut(); }

  grpc::ServerUnaryReactor* Deploy(grpc::CallbackServerContext* context, const proto::DeployRequest* request,
                                   proto::Ack* response) override {
    return Take(context, request, response, [&](LeaderToken leader, Incarnation target, Reply<Nothing> reply) {
      auto assembly = std::make_shared<Assembly>();
      assembly->door = door_;
      assembly->plans = plans_;
      assembly->fetch = fetch_;
      assembly->leader = std::move(leader);
      assembly->target = std::move(target);
      assembly->plan = request->plan();
      assembly->deployment = request->deployment();
      assembly->reply = std::move(reply);
      assembly->Run();
    });
  }

  grpc::ServerUnaryReactor* Cancel(grpc::CallbackServerContext* context, const proto::CancelRequest* request,
                                   proto::Ack* response) override {
    return Take(context, request, response, [&](LeaderToken leader, Incarnation target, Reply<Nothing> reply) {
      handler_->Cancel(std::move(leader), std::move(target), JobId(request->job()), request->up_to_deployment(), std::move(reply));
    });
  }

  grpc::ServerUnaryReactor* AddSplits(grpc::CallbackServerContext* context, const proto::AddSplitsRequest* request,
                                      proto::Ack* response) override {
    return Take(context, request, response, [&](LeaderToken leader, Incarnation target, Reply<Nothing> reply) {
      handler_->AddSplits(std::move(leader), std::move(target), FromMessage(request->attempt()), FromMessage(request->splits()),
                          std::move(reply));
    });
  }

  grpc::ServerUnaryReactor* Probe(grpc::CallbackServerContext* context, const proto::ProbeRequest* request, proto::Ack* response) override {
    return Take(context, request, response, [&](LeaderToken leader, Incarnation target, Reply<Nothing> reply) {
      handler_->Probe(std::move(leader), std::move(target), std::move(reply));
    });
  }

 private:
  template <typename Request, typename Call>
  grpc::ServerUnaryReactor* Take(grpc::CallbackServerContext* context, const Request* request, proto::Ack* response, Call call) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    Reply<Nothing> reply = AnswerUnary<Nothing>(calls(), reactor, response, [](const Nothing&, proto::Ack*) {});
    if (reply != nullptr) call(FromMessage(request->header().leader()), Incarnation(request->header().target()), std::move(reply));
    return reactor;
  }

  TaskManagerGateway* handler_;
  GrpcTaskManagerServer::FetchBlob fetch_;
  std::shared_ptr<HandlerDoor> door_ = std::make_shared<HandlerDoor>(handler_);
  std::shared_ptr<PlanCache> plans_ = std::make_shared<PlanCache>();
  std::shared_ptr<OpenCalls> calls_ = std::make_shared<OpenCalls>();
};

}  // namespace

struct GrpcTaskManagerServer::State {
  State(TaskManagerGateway* handler, FetchBlob fetch) : service(handler, std::move(fetch)) {}
  Service service;
  std::unique_ptr<grpc::Server> server;
  std::uint16_t port = 0;
};

Result<std::unique_ptr<GrpcTaskManagerServer>> GrpcTaskManagerServer::Start(const RpcServerOptions& options, TaskManagerGateway* handler,
                                                                            FetchBlob fetch) {
  auto state = std::make_unique<State>(handler, std::move(fetch));
  HR_ASSIGN_OR_RAISE(state->server, StartServer(options, &state->service, &state->port));
  return std::unique_ptr<GrpcTaskManagerServer>(new GrpcTaskManagerServer(std::move(state)));
}

GrpcTaskManagerServer::GrpcTaskManagerServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
GrpcTaskManagerServer::~GrpcTaskManagerServer() { Join(); }
std::uint16_t GrpcTaskManagerServer::port() const { return state_->port; }
void GrpcTaskManagerServer::RequestStop() { state_->service.calls()->Close(); }

void GrpcTaskManagerServer::Join() {
  RequestStop();
  if (state_->server == nullptr) return;
  StopServer(state_->server.get());
  state_->service.ShutDoor();
  state_->server.reset();
}

}  // namespace headrace::wire
