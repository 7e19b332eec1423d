#include "plan/job_graph.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::plan {
namespace {

std::string VerbName(PythonFunction::Verb verb) {
  switch (verb) {
    case PythonFunction::Verb::kMap:
      return "map";
    case PythonFunction::Verb::kFilter:
      return "filter";
    case PythonFunction::Verb::kFlatMap:
      return "flat_map";
    case PythonFunction::Verb::kKeyBy:
      return "key_by";
    case PythonFunction::Verb::kReduce:
      return "reduce";
  }
  return "function";
}

}  // namespace

std::string OperatorSpec::KindName() const {
  if (is_source()) return "source";
  if (is_sink()) return "sink";
  if (const PythonFunction* function = python()) return VerbName(function->verb);
  if (std::holds_alternative<SelectSpec>(kind)) return "select";
  if (std::holds_alternative<WhereSpec>(kind)) return "where";
  if (std::holds_alternative<EventTimeSpec>(kind)) return "event_time";
  if (std::holds_alternative<AggregateSpec>(kind)) return "aggregate";
  if (std::holds_alternative<TopSpec>(kind)) return "top";
  if (std::holds_alternative<ProcessSpec>(kind)) return "process";
  if (std::holds_alternative<JoinSpec>(kind)) return "join";
  if (std::holds_alternative<DeduplicateSpec>(kind)) return "deduplicate";
  if (std::holds_alternative<LookupSpec>(kind)) return "lookup_join";
  return "union";
}

std::string OperatorSpec::Describe() const {
  return fmt::format("{} \"{}\" (uid {}, {})", KindName(), name.empty() ? uid.str() : name, uid.str(), location.ToString());
}

bool RunsPython(const OperatorSpec& spec) {
  if (spec.python() != nullptr) return true;
  if (const auto* process = std::get_if<ProcessSpec>(&spec.kind)) return !process->is_native();
  if (const auto* where = std::get_if<WhereSpec>(&spec.kind)) return CallsPython(where->condition);
  if (const auto* times = std::get_if<EventTimeSpec>(&spec.kind)) return !times->pickled.empty() || !times->generator.pickled.empty();
  if (const auto* aggregate = std::get_if<AggregateSpec>(&spec.kind))
    return std::any_of(aggregate->calls.begin(), aggregate->calls.end(), [](const AggregateCall& call) { return !call.pickled.empty(); });
  const auto* select = std::get_if<SelectSpec>(&spec.kind);
  return select != nullptr && std::any_of(select->columns.begin(), select->columns.end(),
                                          [](const NamedExpression& column) { return CallsPython(column.expression); });
}

const OperatorSpec* JobGraph::Find(const OperatorUid& uid) const {
  auto found = std::find_if(operators.begin(), operators.end(), [&](const OperatorSpec& spec) { return spec.uid == uid; });
  return found == operators.end() ? nullptr : &*found;
}

bool JobGraph::has_python() const { return std::any_of(operators.begin(), operators.end(), RunsPython); }

}  // namespace headrace::plan
