#pragma once
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "columnar/value_column.h"
#include "columnar/value_encoding.h"
#include "data/python/tests/worker_support.h"
#include "data/taskmanager/task_manager_host.h"
#include "plan/execution_plan.h"
#include "plan/source_splits.h"

namespace headrace::data::taskmanager {

/// A JobManager that answers everything and lets a test wait for what it was told. Thread-safe.
class WaitableJobManager final : public wire::JobManagerGateway {
 public:
  void Register(wire::RegisterRequest, wire::Reply<wire::RegisterReply> reply) override {
    reply(Outcome<wire::RegisterReply>::Done({{1, Incarnation("jm")}, 1000, 5000}));
  }
  void Heartbeat(wire::HeartbeatRequest, wire::Reply<wire::HeartbeatReply> reply) override {
    reply(Outcome<wire::HeartbeatReply>::Done({{1, Incarnation("jm")}, true}));
  }
  void ReportTask(TaskManagerId, Incarnation, wire::TaskReport report, wire::Reply<Nothing> reply) override {
    {
      std::lock_guard lock(mutex_);
      states_[report.attempt] = report;
      changed_.notify_all();
    }
    reply(Outcome<Nothing>::Done({}));
  }
  void FetchBlob(BlobId, wire::Reply<std::string> reply) override {
    reply(Outcome<std::string>::NotDone(Error(ErrorCode::kNotFound, "none")));
  }
  /// Until `done(reports by attempt)` holds; false after 30 s.
  template <typename Predicate>
  bool WaitUntil(Predicate done) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return done(states_); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<AttemptId, wire::TaskReport> states_;
};

/// Two TaskManagers of two slots each with real loops, exchange and workers, and a word count over them.
class HostRig {
 public:
  explicit HostRig(int hosts = 2) {
    (void)python::TestPoolOptions();  // PYTHONPATH
    for (int i = 0; i < hosts; ++i) {
      TaskManagerHostOptions options;
      options.task_manager.id = TaskManagerId("tm" + std::to_string(i));
      options.task_manager.incarnation = Incarnation("inc" + std::to_string(i));
      options.task_manager.python_executable = python::TestPython();
      options.task_manager.work_dir = "/tmp/headrace-host-test-" + std::to_string(::getpid());
      options.exchange.task_manager = options.task_manager.id.str();
      options.exchange.incarnation = options.task_manager.incarnation.str();
      options.loops = 2;
      options.exit_when_stuck = false;
      options.on_collected = [this](const std::string&, const columnar::DataBatch& batch) { Collect(batch); };
      hosts_.push_back(TaskManagerHost::Make(std::move(options), {job_manager}, &metrics).ValueOrDie());
      hosts_.back()->Start(1, 1);
    }
  }
  plan::OperatorSpec Op(const std::string& name, plan::OperatorKind kind, const std::vector<std::string>& inputs) {
    plan::OperatorSpec spec;
    spec.uid = OperatorUid(name);
    spec.name = name;
    for (const auto& input : inputs) spec.inputs.push_back({OperatorUid(input), plan::Partitioning::kAuto});
    spec.location = {"job.py", 7, ""};
    spec.kind = std::move(kind);
    return spec;
  }
  plan::OperatorSpec Python(const std::string& name, python::Verb verb, const std::string& source, const std::string& input) {
    return Op(name, plan::PythonFunction{verb, python::PickledFunction(source), name}, {input});
  }
  /// lines → split → pair → word | count → out, at the given parallelism; `pair` may be replaced.
  std::shared_ptr<const plan::ExecutionPlan> WordCount(const std::vector<std::string>& lines, std::uint32_t parallelism,
                                                       const std::string& pair = "lambda w: (w, 1)") {
    std::string payload;
    columnar::ValueWriter writer(&payload);
    writer.ListHeader(lines.size());
    for (const auto& line : lines) writer.String(line);
    plan::JobGraph graph;
    graph.job_name = "word-count";
    graph.python_version = "3";
    graph.settings.parallelism = parallelism;
    graph.operators = {Op("lines", plan::SourceSpec{{"collection", {}, payload, true}}, {}),
                       Python("split", python::Verb::kFlatMap, "str.split", "lines"),
                       Python("pair", python::Verb::kMap, pair, "split"),
                       Python("word", python::Verb::kKeyBy, "lambda t: t[0]", "pair"),
                       Python("count", python::Verb::kReduce, "lambda a, b: (a[0], a[1] + b[1])", "word"),
                       Op("out", plan::SinkSpec{{"collection", {}, "", false}}, {"count"})};
    auto valid = plan::Validate(std::move(graph));
    EXPECT_TRUE(valid.ok()) << valid.status();
    return plan::Chain(*valid).ValueOrDie();
  }
  void Deploy(const std::shared_ptr<const plan::ExecutionPlan>& plan, DeploymentNumber number = 1) {
    std::vector<plan::JobDeployment> deployments(hosts_.size());
    for (auto& deployment : deployments) deployment = {job, number, plan, {}, {}};
    const auto host_of = [&](std::uint32_t subtask) { return subtask % hosts_.size(); };
    for (const auto& vertex : plan->vertices) {
      for (std::uint32_t subtask = 0; subtask < vertex.parallelism; ++subtask) {
        plan::TaskDeployment task;
        task.attempt = {job, number, vertex.index, subtask};
        task.slot = subtask / static_cast<std::uint32_t>(hosts_.size());
        for (const auto& edge : plan->edges) {
          for (const auto& channel : plan::ExpandEdge(*plan, edge)) {
            if (edge.producer == vertex.index && channel.producer_subtask == subtask)
              task.outputs.push_back({channel, Address(host_of(channel.consumer_subtask))});
            if (edge.consumer == vertex.index && channel.consumer_subtask == subtask)
              task.inputs.push_back({channel, Address(host_of(channel.producer_subtask))});
          }
        }
        if (vertex.operators[0].is_source() && subtask == 0) {
          task.sources.push_back({vertex.operators[0].uid,
                                  plan::PlanLocalSplits(std::get<plan::SourceSpec>(vertex.operators[0].kind).connector, 1).ValueOrDie(),
                                  false});
        }
        deployments[host_of(subtask)].tasks.push_back(std::move(task));
      }
    }
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      auto answer = std::make_shared<std::promise<Status>>();
      hosts_[i]->gateway().Deploy(leader, Incarnation("inc" + std::to_string(i)), deployments[i],
                                  [answer](Outcome<Nothing> outcome) { answer->set_value(outcome.reason()); });
      const Status status = answer->get_future().get();
      EXPECT_TRUE(status.ok()) << status;
    }
  }
  void Cancel(DeploymentNumber up_to = 1) {
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      auto answer = std::make_shared<std::promise<bool>>();
      hosts_[i]->gateway().Cancel(leader, Incarnation("inc" + std::to_string(i)), job, up_to,
                                  [answer](Outcome<Nothing> outcome) { answer->set_value(outcome.done()); });
      EXPECT_TRUE(answer->get_future().get());
    }
  }
  bool WaitForAll(wire::TaskState state, std::size_t tasks) {
    return job_manager->WaitUntil([&](const auto& states) {
      std::size_t reached = 0;
      for (const auto& [attempt, report] : states) reached += report.state == state ? 1 : 0;
      return reached == tasks;
    });
  }
  /// Until every task of a deployment runs or, for want of splits, has finished already.
  bool WaitForStarted(DeploymentNumber number, std::size_t tasks) {
    return job_manager->WaitUntil([&](const auto& states) {
      std::size_t started = 0;
      for (const auto& [attempt, report] : states) {
        started += attempt.deployment == number && (report.state == wire::TaskState::kRunning || report.state == wire::TaskState::kFinished)
                       ? 1
                       : 0;
      }
      return started == tasks;
    });
  }
  /// The last count of each word.
  std::map<std::string, std::int64_t> counts() {
    std::lock_guard lock(mutex_);
    return counts_;
  }
  std::vector<std::unique_ptr<TaskManagerHost>>& hosts() { return hosts_; }

  const JobId job{"0123456789abcdef0123456789abcdef"};
  const wire::LeaderToken leader{1, Incarnation("jm")};
  std::shared_ptr<WaitableJobManager> job_manager = std::make_shared<WaitableJobManager>();
  MetricsRegistry metrics;

 private:
  plan::ExchangeAddress Address(std::size_t host) {
    return {TaskManagerId("tm" + std::to_string(host)), Incarnation("inc" + std::to_string(host)), "127.0.0.1",
            hosts_[host]->exchange_port()};
  }
  void Collect(const columnar::DataBatch& batch) {
    auto reader = columnar::ValueRowReader::Make(batch).ValueOrDie();
    std::lock_guard lock(mutex_);
    for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
      std::string encoded;
      ASSERT_TRUE(reader.AppendRowEncoded(row, &encoded).ok());
      const auto value = columnar::DecodeValue(encoded).ValueOrDie();
      counts_[value.items.at(0).text] = value.items.at(1).integer;
    }
  }
  std::mutex mutex_;
  std::map<std::string, std::int64_t> counts_;
  std::vector<std::unique_ptr<TaskManagerHost>> hosts_;
};

}  // namespace headrace::data::taskmanager
