#include <gtest/gtest.h>

#include "plan/execution_plan.h"

namespace headrace::plan {
namespace {

JobGraph GeneratorToPrint() {
  JobGraph graph;
  OperatorSpec source, sink;
  source.uid = OperatorUid("s");
  source.kind = SourceSpec{{"generator", {}, "", false}};
  source.location = {"job.py", 3, "env.add_source(source)"};
  sink.uid = OperatorUid("o");
  sink.kind = SinkSpec{{"print", {}, "", false}};
  sink.inputs = {{source.uid, Partitioning::kAuto}};
  graph.operators = {source, sink};
  return graph;
}

TEST(Validate, APlaceThatWouldFillOrForgeALogIsRefused) {
  ASSERT_TRUE(Validate(GeneratorToPrint()).ok());
  JobGraph graph = GeneratorToPrint();
  graph.operators[0].location.file = "job.py\n2026-01-01 error all is lost";
  EXPECT_EQ(Validate(graph).status().message(), "source number 1: the name of the file it was made in holds a control character");
  graph.operators[0].location.file = std::string(5000, 'x');
  EXPECT_EQ(Validate(graph).status().message(),
            "source number 1: the file it was made in has a name of 5000 bytes; at most 4096 are taken");
  graph = GeneratorToPrint();
  graph.operators[1].location.code = std::string(5000, 'x');
  EXPECT_EQ(Validate(graph).status().message(), "sink number 2: the line it was made in has 5000 bytes; at most 4096 are taken");
}

}  // namespace
}  // namespace headrace::plan
