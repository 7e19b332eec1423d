#pragma once
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/task/tests/word_count_rig.h"
#include "data/taskmanager/task_manager.h"

namespace headrace::data::taskmanager {

/// A JobManager that a test plays: notes what it is told and answers as it is told to.
class FakeJobManager final : public wire::JobManagerGateway {
 public:
  enum class Mode { kAnswer, kSilent, kRefuse, kUnknownProcess };
  void Register(wire::RegisterRequest request, wire::Reply<wire::RegisterReply> reply) override {
    registrations.push_back(std::move(request));
    if (mode == Mode::kSilent) return;
    if (mode == Mode::kRefuse) return reply(Outcome<wire::RegisterReply>::NotDone(Error(ErrorCode::kNotReady, "a follower")));
    reply(Outcome<wire::RegisterReply>::Done({leader, 1000, 5000}));
  }
  void Heartbeat(wire::HeartbeatRequest request, wire::Reply<wire::HeartbeatReply> reply) override {
    heartbeats.push_back(std::move(request));
    if (mode == Mode::kSilent) return;
    if (mode == Mode::kRefuse) return reply(Outcome<wire::HeartbeatReply>::NotDone(Error(ErrorCode::kDeposed, "deposed")));
    reply(Outcome<wire::HeartbeatReply>::Done({leader, mode != Mode::kUnknownProcess}));
  }
  void ReportTask(TaskManagerId, Incarnation, wire::TaskReport report, wire::Reply<Nothing> reply) override {
    reports.push_back(std::move(report));
    if (drop_reports > 0) {
      --drop_reports;
      return reply(Outcome<Nothing>::Unknown(Error(ErrorCode::kNotReady, "lost")));
    }
    if (mode == Mode::kAnswer) reply(Outcome<Nothing>::Done({}));
  }
  void FetchBlob(BlobId id, wire::Reply<std::string> reply) override {
    ++fetches;
    if (hold_fetches) {
      held_fetches.push_back(std::move(reply));
      return;
    }
    const auto found = blobs.find(id);
    reply(found != blobs.end() ? Outcome<std::string>::Done(found->second)
                               : Outcome<std::string>::NotDone(Error(ErrorCode::kNotFound, "no such blob")));
  }
  /// Gives every fetch that was held nothing but an empty blob.
  void AnswerFetches() {
    for (auto& reply : std::exchange(held_fetches, {})) reply(Outcome<std::string>::Done(""));
  }
  /// Reports of one attempt in the order in which they came, without repetition.
  std::vector<wire::TaskState> StatesOf(const AttemptId& attempt) const {
    std::vector<wire::TaskState> states;
    for (const auto& report : reports) {
      if (report.attempt == attempt && (states.empty() || states.back() != report.state)) states.push_back(report.state);
    }
    return states;
  }

  Mode mode = Mode::kAnswer;
  wire::LeaderToken leader{1, Incarnation("jm-1")};
  int drop_reports = 0, fetches = 0;
  bool hold_fetches = false;
  std::vector<wire::Reply<std::string>> held_fetches;
  std::vector<wire::RegisterRequest> registrations;
  std::vector<wire::HeartbeatRequest> heartbeats;
  std::vector<wire::TaskReport> reports;
  std::map<BlobId, std::string> blobs;
};

/// A TaskManager on one thread: manual executors, a manual loop, fakes for exchange, workers and connectors.
class TaskManagerRig {
 public:
  explicit TaskManagerRig(std::uint64_t seed = 1, int job_managers = 1)
      : random_(seed), executor_(&clock_), blocking_(&clock_), loop_(&clock_, &random_) {
    options_.id = TaskManagerId("tm");
    options_.incarnation = Incarnation("inc");
    options_.work_dir = testing::TempDir() + "/headrace-tm-test-" + std::to_string(::getpid());
    for (int i = 0; i < job_managers; ++i) job_managers_.push_back(std::make_shared<FakeJobManager>());
    parts_.executor = &executor_;
    parts_.blocking = &blocking_;
    parts_.random = &random_;
    parts_.exchange = &exchange_;
    parts_.runners = {&loop_};
    parts_.job_managers.assign(job_managers_.begin(), job_managers_.end());
    parts_.metrics = &metrics_;
    parts_.connectors.source = [this](const plan::ConnectorSpec&) {
      return Result<std::unique_ptr<connector::SourceReader>>(std::make_unique<task::FakeSource>(lines, &random_, endless));
    };
    parts_.connectors.sink = [this](const plan::ConnectorSpec&) {
      logs_.emplace_back();
      return Result<std::unique_ptr<connector::SinkWriter>>(std::make_unique<task::FakeSink>(&logs_.back(), &random_));
    };
    parts_.start_pool = [this](const python::WorkerPoolOptions& options) -> Result<std::unique_ptr<python::WorkerPool>> {
      if (!pool_failure.ok()) return pool_failure;
      sys_path = options.sys_path;
      auto pool = std::make_unique<CountedPool>(&random_, this);
      pool_ = pool.get();
      return pool;
    };
    parts_.make_partitioner = [](const exchange::PartitionerOptions& options) {
      return Result<std::unique_ptr<exchange::Partitioner>>(
          std::make_unique<task::FakeHashPartitioner>(options.channels, options.max_parallelism, 3));
    };
    parts_.end_process = [this](const std::string& why) { ended_because = why; };
    manager = std::make_unique<TaskManager>(options_, parts_);
    manager->Start();
  }

