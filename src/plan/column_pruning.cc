#include "plan/column_pruning.h"

#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "plan/row_schema.h"

namespace headrace::plan {
namespace {

/// Names of columns; none: all of them.
using Columns = std::optional<std::set<std::string>>;

void Add(const Expression& expression, std::set<std::string>* columns) {
  for (std::string& name : ColumnsOf(expression)) columns->insert(std::move(name));
}

Columns ReadBy(const SelectSpec& select, const Columns& needed) {
  std::set<std::string> read;
  if (select.keep_all) {
    if (!needed) return std::nullopt;
    read = *needed;
    for (const NamedExpression& column : select.columns) read.erase(column.name);
  }
  for (const NamedExpression& column : select.columns) Add(column.expression, &read);
  return read;
}

void Add(const RowTrigger& trigger, std::set<std::string>* columns) {
  if (trigger.expression) Add(trigger.expression, columns);
  for (const RowTrigger& part : trigger.parts) Add(part, columns);
}

Columns ReadBy(const AggregateSpec& aggregate) {
  // Rows that come too late leave as they came.
  if (!aggregate.late_tag.empty()) return std::nullopt;
  std::set<std::string> read(aggregate.keys.begin(), aggregate.keys.end());
  for (const AggregateCall& call : aggregate.calls) {
    if (CollectsRows(call)) return std::nullopt;
    for (const Expression& argument : call.arguments) Add(argument, &read);
    if (call.filter) Add(call.filter, &read);
  }
  Add(aggregate.trigger.by_row, &read);
  return read;
}

Columns ReadBy(const TopSpec& top, const Columns& needed) {
  if (!needed) return std::nullopt;
  std::set<std::string> read = *needed;
  read.insert({kWindowStart, kWindowEnd});
  read.insert(top.keys.begin(), top.keys.end());
  for (const SortKey& key : top.order) read.insert(key.column);
  return read;
}

/// Columns of its input that `spec` reads when `needed` of those it gives are read.
Columns ReadBy(const OperatorSpec& spec, const Columns& needed) {
  if (spec.inputs.size() != 1 || !spec.inputs[0].tag.empty()) return std::nullopt;
  if (const auto* select = std::get_if<SelectSpec>(&spec.kind)) return ReadBy(*select, needed);
  if (const auto* aggregate = std::get_if<AggregateSpec>(&spec.kind)) return ReadBy(*aggregate);
  if (const auto* top = std::get_if<TopSpec>(&spec.kind)) return ReadBy(*top, needed);
  if (!needed) return std::nullopt;
  Columns read = needed;
  if (const auto* where = std::get_if<WhereSpec>(&spec.kind)) {
    Add(where->condition, &*read);
    return read;
  }
  const auto* times = std::get_if<EventTimeSpec>(&spec.kind);
  if (times == nullptr || !times->pickled.empty()) return std::nullopt;
  Add(times->timestamp, &*read);
  Add(times->watermark, &*read);
  for (const Expression& column : times->generator.columns) Add(column, &*read);
  return read;
}

bool CanLeaveOut(const ConnectorSpec& source) {
  return source.schema != nullptr && (source.kind == "kafka" || source.kind == "file" || source.kind == "nexmark");
}

/// The rows that come in by an input: of a side output those that came into its operator, or a process function's untyped ones.
std::shared_ptr<arrow::Schema> RowsOfInput(const Topology& topology, const JobGraph& graph, std::size_t index, std::size_t input) {
  const std::size_t producer = topology.producers(index)[input];
  if (graph.operators[index].inputs[input].tag.empty()) return graph.operators[producer].schema;
  if (std::holds_alternative<ProcessSpec>(graph.operators[producer].kind)) return nullptr;
  const std::size_t of = InputOfSide(graph.operators[producer], graph.operators[index].inputs[input].tag);
  return graph.operators[topology.producers(producer)[of]].schema;
}

/// The fields of `schema` that are read; where none is, one that costs little, since rows must have a column.
std::shared_ptr<arrow::Schema> Kept(const arrow::Schema& schema, const std::set<std::string>& read) {
  arrow::FieldVector kept;
  for (const auto& field : schema.fields())
    if (read.contains(field->name())) kept.push_back(field);
  if (kept.empty()) {
    const auto fixed = std::find_if(schema.fields().begin(), schema.fields().end(),
                                    [](const auto& field) { return arrow::is_fixed_width(field->type()->id()); });
    kept.push_back(fixed == schema.fields().end() ? schema.field(0) : *fixed);
  }
  return arrow::schema(std::move(kept));
}

}  // namespace

Status PruneColumns(const Topology& topology, JobGraph* graph) {
  std::vector<Columns> needed(graph->operators.size(), std::set<std::string>());
  bool changed = false;
  for (auto at = topology.order().rbegin(); at != topology.order().rend(); ++at) {
    OperatorSpec& spec = graph->operators[*at];
    if (auto* source = std::get_if<SourceSpec>(&spec.kind); source != nullptr && needed[*at] && CanLeaveOut(source->connector)) {
      const auto kept = Kept(*source->connector.schema, *needed[*at]);
      changed = changed || kept->num_fields() < source->connector.schema->num_fields();
      source->connector.schema = kept;
      continue;
    }
    const Columns read = ReadBy(spec, needed[*at]);
    for (const std::size_t producer : topology.producers(*at)) {
      if (!read || !needed[producer])
        needed[producer] = std::nullopt;
      else
        needed[producer]->insert(read->begin(), read->end());
    }
  }
  if (!changed) return Status::OK();
  for (const std::size_t index : topology.order()) {
    std::vector<std::shared_ptr<arrow::Schema>> inputs;
    for (std::size_t i = 0; i < topology.producers(index).size(); ++i) inputs.push_back(RowsOfInput(topology, *graph, index, i));
    HR_ASSIGN_OR_RAISE(graph->operators[index].schema, SchemaOf(graph->operators[index], inputs));
  }
  return Status::OK();
}

}  // namespace headrace::plan
