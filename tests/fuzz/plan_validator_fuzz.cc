// Any bytes as a job graph: through the codec, validation and chaining. What is accepted must be a consistent plan.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/status.h"
#include "plan/execution_plan.h"
#include "wire/plan_codec.h"

namespace {

using namespace headrace;

void CheckPlan(const plan::ExecutionPlan& plan) {
  HR_CHECK(!plan.vertices.empty() && plan.slots_needed() > 0, "an empty plan");
  for (const plan::ExecutionEdge& edge : plan.edges) {
    HR_CHECK(edge.producer < edge.consumer && edge.consumer < plan.vertices.size(), "vertices out of order");
    HR_CHECK(edge.partitioning != plan::Partitioning::kAuto, "an open partitioning");
    const std::uint64_t producers = plan.vertices[edge.producer].parallelism, consumers = plan.vertices[edge.consumer].parallelism;
    if (producers * consumers <= 4096)
      HR_CHECK(plan::ExpandEdge(plan, edge).size() >= std::max(producers, consumers), "a subtask without a channel");
  }
  HR_CHECK(!plan::ExplainText(plan).empty() && !plan::ExplainJson(plan).empty());
  const std::string bytes = wire::EncodeExecutionPlan(plan);
  auto again = wire::DecodeExecutionPlan(bytes);
  HR_CHECK(again.ok(), "a plan that does not come back");
  HR_CHECK(wire::EncodeExecutionPlan(**again) == bytes, "a plan that comes back changed");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  (void)wire::DecodeExecutionPlan(input);
  (void)wire::DecodeJobDeployment(input);
  auto graph = wire::DecodeJobGraph(input);
  if (!graph.ok()) return 0;
  auto valid = plan::Validate(std::move(*graph));
  if (!valid.ok()) {
    HR_CHECK(ErrorDetail::Of(valid.status()) != nullptr, "a refusal without a code");
    return 0;
  }
  auto plan = plan::Chain(*valid);
  if (plan.ok()) CheckPlan(**plan);
  return 0;
}
