#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/random.h"
#include "plan/execution_plan.h"

namespace headrace::plan {
namespace {

constexpr int kSeeds = 3000;

OperatorKind RandomKind(SeededRandom& random, std::uint64_t position, std::uint64_t count) {
  const std::uint64_t pick = position == 0 ? 0 : position + 1 == count ? 1 : random.Uniform(9);
  switch (pick) {
    case 0:
      return SourceSpec{{"generator", {{"count", std::to_string(random.Uniform(3))}}, "", false}};
    case 1:
      return SinkSpec{{"print", {}, "", false}};
    case 2:
    case 3:
      return UnionSpec{};
    default:
      return PythonFunction{static_cast<PythonFunction::Verb>(pick - 4), "x", "f"};
  }
}

/// Mostly sensible graphs with now and then something wrong in them.
JobGraph RandomGraph(SeededRandom& random) {
  JobGraph graph;
  graph.job_name = "random";
  graph.settings.parallelism = static_cast<std::uint32_t>(random.Uniform(6));
  graph.settings.max_parallelism = random.Uniform(10) == 0 ? 2 : 16;
  const std::uint64_t count = 2 + random.Uniform(12);
  for (std::uint64_t i = 0; i < count; ++i) {
    OperatorSpec spec;
    spec.uid = OperatorUid("u" + std::to_string(random.Uniform(40) == 0 ? random.Uniform(count) : i));
    spec.name = spec.uid.str();
    spec.kind = RandomKind(random, i, count);
    if (random.Uniform(4) == 0) spec.parallelism = static_cast<std::uint32_t>(1 + random.Uniform(5));
    std::uint64_t inputs = spec.is_source() ? 0 : std::holds_alternative<UnionSpec>(spec.kind) ? 1 + random.Uniform(4) : 1;
    if (random.Uniform(60) == 0) inputs = random.Uniform(3);
    for (std::uint64_t k = 0; k < inputs; ++k) {
      const std::uint64_t from = random.Uniform(60) == 0 ? random.Uniform(count + 1) : random.Uniform(std::max<std::uint64_t>(i, 1));
      spec.inputs.push_back({OperatorUid("u" + std::to_string(from)),
                             random.Uniform(6) == 0 ? static_cast<Partitioning>(random.Uniform(5)) : Partitioning::kAuto});
    }
    graph.operators.push_back(std::move(spec));
  }
  // Streams that end nowhere get a sink, so that a good part of the graphs is valid.
  std::vector<OperatorSpec> sinks;
  for (const OperatorSpec& spec : graph.operators) {
    const bool used = std::any_of(graph.operators.begin(), graph.operators.end(), [&](const OperatorSpec& other) {
      return std::any_of(other.inputs.begin(), other.inputs.end(), [&](const InputEdge& input) { return input.uid == spec.uid; });
    });
    if (used || spec.is_sink() || random.Uniform(30) == 0) continue;
    OperatorSpec sink;
    sink.uid = OperatorUid("sink_" + spec.uid.str());
    sink.kind = SinkSpec{{"blackhole", {}, "", false}};
    sink.inputs = {{spec.uid, Partitioning::kAuto}};
    sinks.push_back(std::move(sink));
  }
  for (OperatorSpec& sink : sinks) graph.operators.push_back(std::move(sink));
  return graph;
}

void CheckChannels(const ExecutionPlan& plan, const ExecutionEdge& edge) {
  const std::vector<ChannelRef> channels = ExpandEdge(plan, edge);
  const std::uint32_t producers = plan.vertices[edge.producer].parallelism, consumers = plan.vertices[edge.consumer].parallelism;
  ASSERT_EQ(std::set<ChannelRef>(channels.begin(), channels.end()).size(), channels.size()) << "a channel twice";
  std::set<std::uint32_t> fed, feeding;
  for (const ChannelRef& channel : channels) {
    ASSERT_EQ(channel.edge, edge.id);
    ASSERT_LT(channel.producer_subtask, producers);
    ASSERT_LT(channel.consumer_subtask, consumers);
    feeding.insert(channel.producer_subtask);
    fed.insert(channel.consumer_subtask);
  }
  ASSERT_EQ(feeding.size(), producers) << "a producer without a channel loses rows";
  ASSERT_EQ(fed.size(), consumers) << "a consumer without a channel never ends";
  if (edge.partitioning == Partitioning::kForward) {
    ASSERT_EQ(producers, consumers);
    ASSERT_EQ(channels.size(), producers);
  } else {
    ASSERT_EQ(channels.size(), static_cast<std::size_t>(producers) * consumers);
  }
}

void CheckChains(const JobGraph& graph, const ExecutionPlan& plan) {
  std::multiset<std::string> planned, wanted;
  std::size_t inputs = 0, fused = 0;
  for (const OperatorSpec& spec : graph.operators) {
    wanted.insert(spec.uid.str());
    inputs += spec.inputs.size();
  }
  for (const ExecutionVertex& vertex : plan.vertices) {
    ASSERT_FALSE(vertex.operators.empty());
    ASSERT_EQ(&vertex, &plan.vertices[vertex.index]);
    fused += vertex.operators.size() - 1;
    for (std::size_t i = 0; i < vertex.operators.size(); ++i) {
      const OperatorSpec& spec = vertex.operators[i];
      planned.insert(spec.uid.str());
      ASSERT_EQ(spec.parallelism, vertex.parallelism);
      if (i == 0) continue;
      ASSERT_FALSE(spec.is_python(PythonFunction::Verb::kReduce)) << "a reduce must head its task";
      ASSERT_FALSE(std::holds_alternative<UnionSpec>(spec.kind)) << "a union must head its task";
      ASSERT_EQ(spec.inputs[0].uid, vertex.operators[i - 1].uid);
      ASSERT_FALSE(vertex.operators[i - 1].is_python(PythonFunction::Verb::kKeyBy)) << "nothing may sit behind a key_by in its task";
    }
    ASSERT_EQ(vertex.input_edges.size(), vertex.operators[0].inputs.size());
    for (std::size_t i = 0; i < vertex.input_edges.size(); ++i) ASSERT_EQ(plan.edges[vertex.input_edges[i]].input_index, i);
  }
  ASSERT_EQ(planned, wanted) << "operators lost or doubled";
  ASSERT_EQ(plan.edges.size() + fused, inputs) << "an input is neither an edge nor fused";
}

TEST(RandomGraph, EitherOneClearErrorOrAConsistentPlan) {
  int valid = 0;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(static_cast<std::uint64_t>(seed));
    Result<JobGraph> graph = Validate(RandomGraph(random), random.Uniform(10) == 0 ? 3 : 0);
    if (!graph.ok()) {
      ASSERT_NE(ErrorDetail::Of(graph.status()), nullptr) << graph.status().ToString();
      ASSERT_EQ(WhoActsOn(graph.status()), WhoActs::kUser);
      ASSERT_FALSE(graph.status().message().empty());
      continue;
    }
    ++valid;
    auto plan = Chain(*graph);
    ASSERT_TRUE(plan.ok()) << plan.status().ToString();
    CheckChains(*graph, **plan);
    for (const ExecutionEdge& edge : (*plan)->edges) {
      ASSERT_LT(edge.producer, edge.consumer) << "vertices out of topological order";
      ASSERT_NE(edge.partitioning, Partitioning::kAuto);
      CheckChannels(**plan, edge);
      const OperatorSpec& tail = (*plan)->vertices[edge.producer].operators.back();
      const OperatorSpec& head = (*plan)->vertices[edge.consumer].operators.front();
      if (head.is_python(PythonFunction::Verb::kReduce)) {
        ASSERT_EQ(edge.partitioning, Partitioning::kHash);
      }
      if (edge.partitioning == Partitioning::kHash) {
        ASSERT_TRUE(tail.is_python(PythonFunction::Verb::kKeyBy) || tail.is_python(PythonFunction::Verb::kReduce));
      }
    }
    ASSERT_FALSE(ExplainText(**plan).empty());
    // A validated graph stays as it is when validated again.
    auto again = Validate(*graph);
    ASSERT_TRUE(again.ok()) << again.status().ToString();
    ASSERT_EQ(ExplainJson(**Chain(*again)), ExplainJson(**plan));
  }
  EXPECT_GT(valid, kSeeds / 10) << "the generator makes too few valid graphs to say anything";
  EXPECT_LT(valid, kSeeds) << "the generator makes no bad graphs";
}

TEST(ValidateLimits, AThousandOperatorsPassAndOneMoreDoesNot) {
  const auto line = [](std::size_t operators) {
    JobGraph graph;
    for (std::size_t i = 0; i < operators; ++i) {
      OperatorSpec spec;
      spec.uid = OperatorUid(std::to_string(i));
      spec.kind = PythonFunction{PythonFunction::Verb::kMap, "x", "f"};
      if (i > 0) spec.inputs = {{OperatorUid(std::to_string(i - 1)), Partitioning::kAuto}};
      graph.operators.push_back(std::move(spec));
    }
    graph.operators.front().kind = SourceSpec{{"generator", {}, "", false}};
    graph.operators.back().kind = SinkSpec{{"blackhole", {}, "", false}};
    return graph;
  };
  auto most = Validate(line(1000));
  ASSERT_TRUE(most.ok()) << most.status().ToString();
  EXPECT_EQ((*Chain(*most))->vertices.size(), 1u);
  EXPECT_EQ(CodeOf(Validate(line(1001)).status()), ErrorCode::kInvalidPlan);
}

TEST(ValidateCollection, BrokenElementsAreFoundBeforeTheJobRuns) {
  const auto with_payload = [](std::string payload) {
    JobGraph graph;
    OperatorSpec source, sink;
    source.uid = OperatorUid("s");
    source.kind = SourceSpec{{"collection", {}, std::move(payload), false}};
    sink.uid = OperatorUid("o");
    sink.kind = SinkSpec{{"collection", {}, "", false}};
    sink.inputs = {{source.uid, Partitioning::kAuto}};
    graph.operators = {source, sink};
    return Validate(graph).status();
  };
  EXPECT_TRUE(with_payload(std::string("\x09\x02\x00\x03\x02", 5)).ok());
  EXPECT_TRUE(with_payload(std::string("\x09\x00", 2)).ok());
  EXPECT_TRUE(with_payload(std::string("\x09\x01\x0A\x01\x06\x01"
                                       "a"
                                       "\x08\x01\x00",
                                       10))
                  .ok())
      << "[{'a': (None,)}]";
  EXPECT_FALSE(with_payload("").ok()) << "empty";
  EXPECT_FALSE(with_payload(std::string("\x08\x00", 2)).ok()) << "a tuple";
  EXPECT_FALSE(with_payload(std::string("\x09\x02\x00", 3)).ok()) << "one item short";
  EXPECT_FALSE(with_payload(std::string("\x09\x01\x00\x00", 4)).ok()) << "a byte too many";
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "\x09\x01";
  EXPECT_FALSE(with_payload(deep + std::string(1, '\0')).ok()) << "too deep";
}

}  // namespace
}  // namespace headrace::plan
