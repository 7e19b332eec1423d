#include <arrow/type.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "plan/execution_plan.h"
#include "plan/job_graph.h"

namespace headrace::plan {
namespace {

OperatorSpec Named(const std::string& uid, OperatorKind kind, const std::string& input = {}) {
  OperatorSpec spec;
  spec.uid = OperatorUid(uid);
  spec.name = uid;
  spec.kind = std::move(kind);
  if (!input.empty()) spec.inputs.push_back({OperatorUid(input), Partitioning::kAuto, ""});
  return spec;
}

AggregateSpec CountBy(const std::string& key, const std::string& name) {
  AggregateSpec spec;
  spec.keys = {key};
  spec.calls.push_back({name, "count", {}, {}, 0, {}, {}});
  return spec;
}

/// Vertices of: rows counted by `a`, and counted by `second` again.
std::size_t Vertices(const std::string& second, std::uint32_t parallelism_of_second = 0) {
  SourceSpec source;
  source.connector.kind = "generator";
  source.connector.options = {{"count", "5"}};
  source.connector.schema = arrow::schema({arrow::field("a", arrow::int64(), /*nullable=*/false)});
  SinkSpec sink;
  sink.connector.kind = "print";
  JobGraph graph;
  graph.job_name = "J";
  graph.settings.parallelism = 4;
  graph.operators = {Named("s", source), Named("one", CountBy("a", "n"), "s"), Named("two", CountBy(second, "m"), "one"),
                     Named("o", sink, "two")};
  graph.operators[2].parallelism = graph.operators[3].parallelism = parallelism_of_second;
  auto valid = Validate(std::move(graph));
  EXPECT_TRUE(valid.ok()) << valid.status();
  auto plan = Chain(*valid);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return (*plan)->vertices.size();
}

TEST(Chain, RowsThatHaveMetAreNotSpreadAgain) {
  EXPECT_EQ(Vertices("a"), 2u);
  EXPECT_EQ(Vertices("n"), 3u) << "other columns meet elsewhere";
  EXPECT_EQ(Vertices("a", 2), 3u) << "so they do in fewer subtasks";
}

}  // namespace
}  // namespace headrace::plan
