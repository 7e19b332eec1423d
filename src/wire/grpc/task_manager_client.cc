#include "wire/grpc/task_manager_client.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "proto/deploy.grpc.pb.h"
#include "wire/grpc/unary_call.h"
#include "wire/plan_codec.h"
#include "wire/plan_message.h"
#include "wire/sha256.h"

namespace headrace::wire {
namespace {

template <typename Request>
using Call = UnaryCall<Request, proto::Ack, Nothing>;

/// Puts the bytes into the message when they are few and onto the shelf otherwise; the handle keeps them, there or alone, so
/// that the packer finds them for the next TaskManager.
std::shared_ptr<void> Put(PlanPacker::Packed packed, BlobShelf* shelf, proto::Payload* payload) {
  payload->set_sha256(RawOf(packed.id));
  payload->set_size_bytes(packed.bytes->size());
  if (packed.bytes->size() > kMaxInlineBytes) return shelf->Keep(packed.id, std::move(packed.bytes));
  payload->set_inline_content(*packed.bytes);
  return std::const_pointer_cast<std::string>(std::move(packed.bytes));
}

std::shared_ptr<void> Put(std::string bytes, BlobShelf* shelf, proto::Payload* payload) {
  const BlobId id = BlobIdOf(bytes);
  return Put({id, std::make_shared<const std::string>(std::move(bytes))}, shelf, payload);
}

}  // namespace

struct GrpcTaskManagerGateway::State {
  CallTarget target;
  std::unique_ptr<proto::TaskManager::Stub> stub;
  std::shared_ptr<BlobShelf> shelf;
  std::shared_ptr<PlanPacker> packer;
  TaskManagerDeadlines deadlines;
  std::shared_ptr<ClientCalls> calls = std::make_shared<ClientCalls>();

  template <typename Request>
  std::shared_ptr<Call<Request>> NewCall(const LeaderToken& leader, const Incarnation& incarnation, Reply<Nothing> reply) const {
    auto call = std::make_shared<Call<Request>>();
    call->target = target;
    call->reply = std::move(reply);
    call->decode = [](const proto::Ack&) { return Nothing{}; };
    ToMessage(leader, call->request.mutable_header()->mutable_leader());
    call->request.mutable_header()->set_target(incarnation.str());
    return call;
  }
};

GrpcTaskManagerGateway::GrpcTaskManagerGateway(const std::string& host, std::uint16_t port, const TaskManagerId& id,
                                               std::shared_ptr<BlobShelf> shelf, std::shared_ptr<PlanPacker> packer,
                                               TaskManagerDeadlines deadlines)
    : state_(std::make_unique<State>()) {
  state_->target = {fmt::format("TaskManager {} at {}", id.str(), JoinHostPort(host, port)), ErrorCode::kTaskManagerLost, false};
  state_->stub = proto::TaskManager::NewStub(MakeChannel(host, port));
  state_->shelf = std::move(shelf);
  state_->packer = std::move(packer);
  state_->deadlines = deadlines;
}

GrpcTaskManagerGateway::~GrpcTaskManagerGateway() { state_->calls->Close(); }

void GrpcTaskManagerGateway::Deploy(LeaderToken leader, Incarnation target, plan::JobDeployment deployment, Reply<Nothing> reply) {
  HR_CHECK(deployment.plan != nullptr, "a deployment without a plan");
  auto call = state_->NewCall<proto::DeployRequest>(leader, target, std::move(reply));
  auto plan = Put(state_->packer->Pack(deployment.plan), state_->shelf.get(), call->request.mutable_plan());
  auto body = Put(EncodeJobDeployment(deployment), state_->shelf.get(), call->request.mutable_deployment());
  call->keep = std::make_shared<std::vector<std::shared_ptr<void>>>(std::vector<std::shared_ptr<void>>{std::move(plan), std::move(body)});
  StartUnary(state_->calls, state_->deadlines.deploy, std::move(call),
             [stub = state_->stub.get()](auto... arguments) { stub->async()->Deploy(arguments...); });
}

void GrpcTaskManagerGateway::Cancel(LeaderToken leader, Incarnation target, JobId job, DeploymentNumber up_to, Reply<Nothing> reply) {
  auto call = state_->NewCall<proto::CancelRequest>(leader, target, std::move(reply));
  call->request.set_job(job.str());
  call->request.set_up_to_deployment(up_to);
  StartUnary(state_->calls, state_->deadlines.cancel, std::move(call),
             [stub = state_->stub.get()](auto... arguments) { stub->async()->Cancel(arguments...); });
}

void GrpcTaskManagerGateway::AddSplits(LeaderToken leader, Incarnation target, AttemptId attempt, plan::SourceAssignment splits,
                                       Reply<Nothing> reply) {
  auto call = state_->NewCall<proto::AddSplitsRequest>(leader, target, std::move(reply));
  ToMessage(attempt, call->request.mutable_attempt());
  ToMessage(splits, call->request.mutable_splits());
  StartUnary(state_->calls, state_->deadlines.add_splits, std::move(call),
             [stub = state_->stub.get()](auto... arguments) { stub->async()->AddSplits(arguments...); });
}

void GrpcTaskManagerGateway::Probe(LeaderToken leader, Incarnation target, Reply<Nothing> reply) {
  StartUnary(state_->calls, state_->deadlines.probe, state_->NewCall<proto::ProbeRequest>(leader, target, std::move(reply)),
             [stub = state_->stub.get()](auto... arguments) { stub->async()->Probe(arguments...); });
}

std::shared_ptr<TaskManagerGateway> GrpcTaskManagerConnector::Connect(const std::string& host, std::uint16_t rpc_port,
                                                                      const TaskManagerId& id) {
  return std::make_shared<GrpcTaskManagerGateway>(host, rpc_port, id, shelf_, packer_, deadlines_);
}

}  // namespace headrace::wire
