#include "plan/changelog.h"

#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>

#include "plan/job_graph.h"
#include "plan/row_schema.h"
#include "plan/topology.h"

namespace headrace::plan {
namespace {

using Schemas = std::vector<std::shared_ptr<arrow::Schema>>;

/// What one operator does with updates.
struct Trait {
  bool makes = false;         ///< its rows are updated whatever comes in
  bool passes = false;        ///< they are when those of an input are
  bool takes = true;          ///< it has a meaning for updating rows
  bool needs_before = false;  ///< it must be told what no longer holds
  const char* instead = "";   ///< hint when it takes none
};

bool HasWindows(const std::shared_ptr<arrow::Schema>& schema) { return schema != nullptr && schema->GetFieldIndex(kWindowEnd) >= 0; }

Trait TraitOf(const OperatorSpec& spec, const JoinSpec& join, const Schemas& inputs) {
  using Kind = JoinSpec::Kind;
  const auto columns = ColumnsOf(spec, join, inputs);
  const bool regular = join.bound == JoinSpec::Bound::kNone && columns.ok() && !columns->by_window_columns;
  if (!regular) return {.takes = false, .instead = "Join without a window or an interval, or join what comes before the updates."};
  return {.makes = join.kind != Kind::kInner && join.kind != Kind::kSemi, .passes = true, .needs_before = true};
}

Trait TraitOf(const PythonFunction& function) {
  using Verb = PythonFunction::Verb;
  if (function.verb == Verb::kMap || function.verb == Verb::kFlatMap) return {};  // they see the kind in the row, and make new rows
  return {.takes = false,
          .instead = "Use an expression in place of the function, or map() first: it sees each row's kind as \"__row_kind\"."};
}

/// Whether the aggregate can leave out a row again.
bool CanTakeBack(const AggregateCall& call) {
  return call.function != "first" && call.function != "last" && call.function != "top" && (call.function != "collect" || call.limit == 0);
}

Trait TraitOf(const OperatorSpec& spec, const Schemas& inputs) {
  constexpr const char* kNoUpdates = "Put it in front of the operator that updates, or give that one a window.";
  if (const PythonFunction* function = spec.python()) return TraitOf(*function);
  if (std::holds_alternative<SelectSpec>(spec.kind) || std::holds_alternative<UnionSpec>(spec.kind) ||
      std::holds_alternative<EventTimeSpec>(spec.kind))
    return {.passes = true};
  // A condition may hold for the old row and not for the new one.
  if (std::holds_alternative<WhereSpec>(spec.kind)) return {.passes = true, .needs_before = true};
  if (const auto* aggregate = std::get_if<AggregateSpec>(&spec.kind)) {
    if (aggregate->window.kind != Window::Kind::kNone) return {.takes = false, .instead = kNoUpdates};
    Trait trait{.makes = true, .needs_before = true};
    trait.takes = std::all_of(aggregate->calls.begin(), aggregate->calls.end(), CanTakeBack);
    trait.instead =
        "first, last, top and a limited collect cannot leave a row out again: take another aggregate, or put it in front of the operator "
        "that updates.";
    return trait;
  }
  if (const auto* top = std::get_if<TopSpec>(&spec.kind)) {
    if (top->window.kind != Window::Kind::kNone || HasWindows(inputs[0])) return {.takes = false, .instead = kNoUpdates};
    return {.makes = true, .needs_before = true};
  }
  if (const auto* deduplicate = std::get_if<DeduplicateSpec>(&spec.kind))
    return {.makes = deduplicate->last || deduplicate->by_event_time, .takes = false, .instead = kNoUpdates};
  if (const auto* join = std::get_if<JoinSpec>(&spec.kind)) return TraitOf(spec, *join, inputs);
  if (std::holds_alternative<ProcessSpec>(spec.kind) || std::holds_alternative<LookupSpec>(spec.kind))
    return {.takes = false, .instead = kNoUpdates};
  return {};
}

/// Versions of the right side may be replaced: the newest one of a key is what it is about.
bool Takes(const OperatorSpec& spec, const Trait& trait, std::size_t input) {
  const auto* join = std::get_if<JoinSpec>(&spec.kind);
  return trait.takes || (join != nullptr && join->bound == JoinSpec::Bound::kVersion && input == 1);
}

}  // namespace

Status FillChangelogs(const Topology& topology, JobGraph* graph) {
  auto& operators = graph->operators;
  std::vector<Trait> traits(operators.size());
  for (const std::size_t index : topology.order()) {
    OperatorSpec& spec = operators[index];
    const auto& producers = topology.producers(index);
    Schemas inputs;
    for (const std::size_t producer : producers) inputs.push_back(operators[producer].schema);
    const Trait trait = traits[index] = TraitOf(spec, inputs);
    bool updates = trait.makes;
    for (std::size_t i = 0; i < producers.size(); ++i) {
      if (!spec.inputs[i].tag.empty() || operators[producers[i]].changelog == Changelog::kAppend) continue;
      if (!Takes(spec, trait, i))
        return Error(
            ErrorCode::kInvalidPlan,
            fmt::format("{} takes rows that are final, but those of {} are updated", spec.Describe(), operators[producers[i]].Describe()),
            trait.instead);
      updates = updates || trait.passes;
    }
    spec.changelog = updates ? Changelog::kUpsert : Changelog::kAppend;
  }
  for (auto at = topology.order().rbegin(); at != topology.order().rend(); ++at) {
    OperatorSpec& spec = operators[*at];
    if (spec.changelog == Changelog::kAppend) continue;
    for (const std::size_t consumer : topology.consumers(*at)) {
      const bool passes_on = traits[consumer].passes && operators[consumer].changelog == Changelog::kRetract;
      if (traits[consumer].needs_before || passes_on) spec.changelog = Changelog::kRetract;
    }
  }
  return Status::OK();
}

}  // namespace headrace::plan
