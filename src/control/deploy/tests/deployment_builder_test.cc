#include "control/deploy/deployment_builder.h"

#include <gtest/gtest.h>

#include <set>

namespace headrace::control::deploy {
namespace {

using cluster::ProcessKey;

/// source(2) -> sink(3), all to all, over two processes.
DeploymentInput TwoVertices() {
  plan::JobGraph graph;
  graph.job_name = "j";
  plan::OperatorSpec source;
  source.uid = OperatorUid("source");
  source.name = "numbers";
  source.parallelism = 2;
  source.kind = plan::SourceSpec{{"generator", {}, "", false}};
  plan::OperatorSpec sink;
  sink.uid = OperatorUid("sink");
  sink.name = "out";
  sink.parallelism = 3;
  sink.inputs = {{source.uid, plan::Partitioning::kRebalance}};
  sink.kind = plan::SinkSpec{{"blackhole", {}, "", false}};
  graph.operators = {source, sink};
  DeploymentInput input;
  input.job = JobId("j");
  input.deployment = 7;
  input.plan = *plan::Chain(*plan::Validate(graph));
  const ProcessKey a{TaskManagerId("a"), Incarnation("a1")}, b{TaskManagerId("b"), Incarnation("b1")};
  input.slots = {{a, 0}, {b, 3}, {a, 1}};
  input.addresses[a] = {a.id, a.incarnation, "host-a", 1};
  input.addresses[b] = {b.id, b.incarnation, "host-b", 2};
  input.sources[source.uid] = {{{"s-0", "0"}, {"s-1", "1"}, {"s-2", "2"}}, true};
  return input;
}

TEST(DeploymentBuilder, EverySubtaskOnceWithItsSlot) {
  const auto deployments = BuildDeployments(TwoVertices());
  ASSERT_EQ(deployments.size(), 2u);
  std::set<AttemptId> attempts;
  for (const auto& [process, deployment] : deployments) {
    EXPECT_EQ(deployment.deployment, 7u);
    for (const plan::TaskDeployment& task : deployment.tasks) {
      EXPECT_TRUE(attempts.insert(task.attempt).second);
      EXPECT_EQ(process.id.str(), task.attempt.subtask == 1 ? "b" : "a");
      EXPECT_EQ(task.slot, (std::vector<std::uint32_t>{0, 3, 1})[task.attempt.subtask]) << "all vertices share the slot";
    }
  }
  EXPECT_EQ(attempts.size(), 5u);
}

TEST(DeploymentBuilder, BothEndsOfEveryChannelKnowEachOther) {
  const DeploymentInput input = TwoVertices();
  std::map<plan::ChannelRef, std::string> consumers, producers;
  for (const auto& [process, deployment] : BuildDeployments(input)) {
    for (const plan::TaskDeployment& task : deployment.tasks) {
      for (const plan::ChannelPeer& peer : task.inputs) {
        EXPECT_EQ(peer.channel.consumer_subtask, task.attempt.subtask);
        producers[peer.channel] = peer.peer.host;
      }
      for (const plan::ChannelPeer& peer : task.outputs) {
        EXPECT_EQ(peer.channel.producer_subtask, task.attempt.subtask);
        consumers[peer.channel] = peer.peer.host;
      }
    }
  }
  ASSERT_EQ(producers.size(), 6u);
  ASSERT_EQ(consumers.size(), 6u);
  for (const auto& [channel, host] : consumers) EXPECT_EQ(host, channel.consumer_subtask == 1 ? "host-b" : "host-a");
  for (const auto& [channel, host] : producers) EXPECT_EQ(host, channel.producer_subtask == 1 ? "host-b" : "host-a");
}

TEST(DeploymentBuilder, EverySplitGoesToOneSubtask) {
  std::map<std::uint32_t, std::vector<std::string>> splits;
  for (const auto& [process, deployment] : BuildDeployments(TwoVertices())) {
    for (const plan::TaskDeployment& task : deployment.tasks) {
      for (const plan::SourceAssignment& source : task.sources) {
        EXPECT_TRUE(source.more_may_come);
        for (const plan::SourceSplit& split : source.splits) splits[task.attempt.subtask].push_back(split.id);
      }
    }
  }
  EXPECT_EQ(splits, (std::map<std::uint32_t, std::vector<std::string>>{{0, {"s-0", "s-2"}}, {1, {"s-1"}}}));
}

TEST(DeploymentBuilder, SourceWithoutSplitsStillHearsOfItsSource) {
  DeploymentInput input = TwoVertices();
  input.sources[OperatorUid("source")].splits.clear();
  std::size_t assignments = 0;
  for (const auto& [process, deployment] : BuildDeployments(input)) {
    for (const plan::TaskDeployment& task : deployment.tasks) assignments += task.sources.size();
  }
  EXPECT_EQ(assignments, 2u);
}

}  // namespace
}  // namespace headrace::control::deploy
