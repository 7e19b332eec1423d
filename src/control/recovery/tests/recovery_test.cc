#include <gtest/gtest.h>

#include <chrono>

#include "base/random.h"
#include "control/recovery/failover_region.h"
#include "control/recovery/restart_strategy.h"

namespace headrace::control::recovery {
namespace {

using namespace std::chrono_literals;
using Kind = plan::RestartSettings::Kind;

TEST(RestartStrategy, DefaultBacksOffFromOneSecondToOneMinute) {
  SeededRandom random(7);
  RestartStrategy strategy({}, &random);
  Duration expected = 1s;
  for (int i = 0; i < 12; ++i) {
    const auto delay = strategy.OnTaskFailure();
    ASSERT_TRUE(delay.has_value());
    EXPECT_GE(*delay, std::min<Duration>(expected, 60s));
    EXPECT_LE(*delay, std::min<Duration>(expected * 6 / 5, 60s));
    if (expected < 60s) expected *= 2;
  }
}

TEST(RestartStrategy, HealthStartsTheBackoffOver) {
  SeededRandom random(7);
  RestartStrategy strategy({}, &random);
  for (int i = 0; i < 5; ++i) strategy.OnTaskFailure();
  strategy.OnHealthy();
  EXPECT_LE(*strategy.OnTaskFailure(), 1200ms);
}

TEST(RestartStrategy, FixedDelayEndsAfterItsAttempts) {
  SeededRandom random(7);
  RestartStrategy strategy({Kind::kFixedDelay, 2, 300, 0, 0}, &random);
  EXPECT_EQ(strategy.OnTaskFailure(), Duration(300ms));
  strategy.OnHealthy();  // attempts are for the whole life
  EXPECT_EQ(strategy.OnTaskFailure(), Duration(300ms));
  EXPECT_TRUE(strategy.exhausted());
  EXPECT_EQ(strategy.OnTaskFailure(), std::nullopt);
}

TEST(RestartStrategy, NoneNeverRestarts) {
  SeededRandom random(7);
  RestartStrategy strategy({Kind::kNone, 0, 0, 0, 0}, &random);
  EXPECT_FALSE(strategy.restarts());
  EXPECT_EQ(strategy.OnTaskFailure(), std::nullopt);
}

TEST(RestartStrategy, HugeSettingsDoNotOverflow) {
  SeededRandom random(7);
  RestartStrategy strategy({Kind::kExponential, 0, 0, ~0ull, ~0ull}, &random);
  for (int i = 0; i < 100; ++i) EXPECT_GT(*strategy.OnTaskFailure(), Duration(0));
}

plan::ExecutionPlan PlanOf(std::uint32_t vertices, std::vector<std::pair<std::uint32_t, std::uint32_t>> edges) {
  plan::ExecutionPlan plan;
  for (std::uint32_t i = 0; i < vertices; ++i) {
    plan::ExecutionVertex vertex;
    vertex.index = i;
    plan.vertices.push_back(vertex);
  }
  for (const auto& [from, to] : edges) {
    plan::ExecutionEdge edge;
    edge.id = static_cast<std::uint32_t>(plan.edges.size());
    edge.producer = from;
    edge.consumer = to;
    plan.edges.push_back(edge);
  }
  return plan;
}

TEST(FailoverRegion, GoesUpAndDownTheStream) {
  const auto plan = PlanOf(6, {{0, 2}, {1, 2}, {2, 3}, {4, 5}});
  EXPECT_EQ(FailoverRegion(plan, 3), (std::set<VertexIndex>{0, 1, 2, 3}));
  EXPECT_EQ(FailoverRegion(plan, 1), (std::set<VertexIndex>{0, 1, 2, 3})) << "its sibling input restarts with it";
  EXPECT_EQ(FailoverRegion(plan, 5), (std::set<VertexIndex>{4, 5})) << "an unconnected part is left alone";
}

}  // namespace
}  // namespace headrace::control::recovery
