#pragma once
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "columnar/key_encoding.h"
#include "data/task/task.h"
#include "data/task/tests/fake_connectors.h"
#include "data/task/tests/fake_exchange.h"
#include "data/task/tests/fake_worker_pool.h"

namespace headrace::data::task {

/// Word count as an execution plan: lines → split → key_by | hash | count → sink.
inline std::shared_ptr<plan::ExecutionPlan> WordCountPlan(std::uint32_t parallelism, const std::string& first_function = "split") {
  using Verb = plan::PythonFunction::Verb;
  auto op = [&](const std::string& name, plan::OperatorKind kind) {
    plan::OperatorSpec spec;
    spec.uid = OperatorUid("uid-" + name);
    spec.name = name;
    spec.parallelism = parallelism;
    spec.kind = std::move(kind);
    return spec;
  };
  auto plan = std::make_shared<plan::ExecutionPlan>();
  plan->job_name = "word-count";
  plan->settings.parallelism = parallelism;
  plan->vertices.resize(2);
  plan->vertices[0] = {0,
                       "lines -> split -> word",
                       parallelism,
                       {op("lines", plan::SourceSpec{}), op(first_function, plan::PythonFunction{Verb::kFlatMap, "", first_function}),
                        op("self", plan::PythonFunction{Verb::kKeyBy, "", "self"})},
                       {},
                       {0}};
  plan->vertices[1] = {1,           "count -> counts",
                       parallelism, {op("count", plan::PythonFunction{Verb::kReduce, "", "count"}), op("counts", plan::SinkSpec{})},
                       {0},         {}};
  plan->edges.push_back({0, 0, 1, 0, plan::Partitioning::kHash, {}, {}});
  return plan;
}

/// Runs the plan on fakes with everything (slices, answers, batch cuts) in seeded order.
class WordCountRig {
 public:
  WordCountRig(std::uint64_t seed, std::uint32_t parallelism, std::vector<std::string> lines, const std::string& first_function = "split",
               bool endless = false, bool hold_channels = false)
      : random_(seed), pool_(&random_), loop_(&clock_, &random_, random_.Uniform(2) == 0), logs_(parallelism) {
    const auto plan = WordCountPlan(parallelism, first_function);
    exchange_.hold_channels = hold_channels;
    environment_.task_manager = "tm";
    environment_.pool = &pool_;
    environment_.metrics = &metrics_;
    environment_.reduce_trip_rows = 1 + static_cast<std::int64_t>(random_.Uniform(12));
    std::size_t next_sink = 0;
    environment_.connectors.source = [this, lines, endless](const plan::ConnectorSpec&) {
      return Result<std::unique_ptr<connector::SourceReader>>(std::make_unique<FakeSource>(lines, &random_, endless));
    };
    environment_.connectors.sink = [this, next_sink](const plan::ConnectorSpec&) mutable {
      return Result<std::unique_ptr<connector::SinkWriter>>(std::make_unique<FakeSink>(&logs_[next_sink++], &random_));
    };
    for (std::uint32_t vertex : {1u, 0u}) {
      for (std::uint32_t subtask = 0; subtask < parallelism; ++subtask) AddTask(plan, vertex, subtask);
    }
    for (auto& handle : handles_) loop_.Start(handle);
  }
  /// Until all tasks are done; fails the test when nothing can move any more.
  void RunToEnd() {
    while (loop_.num_tasks() > 0) ASSERT_TRUE(StepOnce()) << "stuck with " << loop_.num_tasks() << " tasks";
  }
  /// One random thing; false when nothing can happen.
  bool StepOnce() {
    if (random_.Uniform(3) == 0 && pool_.Deliver()) return true;
    return loop_.RunOne() || pool_.Deliver() || loop_.AdvanceToTimer();
  }
  Task& task(std::size_t index) { return *static_cast<Task*>(handles_[index]->task()); }
  std::size_t num_tasks() const { return handles_.size(); }
  std::map<std::string, std::int64_t> Counts() const {
    std::map<std::string, std::int64_t> all;
    for (const auto& log : logs_) {
      EXPECT_TRUE(log.order_ok);
      EXPECT_EQ(log.unflushed, 0);
      for (const auto& [key, count] : log.last) EXPECT_TRUE(all.emplace(key, count).second) << "a key in two subtasks";
    }
    return all;
  }
  FakeExchange& exchange() { return exchange_; }

 private:
  void AddTask(const std::shared_ptr<plan::ExecutionPlan>& plan, std::uint32_t vertex, std::uint32_t subtask) {
    auto handle = std::make_shared<TaskHandle>();
    TaskSpec spec;
    spec.plan = plan;
    spec.attempt = {JobId("job"), 1, vertex, subtask};
    auto vitals = std::make_shared<TaskVitals>();
    auto parts = BuildParts(spec, environment_, vitals.get(), handle.get()).ValueOrDie();
    Task::Channels channels;
    std::vector<std::shared_ptr<exchange::OutputChannel>> outputs;
    const std::uint32_t parallelism = plan->vertices[0].parallelism;
    for (std::uint32_t other = 0; other < parallelism; ++other) {
      // Small credit, so that tasks are blocked again and again.
      if (vertex == 1)
        channels.inputs.push_back({0, exchange_.RegisterInput({spec.attempt.job, 1, 0, other, subtask}, 64, handle.get()).ValueOrDie()});
      if (vertex == 0) outputs.push_back(exchange_.OpenOutput({spec.attempt.job, 1, 0, subtask, other}, {}, 0, handle.get()).ValueOrDie());
    }
    if (vertex == 0)
      channels.outputs.emplace_back(
          std::make_unique<FakeHashPartitioner>(parallelism, 128, 1 + static_cast<std::int64_t>(random_.Uniform(6))), std::move(outputs));
    handle->SetTask(
        std::make_unique<Task>(std::move(spec), std::move(parts), std::move(channels), std::move(vitals), handle.get(), &clock_, nullptr),
        nullptr);
    handles_.push_back(std::move(handle));
  }

  SeededRandom random_;
  ManualClock clock_;
  MetricsRegistry metrics_;
  FakeExchange exchange_;
  FakeWorkerPool pool_;
  TaskEnvironment environment_;
  std::vector<std::shared_ptr<TaskHandle>> handles_;
  ManualTaskLoop loop_;
  std::vector<FakeSinkLog> logs_;
};

/// Lines of random words and their true counts by encoded key.
struct WordCountInput {
  explicit WordCountInput(std::uint64_t seed) {
    SeededRandom random(seed);
    const auto count = random.Uniform(120);
    for (std::uint64_t i = 0; i < count; ++i) {
      std::string line;
      for (std::uint64_t words = random.Uniform(9); words > 0; --words) {
        const std::string word = "w" + std::to_string(random.Uniform(random.Uniform(30) + 1));
        line += (line.empty() ? "" : " ") + word;
        std::string key;
        columnar::AppendKeyString(word, &key);
        ++truth[key];
      }
      lines.push_back(line);
    }
  }
  std::vector<std::string> lines;
  std::map<std::string, std::int64_t> truth;
};

}  // namespace headrace::data::task
