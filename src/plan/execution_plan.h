#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "plan/job_graph.h"

namespace headrace::plan {

/// How rows of an edge find their consumer subtask. Auto is gone here.
struct ExecutionEdge {
  std::uint32_t id = 0;  ///< position in ExecutionPlan::edges
  VertexIndex producer = 0;
  VertexIndex consumer = 0;
  std::uint32_t input_index = 0;  ///< which logical input of the consumer's head operator (union has several)
  Partitioning partitioning = Partitioning::kForward;
  std::vector<std::string> hash_columns;  ///< kHash of typed rows: by these; empty = by the key column
  std::string tag;                        ///< a side output of the producer's last operator; empty = its main output
};

/// A chain: operators that run in one task, one after the other.
struct ExecutionVertex {
  VertexIndex index = 0;
  std::string name;  ///< "lines -> split -> key_by"
  std::uint32_t parallelism = 1;
  std::vector<OperatorSpec> operators;     ///< head first; a union head stands for itself
  std::vector<std::uint32_t> input_edges;  ///< edge ids, by input_index
  std::vector<std::uint32_t> output_edges;
};

/// What is run: chains and the exchanges between them. Immutable, shared by everybody who needs it.
struct ExecutionPlan {
  std::string job_name;
  JobSettings settings;
  std::vector<ExecutionVertex> vertices;  ///< topological order
  std::vector<ExecutionEdge> edges;
  bool has_python = false;
  std::string python_version;

  /// Slots needed = the largest vertex parallelism (one slot holds one subtask of every vertex).
  std::uint32_t slots_needed() const;
  std::uint32_t num_subtasks() const;
  bool bounded() const;  ///< all sources are bounded
};

/// Checks a graph and fills defaults (parallelism, max_parallelism). The error names the operator and the user's file and
/// line. Checks: uids present and unique, inputs exist, no cycle, a sink behind every source, sources have no inputs and
/// sinks no outputs, parallelism 1..max_parallelism (max 32768), reduce behind key_by, connector kinds and options known
/// and well-formed, payload decodable, names within 200 bytes, at most 1000 operators.
/// `parallelism_override` (0 = none) replaces the job's default and every operator's own parallelism.
Result<JobGraph> Validate(JobGraph graph, std::uint32_t parallelism_override = 0);
/// Fuses operators into chains and picks partitionings. The graph must be validated. Pure.
Result<std::shared_ptr<const ExecutionPlan>> Chain(const JobGraph& graph);
/// For people: vertices with parallelism and operators, edges with partitioning. Stable, golden-tested.
std::string ExplainText(const ExecutionPlan& plan);
/// {"job_name","vertices":[{"id","name","parallelism","operators":[{uid,name,kind,location}]}],"edges":[{"from","to","partitioning"}]}
std::string ExplainJson(const ExecutionPlan& plan);

/// One end of an exchange channel.
struct ChannelRef {
  std::uint32_t edge = 0;
  std::uint32_t producer_subtask = 0;
  std::uint32_t consumer_subtask = 0;
  auto operator<=>(const ChannelRef&) const = default;
};
/// All channels of one edge: forward pairs equal subtasks, every other partitioning connects all with all.
std::vector<ChannelRef> ExpandEdge(const ExecutionPlan& plan, const ExecutionEdge& edge);

}  // namespace headrace::plan
