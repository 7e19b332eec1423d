#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "wire/blob_shelf.h"
#include "wire/gateways.h"
#include "wire/grpc/plan_packer.h"

namespace headrace::wire {

/// How long each call may take before its outcome is unknown.
struct TaskManagerDeadlines {
  std::chrono::milliseconds deploy{30'000};
  std::chrono::milliseconds cancel{40'000};  ///< a task may take 30 s to end
  std::chrono::milliseconds add_splits{10'000};
  std::chrono::milliseconds probe{2'000};
};

/// One TaskManager at one address, over gRPC. Calls may be made from any thread, replies run on gRPC threads (or at once when a
/// call cannot be sent). Destruction cancels what is under way and waits for its replies. Answers as TaskManagerGateway says;
/// a process that could not be reached at all without refusing is unknown(kTaskManagerLost): it may live behind a broken network.
class GrpcTaskManagerGateway final : public TaskManagerGateway {
 public:
  /// Large plans lie on `shelf` while a call needs them; the same shelf must be behind this JobManager's server. `packer` is
  /// shared with the other TaskManagers of the cluster.
  GrpcTaskManagerGateway(const std::string& host, std::uint16_t port, const TaskManagerId& id, std::shared_ptr<BlobShelf> shelf,
                         std::shared_ptr<PlanPacker> packer, TaskManagerDeadlines deadlines = {});
  ~GrpcTaskManagerGateway() override;
  void Deploy(LeaderToken leader, Incarnation target, plan::JobDeployment deployment, Reply<Nothing> reply) override;
  void Cancel(LeaderToken leader, Incarnation target, JobId job, DeploymentNumber up_to, Reply<Nothing> reply) override;
  void AddSplits(LeaderToken leader, Incarnation target, AttemptId attempt, plan::SourceAssignment splits, Reply<Nothing> reply) override;
  void Probe(LeaderToken leader, Incarnation target, Reply<Nothing> reply) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Makes GrpcTaskManagerGateways that share one shelf and one packer.
class GrpcTaskManagerConnector final : public TaskManagerConnector {
 public:
  explicit GrpcTaskManagerConnector(std::shared_ptr<BlobShelf> shelf, TaskManagerDeadlines deadlines = {})
      : shelf_(std::move(shelf)), deadlines_(deadlines) {}
  std::shared_ptr<TaskManagerGateway> Connect(const std::string& host, std::uint16_t rpc_port, const TaskManagerId& id) override;

 private:
  std::shared_ptr<BlobShelf> shelf_;
  std::shared_ptr<PlanPacker> packer_ = std::make_shared<PlanPacker>();
  TaskManagerDeadlines deadlines_;
};

}  // namespace headrace::wire
