#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "control/job/split_planner.h"
#include "plan/job_graph.h"
#include "wire/gateways.h"

namespace headrace::control::job {

/// TaskManagers whose tasks run at once. All of them live on one executor; calls may come from any thread.
class FakeCluster final : public wire::TaskManagerConnector {
 public:
  explicit FakeCluster(Executor* executor) : executor_(executor) {}
  /// After the dispatcher exists.
  void Attach(std::shared_ptr<wire::JobManagerGateway> job_manager) { job_manager_ = std::move(job_manager); }

  void Start(const std::string& id, std::uint32_t slots, const std::string& python_version = "3.11") {
    executor_->Post([this, id, slots, python_version] {
      wire::RegisterRequest& request = processes_[id];
      request.id = TaskManagerId(id);
      request.incarnation = Incarnation(id + "#1");
      request.host = id;
      request.slots = slots;
      request.python_version = python_version;
      Register(id);
      Beat(id);
    });
  }

  /// Every task of one TaskManager fails by its own doing.
  void FailTasks(const std::string& id) {
    executor_->Post([this, id] {
      wire::TaskFailure failure;
      failure.code = static_cast<int>(ErrorCode::kPythonRaised);
      failure.message = "the function raised";
      for (auto& [attempt, state] : tasks_[id]) {
        state = wire::TaskState::kFailed;
        job_manager_->ReportTask(TaskManagerId(id), Incarnation(id + "#1"), {attempt, state, failure}, [](Outcome<Nothing>) {});
      }
    });
  }

  std::shared_ptr<wire::TaskManagerGateway> Connect(const std::string& host, std::uint16_t, const TaskManagerId&) override {
    return std::make_shared<Gateway>(this, host);
  }

 private:
  class Gateway final : public wire::TaskManagerGateway {
   public:
    Gateway(FakeCluster* cluster, std::string id) : cluster_(cluster), id_(std::move(id)) {}
    void Deploy(wire::LeaderToken, Incarnation target, plan::JobDeployment deployment, wire::Reply<Nothing> reply) override {
      cluster_->executor_->Post([cluster = cluster_, id = id_, target, deployment = std::move(deployment), reply = std::move(reply)] {
        for (const plan::TaskDeployment& task : deployment.tasks) {
          cluster->tasks_[id][task.attempt] = wire::TaskState::kRunning;
          cluster->job_manager_->ReportTask(TaskManagerId(id), target, {task.attempt, wire::TaskState::kRunning, {}},
                                            [](Outcome<Nothing>) {});
        }
        reply(Outcome<Nothing>::Done({}));
      });
    }
    void Cancel(wire::LeaderToken, Incarnation, JobId job, DeploymentNumber up_to, wire::Reply<Nothing> reply) override {
      cluster_->executor_->Post([cluster = cluster_, id = id_, job, up_to, reply = std::move(reply)] {
        std::erase_if(cluster->tasks_[id], [&](const auto& e) { return e.first.job == job && e.first.deployment <= up_to; });
        reply(Outcome<Nothing>::Done({}));
      });
    }
    void AddSplits(wire::LeaderToken, Incarnation, AttemptId, plan::SourceAssignment, wire::Reply<Nothing> reply) override {
      cluster_->executor_->Post([reply = std::move(reply)] { reply(Outcome<Nothing>::Done({})); });
    }
    void Probe(wire::LeaderToken, Incarnation, wire::Reply<Nothing> reply) override {
      cluster_->executor_->Post([reply = std::move(reply)] { reply(Outcome<Nothing>::Done({})); });
    }

   private:
    FakeCluster* const cluster_;
    const std::string id_;
  };

  /// Until it is taken: the JobManager may not lead yet.
  void Register(const std::string& id) {
    job_manager_->Register(processes_[id], [this, id](Outcome<wire::RegisterReply> outcome) {
      if (!outcome.done()) executor_->PostAfter(std::chrono::milliseconds(10), [this, id] { Register(id); });
    });
  }

  void Beat(const std::string& id) {
    wire::HeartbeatRequest request;
    request.id = TaskManagerId(id);
    request.incarnation = Incarnation(id + "#1");
    request.sequence = ++sequence_;
    for (const auto& [attempt, state] : tasks_[id]) request.tasks.push_back({attempt, state, {}});
    job_manager_->Heartbeat(request, [this, id](Outcome<wire::HeartbeatReply> outcome) {
      if (outcome.done() && !outcome.value().known) executor_->Post([this, id] { Register(id); });
    });
    executor_->PostAfter(std::chrono::milliseconds(500), [this, id] { Beat(id); });
  }

  Executor* const executor_;
  std::shared_ptr<wire::JobManagerGateway> job_manager_;
  std::map<std::string, wire::RegisterRequest> processes_;
  std::map<std::string, std::map<AttemptId, wire::TaskState>> tasks_;
  std::uint64_t sequence_ = 0;
};

/// Answers what a test wants.
class FakePlanner final : public SplitPlanner {
 public:
  explicit FakePlanner(Executor* executor) : executor_(executor) {}
  void PlanSplits(const plan::OperatorSpec&, SplitsAnswer answer) override {
    ++asked;
    executor_->Post([answer, outcome = source_answer] { answer(outcome); });
  }
  void FindNewSplits(const plan::OperatorSpec&, const std::vector<plan::SourceSplit>&, SplitsAnswer answer) override {
    executor_->Post([answer] { answer(Outcome<std::vector<plan::SourceSplit>>::Done({})); });
  }
  std::int64_t DiscoveryIntervalMs(const plan::OperatorSpec&) const override { return 0; }
  void CheckSink(const plan::OperatorSpec&, std::function<void(Outcome<Nothing>)> answer) override {
    executor_->Post([answer, outcome = sink_answer] { answer(outcome); });
  }
  Outcome<std::vector<plan::SourceSplit>> source_answer = Outcome<std::vector<plan::SourceSplit>>::Done({{"s-0", "{}"}});
  Outcome<Nothing> sink_answer = Outcome<Nothing>::Done({});
  int asked = 0;

 private:
  Executor* const executor_;
};

/// A graph of a source and a sink; kafka when asked for.
inline plan::JobGraph SourceAndSink(std::uint32_t parallelism, bool kafka = false) {
  plan::JobGraph graph;
  graph.job_name = "numbers";
  graph.settings.parallelism = parallelism;
  plan::OperatorSpec source;
  source.uid = OperatorUid("source");
  source.name = "numbers";
  source.kind = plan::SourceSpec{{"generator", {}, "", false}};
  plan::OperatorSpec sink;
  sink.uid = OperatorUid("sink");
  sink.name = "out";
  sink.inputs = {{source.uid, plan::Partitioning::kRebalance}};
  sink.kind = plan::SinkSpec{{"blackhole", {}, "", false}};
  if (kafka)
    sink.kind = plan::SinkSpec{{"kafka", {{"topic", "counts"}, {"bootstrap_servers", "k:9092"}, {"delivery", "exactly_once"}}, "", false}};
  graph.operators = {source, sink};
  return graph;
}

}  // namespace headrace::control::job
