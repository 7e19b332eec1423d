#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "plan/execution_plan.h"
#include "plan/topology.h"

namespace headrace::plan {
namespace {

constexpr std::size_t kMaxVertexNameBytes = 250;
constexpr std::uint64_t kMaxSubtasks = 100'000;
constexpr std::uint64_t kMaxChannels = 4'000'000;

/// Whether rows of equal meeting columns are in one subtask already, the one whose state they belong to: an aggregate gives them out where
/// the same hash of the same columns has brought them.
bool HaveMet(const OperatorSpec& producer, const OperatorSpec& consumer) {
  const auto* aggregate = std::get_if<AggregateSpec>(&producer.kind);
  return aggregate != nullptr && !aggregate->keys.empty() && consumer.inputs.size() == 1 && consumer.inputs[0].tag.empty() &&
         producer.parallelism == consumer.parallelism && MeetingColumns(consumer, producer.schema.get()) == aggregate->keys;
}

Partitioning Resolve(const OperatorSpec& producer, const OperatorSpec& consumer, Partitioning asked) {
  if (asked != Partitioning::kAuto) return asked;
  if (HaveMet(producer, consumer)) return Partitioning::kForward;
  if (!MeetingColumns(consumer, producer.schema.get()).empty() || MeetsInOne(consumer, producer.schema.get())) {
    const bool alone = producer.parallelism == 1 && consumer.parallelism == 1;
    return alone ? Partitioning::kForward : consumer.parallelism == 1 ? Partitioning::kRebalance : Partitioning::kHash;
  }
  if (producer.is_python(PythonFunction::Verb::kKeyBy) || NeedsKey(consumer)) return Partitioning::kHash;
  if (producer.parallelism == consumer.parallelism) return Partitioning::kForward;
  // Running results of one key stay in order only when they keep to one subtask.
  return IsKeyed(producer) ? Partitioning::kHash : Partitioning::kRebalance;
}

/// May `consumer` run in the task of its only producer?
bool Fuses(const Topology& topology, const JobGraph& graph, std::size_t consumer) {
  const OperatorSpec& spec = graph.operators[consumer];
  if (std::holds_alternative<UnionSpec>(spec.kind) || spec.inputs.size() != 1 || !spec.inputs[0].tag.empty()) return false;
  const std::size_t producer = topology.producers(consumer)[0];
  if (topology.consumers(producer).size() != 1 || graph.operators[producer].is_python(PythonFunction::Verb::kKeyBy)) return false;
  return Resolve(graph.operators[producer], spec, spec.inputs[0].partitioning) == Partitioning::kForward;
}

std::string VertexName(const std::vector<OperatorSpec>& operators) {
  std::string name;
  for (std::size_t i = 0; i < operators.size(); ++i) {
    const std::string& next = operators[i].name;
    if (i > 0 && name.size() + 4 + next.size() > kMaxVertexNameBytes) return name + fmt::format(" -> ({} more)", operators.size() - i);
    name += (i == 0 ? "" : " -> ") + next;
  }
  return name;
}

std::uint64_t NumChannels(const ExecutionPlan& plan, const ExecutionEdge& edge) {
  const std::uint64_t producers = plan.vertices[edge.producer].parallelism, consumers = plan.vertices[edge.consumer].parallelism;
  return edge.partitioning == Partitioning::kForward ? std::min(producers, consumers) : producers * consumers;
}

Status CheckExtent(const ExecutionPlan& plan) {
  std::uint64_t channels = 0, subtasks = 0;
  for (const ExecutionVertex& vertex : plan.vertices) subtasks += vertex.parallelism;
  for (const ExecutionEdge& edge : plan.edges) channels += NumChannels(plan, edge);
  if (subtasks > kMaxSubtasks)
    return Error(ErrorCode::kBadParallelism, fmt::format("the job needs {} tasks; at most {} are taken", subtasks, kMaxSubtasks),
                 "Lower the parallelism.");
  if (channels > kMaxChannels)
    return Error(ErrorCode::kBadParallelism,
                 fmt::format("the job needs {} channels between its tasks; at most {} are taken", channels, kMaxChannels),
                 "Lower the parallelism.");
  return Status::OK();
}

}  // namespace

std::uint32_t ExecutionPlan::slots_needed() const {
  std::uint32_t most = 0;
  for (const ExecutionVertex& vertex : vertices) most = std::max(most, vertex.parallelism);
  return most;
}

std::uint32_t ExecutionPlan::num_subtasks() const {
  return std::accumulate(vertices.begin(), vertices.end(), 0u,
                         [](std::uint32_t sum, const ExecutionVertex& vertex) { return sum + vertex.parallelism; });
}

bool ExecutionPlan::bounded() const {
  for (const ExecutionVertex& vertex : vertices) {
    for (const OperatorSpec& spec : vertex.operators) {
      const auto* source = std::get_if<SourceSpec>(&spec.kind);
      if (source != nullptr && !source->connector.bounded) return false;
    }
  }
  return true;
}

Result<std::shared_ptr<const ExecutionPlan>> Chain(const JobGraph& graph) {
  HR_ASSIGN_OR_RAISE(Topology topology, Topology::Of(graph));
  auto plan = std::make_shared<ExecutionPlan>();
  plan->job_name = graph.job_name;
  plan->settings = graph.settings;
  plan->has_python = graph.has_python();
  plan->python_version = graph.python_version;

  std::vector<VertexIndex> vertex_of(graph.operators.size(), 0);
  std::vector<std::size_t> heads;
  for (std::size_t index : topology.order()) {
    const OperatorSpec& spec = graph.operators[index];
    if (spec.parallelism == 0) return Error(ErrorCode::kBadParallelism, fmt::format("{} has no parallelism", spec.Describe()));
    if (Fuses(topology, graph, index)) {
      vertex_of[index] = vertex_of[topology.producers(index)[0]];
    } else {
      vertex_of[index] = static_cast<VertexIndex>(plan->vertices.size());
      ExecutionVertex vertex;
      vertex.index = vertex_of[index];
      vertex.parallelism = spec.parallelism;
      plan->vertices.push_back(std::move(vertex));
      heads.push_back(index);
    }
    plan->vertices[vertex_of[index]].operators.push_back(spec);
  }
  for (std::size_t v = 0; v < heads.size(); ++v) {
    const OperatorSpec& head = graph.operators[heads[v]];
    for (std::size_t i = 0; i < head.inputs.size(); ++i) {
      const std::size_t producer = topology.producers(heads[v])[i];
      ExecutionEdge edge;
      edge.id = static_cast<std::uint32_t>(plan->edges.size());
      edge.producer = vertex_of[producer];
      edge.consumer = static_cast<VertexIndex>(v);
      edge.input_index = static_cast<std::uint32_t>(i);
      edge.partitioning = Resolve(graph.operators[producer], head, head.inputs[i].partitioning);
      if (edge.partitioning == Partitioning::kHash) edge.hash_columns = MeetingColumns(head, graph.operators[producer].schema.get(), i);
      edge.tag = head.inputs[i].tag;
      plan->vertices[edge.producer].output_edges.push_back(edge.id);
      plan->vertices[edge.consumer].input_edges.push_back(edge.id);
      plan->edges.push_back(edge);
    }
  }
  for (ExecutionVertex& vertex : plan->vertices) vertex.name = VertexName(vertex.operators);
  HR_RETURN_NOT_OK(CheckExtent(*plan));
  return plan;
}

std::vector<ChannelRef> ExpandEdge(const ExecutionPlan& plan, const ExecutionEdge& edge) {
  std::vector<ChannelRef> channels;
  channels.reserve(NumChannels(plan, edge));
  const std::uint32_t producers = plan.vertices[edge.producer].parallelism, consumers = plan.vertices[edge.consumer].parallelism;
  if (edge.partitioning == Partitioning::kForward) {
    for (std::uint32_t i = 0; i < std::min(producers, consumers); ++i) channels.push_back({edge.id, i, i});
    return channels;
  }
  for (std::uint32_t producer = 0; producer < producers; ++producer) {
    for (std::uint32_t consumer = 0; consumer < consumers; ++consumer) channels.push_back({edge.id, producer, consumer});
  }
  return channels;
}

}  // namespace headrace::plan
