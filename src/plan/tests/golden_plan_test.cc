#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "plan/execution_plan.h"
#include "plan/tests/graph_text.h"

namespace headrace::plan {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kSeparator = "\n---\n";

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string Outcome(std::string_view input) {
  auto text = testing::ParseGraphText(input);
  if (!text.ok()) return "bad case: " + text.status().message() + "\n";
  auto graph = Validate(text->graph, text->parallelism_override);
  auto plan = graph.ok() ? Chain(*graph) : Result<std::shared_ptr<const ExecutionPlan>>(graph.status());
  if (plan.ok()) return ExplainText(**plan);
  const ErrorDetail* detail = ErrorDetail::Of(plan.status());
  if (detail == nullptr) return "error without a code: " + plan.status().message() + "\n";
  return CodeName(detail->code()) + " " + plan.status().message() + "\n" + std::string(detail->hint()) + "\n";
}

/// Cases are tests/golden/plan/*.txt: a graph, a line of three dashes, what Validate, Chain and ExplainText make of it.
/// HEADRACE_UPDATE_GOLDEN=1 writes the second half anew.
TEST(GoldenPlan, ExplainsEveryCaseAsWritten) {
  std::size_t cases = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(HEADRACE_SOURCE_DIR) / "tests/golden/plan")) {
    if (entry.path().extension() != ".txt") continue;
    ++cases;
    SCOPED_TRACE(entry.path().filename().string());
    const std::string whole = ReadFile(entry.path());
    const std::size_t cut = whole.find(kSeparator);
    const std::string input = whole.substr(0, cut);
    const std::string actual = Outcome(input);
    if (std::getenv("HEADRACE_UPDATE_GOLDEN") != nullptr) {
      std::ofstream(entry.path(), std::ios::binary) << input << kSeparator << actual;
      continue;
    }
    ASSERT_NE(cut, std::string::npos) << "no --- line";
    EXPECT_EQ(actual, whole.substr(cut + kSeparator.size()));
  }
  EXPECT_GE(cases, 30u);
}

TEST(GoldenPlan, JsonNamesVerticesAndEdges) {
  auto text = testing::ParseGraphText(
      "job J parallelism=2\nsource s \"a \\\"b\" generator count=5\nkey_by k < s\nreduce r < k\nsink o print < r\n");
  auto graph = Validate(text->graph);
  ASSERT_TRUE(graph.ok()) << graph.status().ToString();
  auto plan = Chain(*graph);
  ASSERT_TRUE(plan.ok());
  const std::string json = ExplainJson(**plan);
  EXPECT_NE(json.find(R"("edges":[{"from":0,"to":1,"partitioning":"hash"}])"), std::string::npos) << json;
  EXPECT_NE(json.find(R"({"uid":"r","name":"r","kind":"reduce","location":"job.py:4"})"), std::string::npos) << json;
}

}  // namespace
}  // namespace headrace::plan
