#include "data/task/task_parts.h"

#include <arrow/type.h>

#include <string>
#include <utility>

#include "data/connector/table_client.h"
#include "data/native/native_process.h"
#include "data/operator/calc.h"
#include "data/operator/checking.h"
#include "data/operator/event_time.h"
#include "data/operator/sink_operator.h"
#include "data/operator/union.h"
#include "data/task/join_parts.h"
#include "data/task/python_parts.h"
#include "data/window/async_lookup_join.h"
#include "data/window/local_aggregate.h"
#include "data/window/lookup_join.h"
#include "data/window/window_aggregate.h"
#include "data/window/window_top.h"
#include "plan/row_schema.h"
#include "plan/source_splits.h"

namespace headrace::data::task {

namespace {

connector::ConnectorContext MakeConnectorContext(const TaskSpec& spec, const TaskEnvironment& environment, const plan::OperatorSpec& op,
                                                 TaskVitals* vitals, Waker* waker) {
  connector::ConnectorContext context;
  context.job_id = spec.attempt.job.str();
  context.job_name = spec.plan->job_name;
  context.operator_name = op.name;
  context.operator_uid = op.uid.str();
  context.subtask = spec.attempt.subtask;
  context.parallelism = spec.vertex().parallelism;
  context.waker = waker;
  context.metrics = environment.metrics;
  context.labels = {{"job_id", context.job_id}, {"job_name", context.job_name}, {"tm", environment.task_manager}, {"operator", op.name}};
  context.on_bad_record = [vitals](std::string where, std::string why, std::string sample) { vitals->AddBadRecord(where, why, sample); };
  context.on_waiting = [vitals](std::string reason) { vitals->SetWaitingReason(std::move(reason)); };
  context.on_collected = environment.on_collected;
  return context;
}

/// where() and select() from `at` that run as one step: conditions, then columns.
Result<op::ChainLink> MakeCalcLink(const std::vector<plan::OperatorSpec>& operators, const std::shared_ptr<arrow::Schema>& input,
                                   std::size_t* at) {
  const plan::OperatorSpec& first = operators[*at];
  plan::Expression condition;
  std::string name;
  const plan::SelectSpec* columns = nullptr;
  for (; *at < operators.size() && columns == nullptr; ++*at) {
    const plan::OperatorSpec& op = operators[*at];
    if (IsBuiltWithPython(op)) break;
    if (const auto* where = std::get_if<plan::WhereSpec>(&op.kind))
      condition = condition ? plan::Expression::Call("and", {condition, where->condition}) : where->condition;
    else
      columns = std::get_if<plan::SelectSpec>(&op.kind);
    if (!std::holds_alternative<plan::WhereSpec>(op.kind) && columns == nullptr) break;
    name += (name.empty() ? "" : " -> ") + op.name;
  }
  HR_ASSIGN_OR_RAISE(auto made, op::Calc::Make(condition, columns, input));
  return MakeLink(std::move(made), std::move(name), first);
}

/// The operators over typed rows. `input`: the rows that come in. `times_made` is set for an operator of event times.
Result<op::ChainLink> MakeRelationalLink(const TaskSpec& spec, const TaskEnvironment& environment,
                                         const std::shared_ptr<arrow::Schema>& input, std::size_t* at, op::EventTimeOperator** times_made) {
  const auto& operators = spec.vertex().operators;
  const plan::OperatorSpec& op = operators[*at];
  if (std::holds_alternative<plan::WhereSpec>(op.kind) || std::holds_alternative<plan::SelectSpec>(op.kind))
    return MakeCalcLink(operators, input, at);
  ++*at;
  if (const auto* times = std::get_if<plan::EventTimeSpec>(&op.kind)) {
    HR_ASSIGN_OR_RAISE(auto made, op::EventTimeOperator::Make(*times, input));
    *times_made = made.get();
    return MakeLink(std::move(made), op.name, op);
  }
  if (const auto* aggregate = std::get_if<plan::AggregateSpec>(&op.kind)) {
    HR_ASSIGN_OR_RAISE(auto made, MakeFolding(spec, environment, op, [&](op::FoldBook* folds) {
                         return window::WindowAggregate::Make(*aggregate, input, op.schema, folds);
                       }));
    return MakeLink(std::move(made), op.name, op);
  }
  if (const auto* top = std::get_if<plan::TopSpec>(&op.kind)) {
    HR_ASSIGN_OR_RAISE(auto made, window::WindowTop::Make(*top, input, op.schema));
    return MakeLink(std::move(made), op.name, op);
  }
  return Status::NotImplemented(op.Describe());
}

bool IsRelational(const plan::OperatorSpec& op) {
  return std::holds_alternative<plan::WhereSpec>(op.kind) || std::holds_alternative<plan::SelectSpec>(op.kind) ||
         std::holds_alternative<plan::EventTimeSpec>(op.kind) || std::holds_alternative<plan::AggregateSpec>(op.kind) ||
         std::holds_alternative<plan::TopSpec>(op.kind);
}

/// Every subtask asks the table for its keys, or reads the whole of it.
Result<std::unique_ptr<op::Operator>> MakeLookup(const plan::LookupSpec& spec, const arrow::Schema& input,
                                                 const TaskEnvironment& environment, connector::ConnectorContext context) {
  if (spec.table->IsLookedUpIn()) {
    HR_ASSIGN_OR_RAISE(auto client, connector::MakeTableClient(*spec.table, spec.on, window::AsyncLookupJoin::FoundFields(spec)));
    return window::AsyncLookupJoin::Make(spec, std::move(client), input, std::move(context.on_waiting));
  }
  window::LookupJoin::Table table;
  HR_ASSIGN_OR_RAISE(table.reader, environment.connectors.source(*spec.table));
  HR_ASSIGN_OR_RAISE(table.splits, plan::PlanLocalSplits(*spec.table, 1));
  table.context = std::move(context);
  table.context.subtask = 0;
  table.context.parallelism = 1;
  return window::LookupJoin::Make(spec, std::move(table), input);
}

std::shared_ptr<arrow::Schema> InputSchema(const plan::ExecutionPlan& plan, const plan::ExecutionVertex& vertex, std::size_t input = 0);

/// The rows that come over an edge.
std::shared_ptr<arrow::Schema> EdgeSchema(const plan::ExecutionPlan& plan, const plan::ExecutionEdge& edge) {
  const plan::ExecutionVertex& producer = plan.vertices[edge.producer];
  if (edge.tag.empty()) return producer.operators.back().schema;
  if (std::holds_alternative<plan::ProcessSpec>(producer.operators.back().kind)) return nullptr;
  // A side output has the rows that came into its operator, the last one of the vertex.
  const std::size_t operators = producer.operators.size();
  return plan::RowsOfSide(producer.operators.back(),
                          operators > 1 ? producer.operators[operators - 2].schema
                                        : InputSchema(plan, producer, plan::InputOfSide(producer.operators.back(), edge.tag)));
}

/// The rows that come into a vertex over one of its edges; null for untyped ones, and where there is none.
std::shared_ptr<arrow::Schema> InputSchema(const plan::ExecutionPlan& plan, const plan::ExecutionVertex& vertex, std::size_t input) {
  return input < vertex.input_edges.size() ? EdgeSchema(plan, plan.edges[vertex.input_edges[input]]) : nullptr;
}

Schemas InputSchemas(const plan::ExecutionPlan& plan, const plan::ExecutionVertex& vertex) {
  Schemas schemas;
  for (const std::uint32_t edge : vertex.input_edges) schemas.push_back(EdgeSchema(plan, plan.edges[edge]));
  return schemas;
}

/// What the rows that come into operator `at` mean, by input.
std::vector<plan::Changelog> InputChangelogs(const plan::ExecutionPlan& plan, const plan::ExecutionVertex& vertex, std::size_t at) {
  if (at > 0) return {vertex.operators[at - 1].changelog};
  std::vector<plan::Changelog> changelogs;
  for (const std::uint32_t number : vertex.input_edges) {
    const plan::ExecutionEdge& edge = plan.edges[number];
    changelogs.push_back(edge.tag.empty() ? plan.vertices[edge.producer].operators.back().changelog : plan::Changelog::kAppend);
  }
  return changelogs;
}

/// In front of a shuffle into an aggregate that lets its rows be added up before it.
Status AddLocalAggregate(const plan::ExecutionPlan& plan, const plan::ExecutionVertex& vertex, TaskParts* parts) {
  if (vertex.output_edges.size() != 1) return Status::OK();
  const plan::ExecutionEdge& edge = plan.edges[vertex.output_edges[0]];
  if (!edge.tag.empty() || (edge.partitioning != plan::Partitioning::kHash && edge.partitioning != plan::Partitioning::kRebalance))
    return Status::OK();
  if (vertex.operators.back().changelog != plan::Changelog::kAppend) return Status::OK();
  const plan::OperatorSpec& consumer = plan.vertices[edge.consumer].operators.front();
  const auto* aggregate = std::get_if<plan::AggregateSpec>(&consumer.kind);
  if (aggregate == nullptr) return Status::OK();
  HR_ASSIGN_OR_RAISE(auto made, window::LocalAggregate::Make(*aggregate, vertex.operators.back().schema));
  if (made != nullptr) parts->links.push_back(MakeLink(std::move(made), consumer.name + " (before the exchange)", consumer));
  return Status::OK();
}

/// Right behind a source, `times` keeps a watermark for each split. Both may be none.
void TellOfSplits(op::EventTimeOperator* times, SourcePart* source) {
  if (times == nullptr || source->reader == nullptr) return;
  if (source->reader->tells_splits()) times->FollowSplits();
  times->Align();
  if (source->reader->pauses_splits()) times->PauseSplits();
  source->times = times;
}

/// A sink's spec with the rows that come to it.
plan::ConnectorSpec WithRows(plan::ConnectorSpec sink, std::shared_ptr<arrow::Schema> rows, plan::Changelog changelog) {
  if (rows != nullptr && changelog != plan::Changelog::kAppend) {
    arrow::FieldVector fields = rows->fields();
    fields.push_back(arrow::field(std::string(columnar::kRowKindColumn), arrow::uint8(), /*nullable=*/false));
    rows = arrow::schema(std::move(fields), rows->metadata());
  }
  sink.schema = std::move(rows);
  return sink;
}

}  // namespace

op::ChainLink MakeLink(std::unique_ptr<op::Operator> made, std::string name, const plan::OperatorSpec& op) {
#ifndef NDEBUG
  made = op::MakeCheckingOperator(std::move(made), name);
#endif
  return {std::move(made), std::move(name), op.uid.str(), op.Describe(), op.location.file.empty() ? std::string() : op.location.ToString()};
}

Result<TaskParts> BuildParts(const TaskSpec& spec, const TaskEnvironment& environment, TaskVitals* vitals, Waker* waker) {
  if (spec.attempt.vertex >= spec.plan->vertices.size()) return Status::Invalid("the plan has no vertex ", spec.attempt.vertex);
  const plan::ExecutionVertex& vertex = spec.vertex();
  if (spec.attempt.subtask >= vertex.parallelism) return Status::Invalid("vertex ", vertex.name, " has no subtask ", spec.attempt.subtask);
  TaskParts parts;
  const std::uint32_t max_parallelism = spec.plan->settings.max_parallelism;
  parts.context = {spec.attempt.job,
                   spec.plan->job_name,
                   spec.attempt.subtask,
                   vertex.parallelism,
                   max_parallelism,
                   columnar::KeyGroupsOf(spec.attempt.subtask, vertex.parallelism, max_parallelism),
                   waker,
                   environment.clock,
                   environment.metrics,
                   {{"job_id", spec.attempt.job.str()}, {"job_name", spec.plan->job_name}, {"tm", environment.task_manager}}};
  parts.context.state_bytes = &vitals->state_bytes;
  parts.context.late_records = &vitals->late_records;
  const AttemptId& attempt = spec.attempt;
  parts.context.vertex = attempt.job.str();
  parts.context.vertex.append(1, '/').append(std::to_string(attempt.deployment)).append(1, '/').append(std::to_string(attempt.vertex));
  if (environment.cut_batches_seed != 0)
    parts.cutter = std::make_unique<BatchCutter>(environment.cut_batches_seed + spec.attempt.vertex * 1'000'003ull + spec.attempt.subtask);
  parts.context.event_time = &vitals->event_time;
  parts.context.alignment = environment.alignment;
  for (std::size_t at = 0; at < vertex.operators.size();) {
    const plan::OperatorSpec& op = vertex.operators[at];
    const auto input = at > 0 ? vertex.operators[at - 1].schema : InputSchema(*spec.plan, vertex);
    if (IsBuiltWithPython(op)) {
      std::vector<std::shared_ptr<arrow::Schema>> inputs = {input};
      if (at == 0 && vertex.input_edges.size() > 1) inputs.push_back(InputSchema(*spec.plan, vertex, 1));
      const bool first = parts.links.empty();
      op::EventTimeOperator* times = nullptr;
      HR_RETURN_NOT_OK(AddPythonLinks(spec, environment, inputs, &at, &parts.links, &times));
      if (first) TellOfSplits(times, &parts.source);
      continue;
    }
    if (IsJoinPart(op)) {
      const auto inputs = at > 0 ? Schemas{vertex.operators[at - 1].schema} : InputSchemas(*spec.plan, vertex);
      HR_ASSIGN_OR_RAISE(auto made, MakeFolding(spec, environment, op, [&](op::FoldBook* folds) {
                           return MakeJoinPart(op, inputs, InputChangelogs(*spec.plan, vertex, at), folds);
                         }));
      parts.links.push_back(MakeLink(std::move(made), op.name, op));
      ++at;
      continue;
    }
    if (IsRelational(op)) {
      op::EventTimeOperator* times = nullptr;
      HR_ASSIGN_OR_RAISE(op::ChainLink link, MakeRelationalLink(spec, environment, input, &at, &times));
      if (parts.links.empty()) TellOfSplits(times, &parts.source);
      parts.links.push_back(std::move(link));
      continue;
    }
    if (const auto* process = std::get_if<plan::ProcessSpec>(&op.kind)) {
      HR_ASSIGN_OR_RAISE(auto made, native::NativeProcess::Make(environment.native_libraries, *process, op.Describe(), input));
      parts.links.push_back(MakeLink(std::move(made), op.name, op));
      ++at;
      continue;
    }
    if (const auto* lookup = std::get_if<plan::LookupSpec>(&op.kind)) {
      HR_ASSIGN_OR_RAISE(auto made, MakeLookup(*lookup, *input, environment, MakeConnectorContext(spec, environment, op, vitals, waker)));
      parts.links.push_back(MakeLink(std::move(made), op.name, op));
      ++at;
      continue;
    }
    ++at;
    if (const auto* source = std::get_if<plan::SourceSpec>(&op.kind)) {
      if (at != 1) return Status::Invalid(op.Describe(), " is not at the head of its chain");
      HR_ASSIGN_OR_RAISE(parts.source.reader, environment.connectors.source(source->connector));
      parts.source.spec = &op;
      parts.source.context = MakeConnectorContext(spec, environment, op, vitals, waker);
    } else if (const auto* sink = std::get_if<plan::SinkSpec>(&op.kind)) {
      const auto changelogs = InputChangelogs(*spec.plan, vertex, at - 1);
      const auto changelog = changelogs.empty() ? plan::Changelog::kAppend : changelogs[0];
      HR_ASSIGN_OR_RAISE(auto writer, environment.connectors.sink(WithRows(sink->connector, input, changelog)));
      parts.links.push_back(MakeLink(
          std::make_unique<op::SinkOperator>(std::move(writer), MakeConnectorContext(spec, environment, op, vitals, waker)), op.name, op));
    } else {
      parts.links.push_back(MakeLink(std::make_unique<op::Union>(), op.name, op));
    }
  }
  if (environment.pre_aggregates) HR_RETURN_NOT_OK(AddLocalAggregate(*spec.plan, vertex, &parts));
  return parts;
}

}  // namespace headrace::data::task
