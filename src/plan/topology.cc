#include "plan/topology.h"

#include <arrow/type.h>

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <queue>
#include <unordered_map>

#include "plan/row_schema.h"

namespace headrace::plan {
namespace {

/// `left` are operators that wait for a producer which is among them too: walking back from any of them meets a cycle.
Status CycleError(const JobGraph& graph, const std::vector<std::vector<std::size_t>>& producers, const std::vector<bool>& left) {
  std::size_t at = static_cast<std::size_t>(std::find(left.begin(), left.end(), true) - left.begin());
  std::vector<std::size_t> path;
  std::vector<bool> seen(left.size(), false);
  while (!seen[at]) {
    seen[at] = true;
    path.push_back(at);
    at = *std::find_if(producers[at].begin(), producers[at].end(), [&](std::size_t producer) { return left[producer]; });
  }
  path.erase(path.begin(), std::find(path.begin(), path.end(), at));
  std::string names;
  constexpr std::size_t kMostNamed = 5;
  for (std::size_t i = 0; i < std::min(path.size(), kMostNamed); ++i)
    names += (i == 0 ? "" : " reads from ") + graph.operators[path[i]].Describe();
  if (path.size() > kMostNamed) names += fmt::format(" and {} more", path.size() - kMostNamed);
  return Error(ErrorCode::kCycle, fmt::format("the graph has a cycle: {} reads from {}", names, path.size() == 1 ? "itself" : "the first"));
}

}  // namespace

Result<Topology> Topology::Of(const JobGraph& graph) {
  const std::size_t count = graph.operators.size();
  std::unordered_map<OperatorUid, std::size_t> index_of;
  for (std::size_t i = 0; i < count; ++i) index_of.emplace(graph.operators[i].uid, i);
  Topology topology;
  topology.producers_.resize(count);
  topology.consumers_.resize(count);
  std::vector<std::size_t> waiting(count, 0);
  for (std::size_t i = 0; i < count; ++i) {
    for (const InputEdge& input : graph.operators[i].inputs) {
      auto producer = index_of.find(input.uid);
      if (producer == index_of.end())
        return Error(ErrorCode::kInvalidPlan,
                     fmt::format("{} reads from uid \"{}\", which is not in the graph", graph.operators[i].Describe(), input.uid.str()));
      topology.producers_[i].push_back(producer->second);
      topology.consumers_[producer->second].push_back(i);
      ++waiting[i];
    }
  }
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t i = 0; i < count; ++i) {
    if (waiting[i] == 0) ready.push(i);
  }
  while (!ready.empty()) {
    const std::size_t next = ready.top();
    ready.pop();
    topology.order_.push_back(next);
    for (std::size_t consumer : topology.consumers_[next]) {
      if (--waiting[consumer] == 0) ready.push(consumer);
    }
  }
  if (topology.order_.size() == count) return topology;
  std::vector<bool> left(count);
  for (std::size_t i = 0; i < count; ++i) left[i] = waiting[i] > 0;
  return CycleError(graph, topology.producers_, left);
}

std::vector<std::string> MeetingColumns(const OperatorSpec& spec, const arrow::Schema* input, std::size_t index) {
  if (const auto* aggregate = std::get_if<AggregateSpec>(&spec.kind)) return aggregate->keys;
  if (const auto* process = std::get_if<ProcessSpec>(&spec.kind)) return index == 0 ? process->keys : process->second_keys;
  if (const auto* join = std::get_if<JoinSpec>(&spec.kind)) return index == 0 ? join->left_keys : join->right_keys;
  if (const auto* deduplicate = std::get_if<DeduplicateSpec>(&spec.kind)) return deduplicate->keys;
  const auto* top = std::get_if<TopSpec>(&spec.kind);
  if (top == nullptr) return {};
  std::vector<std::string> columns = top->keys;
  // The windows of the input: rows of one window meet, those of different ones need not.
  const bool has_windows = top->window.kind == Window::Kind::kNone && input != nullptr && input->GetFieldIndex(kWindowEnd) >= 0;
  if (has_windows && std::find(columns.begin(), columns.end(), kWindowEnd) == columns.end()) columns.emplace_back(kWindowEnd);
  return columns;
}

bool MeetsInOne(const OperatorSpec& spec, const arrow::Schema* input) {
  const bool meets = std::holds_alternative<AggregateSpec>(spec.kind) || std::holds_alternative<TopSpec>(spec.kind);
  return meets && MeetingColumns(spec, input).empty();
}

}  // namespace headrace::plan
