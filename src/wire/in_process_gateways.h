#pragma once
#include <memory>

#include "wire/gateways.h"

namespace headrace {
class Executor;
}

namespace headrace::wire {

/// The way between two sides of one process: a call runs on the other side's executor, its answer on the caller's. Used by
/// the embedded mode and the simulator. Does not own the executors; both must outlive it and every call under way.
/// When the other side is gone the call is not done (connection refused); when it goes with the call queued, unknown.
class InProcessJobManagerGateway final : public JobManagerGateway {
 public:
  InProcessJobManagerGateway(std::weak_ptr<JobManagerGateway> target, Executor* target_executor, Executor* caller_executor);
  void Register(RegisterRequest request, Reply<RegisterReply> reply) override;
  void Heartbeat(HeartbeatRequest request, Reply<HeartbeatReply> reply) override;
  void ReportTask(TaskManagerId from, Incarnation incarnation, TaskReport report, Reply<Nothing> reply) override;
  void FetchBlob(BlobId id, Reply<std::string> reply) override;

 private:
  std::weak_ptr<JobManagerGateway> target_;
  Executor* target_executor_;
  Executor* caller_executor_;
};

/// The other direction, under the same rules.
class InProcessTaskManagerGateway final : public TaskManagerGateway {
 public:
  InProcessTaskManagerGateway(std::weak_ptr<TaskManagerGateway> target, Executor* target_executor, Executor* caller_executor);
  void Deploy(LeaderToken leader, Incarnation target, plan::JobDeployment deployment, Reply<Nothing> reply) override;
  void Cancel(LeaderToken leader, Incarnation target, JobId job, DeploymentNumber up_to, Reply<Nothing> reply) override;
  void AddSplits(LeaderToken leader, Incarnation target, AttemptId attempt, plan::SourceAssignment splits, Reply<Nothing> reply) override;
  void Probe(LeaderToken leader, Incarnation target, Reply<Nothing> reply) override;

 private:
  std::weak_ptr<TaskManagerGateway> target_;
  Executor* target_executor_;
  Executor* caller_executor_;
};

}  // namespace headrace::wire
