#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "plan/execution_plan.h"

namespace headrace::plan {
namespace {

std::string_view PartitioningName(Partitioning partitioning) {
  switch (partitioning) {
    case Partitioning::kAuto:
      return "auto";
    case Partitioning::kForward:
      return "forward";
    case Partitioning::kHash:
      return "hash";
    case Partitioning::kRebalance:
      return "rebalance";
    case Partitioning::kBroadcast:
      return "broadcast";
  }
  return "?";
}

/// The connector of a source or sink, the function's name of a Python operator, nothing for a union.
std::string Content(const OperatorSpec& spec) {
  if (const auto* source = std::get_if<SourceSpec>(&spec.kind)) return source->connector.kind;
  if (const auto* sink = std::get_if<SinkSpec>(&spec.kind)) return sink->connector.kind;
  if (const PythonFunction* function = spec.python()) return function->display_name;
  if (const auto* process = std::get_if<ProcessSpec>(&spec.kind))
    return process->is_native() ? fmt::format("{}/{}", process->library, process->display_name) : process->display_name;
  return {};
}

std::string Plural(std::uint64_t count, std::string_view noun) { return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s"); }

}  // namespace

std::string ExplainText(const ExecutionPlan& plan) {
  std::string text = fmt::format("job \"{}\": {}, needs {}, {}\n", plan.job_name, Plural(plan.num_subtasks(), "task"),
                                 Plural(plan.slots_needed(), "slot"), plan.bounded() ? "ends by itself" : "runs until it is stopped");
  for (const ExecutionVertex& vertex : plan.vertices) {
    text += fmt::format("\n[{}] {}  x{}\n", vertex.index, vertex.name, vertex.parallelism);
    for (std::uint32_t id : vertex.input_edges) {
      const ExecutionEdge& edge = plan.edges[id];
      text += fmt::format("    <- [{}] {}\n", edge.producer, PartitioningName(edge.partitioning));
    }
    for (const OperatorSpec& spec : vertex.operators) {
      const std::string content = Content(spec);
      text +=
          fmt::format("    {} \"{}\"{}{}  {}\n", spec.KindName(), spec.name, content.empty() ? "" : " ", content, spec.location.ToString());
    }
  }
  return text;
}

std::string ExplainJson(const ExecutionPlan& plan) {
  using nlohmann::ordered_json;
  ordered_json vertices = ordered_json::array(), edges = ordered_json::array();
  for (const ExecutionVertex& vertex : plan.vertices) {
    ordered_json operators = ordered_json::array();
    for (const OperatorSpec& spec : vertex.operators) {
      operators.push_back(
          {{"uid", spec.uid.str()}, {"name", spec.name}, {"kind", spec.KindName()}, {"location", spec.location.ToString()}});
    }
    vertices.push_back(
        {{"id", vertex.index}, {"name", vertex.name}, {"parallelism", vertex.parallelism}, {"operators", std::move(operators)}});
  }
  for (const ExecutionEdge& edge : plan.edges) {
    edges.push_back({{"from", edge.producer}, {"to", edge.consumer}, {"partitioning", PartitioningName(edge.partitioning)}});
  }
  const ordered_json document = {{"job_name", plan.job_name}, {"vertices", std::move(vertices)}, {"edges", std::move(edges)}};
  return document.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace headrace::plan