  plan::JobDeployment WordCount(DeploymentNumber number, std::uint32_t parallelism = 2, const std::string& function = "split") {
    plan::JobDeployment deployment;
    deployment.job = JobId("job");
    deployment.deployment = number;
    auto plan = task::WordCountPlan(parallelism, function);
    plan->has_python = true;
    deployment.plan = plan;
    for (std::uint32_t vertex = 0; vertex < 2; ++vertex) {
      for (std::uint32_t subtask = 0; subtask < parallelism; ++subtask) {
        plan::TaskDeployment task;
        task.attempt = {deployment.job, number, vertex, subtask};
        task.slot = subtask;
        for (std::uint32_t other = 0; other < parallelism; ++other) {
          if (vertex == 0) task.outputs.push_back({{0, subtask, other}, {}});
          if (vertex == 1) task.inputs.push_back({{0, other, subtask}, {}});
        }
        deployment.tasks.push_back(std::move(task));
      }
    }
    return deployment;
  }
  /// Deploys and gives the place where the answer will be.
  std::shared_ptr<std::optional<Status>> Deploy(plan::JobDeployment deployment, wire::LeaderToken leader = {1, Incarnation("jm-1")},
                                                Incarnation target = Incarnation("inc")) {
    auto answer = std::make_shared<std::optional<Status>>();
    manager->Deploy(leader, target, std::move(deployment), Into(answer));
    return answer;
  }
  std::shared_ptr<std::optional<Status>> Cancel(DeploymentNumber up_to, wire::LeaderToken leader = {1, Incarnation("jm-1")}) {
    auto answer = std::make_shared<std::optional<Status>>();
    manager->Cancel(leader, Incarnation("inc"), JobId("job"), up_to, Into(answer));
    return answer;
  }
  static wire::Reply<Nothing> Into(const std::shared_ptr<std::optional<Status>>& answer) {
    return [answer](Outcome<Nothing> outcome) {
      EXPECT_FALSE(answer->has_value()) << "answered twice";
      *answer = outcome.done() ? Status::OK() : outcome.reason();
    };
  }
  /// Everything that can happen without time passing.
  void Settle() {
    while (executor_.RunOne() || blocking_.RunOne() || loop_.RunOne() || (pool_ != nullptr && pool_->Deliver())) {
    }
  }
  void RunFor(Duration span) {
    const auto end = clock_.Now() + span;
    for (;;) {
      Settle();
      if (std::min({executor_.next_timer(), blocking_.next_timer(), end}) >= end && clock_.Now() >= end) return;
      clock_.Advance(std::chrono::milliseconds(1));
    }
  }
  FakeJobManager& job_manager(std::size_t i = 0) { return *job_managers_[i]; }
  std::map<std::string, std::int64_t> Counts() const {
    std::map<std::string, std::int64_t> all;
    for (const auto& log : logs_) {
      for (const auto& [key, count] : log.last) all[key] = count;
    }
    return all;
  }
  std::size_t tasks() const { return loop_.num_tasks(); }
  std::size_t channels() const { return exchange_.num_channels(); }

  std::vector<std::string> lines;
  bool endless = false;
  Status pool_failure;
  std::vector<std::string> sys_path;
  std::string ended_because;
  int pools_alive = 0;

 private:
  struct CountedPool final : python::WorkerPool {
    CountedPool(Random* random, TaskManagerRig* rig) : inner(random), rig_(rig) { ++rig_->pools_alive; }
    ~CountedPool() override {
      --rig_->pools_alive;
      if (rig_->pool_ == this) rig_->pool_ = nullptr;
    }
    Result<std::unique_ptr<python::Stage>> LoadStage(const python::StageSpec& spec, std::uint32_t slot, Waker* waker) override {
      return inner.LoadStage(spec, slot, waker);
    }
    std::vector<int> pids() const override { return {1}; }
    void RequestStop() override {}
    void Join() override {}
    bool Deliver() { return inner.Deliver(); }
    task::FakeWorkerPool inner;
    TaskManagerRig* rig_;
  };

  SeededRandom random_;
  ManualClock clock_;
  ManualExecutor executor_, blocking_;
  MetricsRegistry metrics_;
  task::FakeExchange exchange_;
  task::ManualTaskLoop loop_;
  TaskManagerOptions options_;
  TaskManagerParts parts_;
  std::vector<std::shared_ptr<FakeJobManager>> job_managers_;
  std::deque<task::FakeSinkLog> logs_;
  CountedPool* pool_ = nullptr;

 public:
  std::unique_ptr<TaskManager> manager;
};

}  // namespace headrace::data::taskmanager
