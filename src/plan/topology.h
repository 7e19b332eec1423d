#pragma once
#include <arrow/type_fwd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "plan/job_graph.h"

namespace headrace::plan {

/// Who reads from whom in a graph, by position in JobGraph::operators, and an order in which producers come first. A value.
class Topology {
 public:
  /// kCycle naming the operators of one cycle. Every input of the graph must name an operator of it.
  static Result<Topology> Of(const JobGraph& graph);
  /// Producers of operator `index`, in the order of its inputs.
  const std::vector<std::size_t>& producers(std::size_t index) const { return producers_[index]; }
  /// One entry per reading input: an operator that reads twice is there twice.
  const std::vector<std::size_t>& consumers(std::size_t index) const { return consumers_[index]; }
  /// All operators, producers before consumers; otherwise as the graph has them.
  const std::vector<std::size_t>& order() const { return order_; }

 private:
  std::vector<std::vector<std::size_t>> producers_, consumers_;
  std::vector<std::size_t> order_;
};

/// Rows that leave `spec` carry a key: behind key_by, and behind reduce, which keeps its key.
inline bool IsKeyed(const OperatorSpec& spec) {
  return spec.is_python(PythonFunction::Verb::kKeyBy) || spec.is_python(PythonFunction::Verb::kReduce);
}

/// Rows must come by the key of a key_by right before it: reduce, and process without key columns.
inline bool NeedsKey(const OperatorSpec& spec) {
  const auto* process = std::get_if<ProcessSpec>(&spec.kind);
  return spec.is_python(PythonFunction::Verb::kReduce) || (process != nullptr && process->keys.empty() && !process->broadcast);
}

/// Columns of the typed rows of input `index` by whose values rows must meet in one subtask of `spec`; empty when they need not, or by
/// __key.
std::vector<std::string> MeetingColumns(const OperatorSpec& spec, const arrow::Schema* input, std::size_t index = 0);
/// True when all rows must meet in one subtask: aggregates and tops without any key.
bool MeetsInOne(const OperatorSpec& spec, const arrow::Schema* input);

}  // namespace headrace::plan
