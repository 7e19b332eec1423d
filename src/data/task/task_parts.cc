#include "data/task/task_parts.h"

#include <utility>

#include "data/operator/checking.h"
#include "data/operator/sink_operator.h"
#include "data/operator/union.h"
#include "data/python/keyed_reduce.h"
#include "data/python/python_stage.h"

namespace headrace::data::task {

namespace {

using Verb = plan::PythonFunction::Verb;

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

op::ChainLink MakeLink(std::unique_ptr<op::Operator> made, std::string name, const plan::OperatorSpec& op) {
#ifndef NDEBUG
  made = op::MakeCheckingOperator(std::move(made), name);
#endif
  return {std::move(made), std::move(name), op.uid.str(), op.Describe(), op.location.file.empty() ? std::string() : op.location.ToString()};
}

/// The Python verbs from `at` that run in one trip; `at` moves behind them.
op::ChainLink MakePythonLink(const TaskSpec& spec, const TaskEnvironment& environment, std::size_t* at) {
  const auto& operators = spec.vertex().operators;
  const plan::OperatorSpec& first = operators[*at];
  python::StageSpec stage;
  std::string name;
  while (*at < operators.size() && operators[*at].python() != nullptr) {
    const plan::OperatorSpec& op = operators[*at];
    const bool reduce = op.is_python(Verb::kReduce);
    if (reduce && !stage.functions.empty()) break;
    stage.functions.push_back({op.python()->verb, op.uid, op.name, op.python()->pickled});
    name += (name.empty() ? "" : " -> ") + op.name;
    ++*at;
    if (reduce || op.is_python(Verb::kKeyBy)) break;
  }
  std::unique_ptr<op::Operator> made;
  if (first.is_python(Verb::kReduce)) {
    made = std::make_unique<python::KeyedReduce>(environment.pool, std::move(stage), spec.slot, environment.reduce_trip_rows);
  } else {
    made = std::make_unique<python::PythonStage>(environment.pool, std::move(stage), spec.slot);
  }
  return MakeLink(std::move(made), std::move(name), first);
}

}  // namespace

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
                   environment.metrics,
                   {{"job_id", spec.attempt.job.str()}, {"job_name", spec.plan->job_name}, {"tm", environment.task_manager}}};
  parts.context.state_bytes = &vitals->state_bytes;
  for (std::size_t at = 0; at < vertex.operators.size();) {
    const plan::OperatorSpec& op = vertex.operators[at];
    if (op.python() != nullptr) {
      if (environment.pool == nullptr) return Error(ErrorCode::kInternal, "a plan without Python has a Python operator");
      parts.links.push_back(MakePythonLink(spec, environment, &at));
      continue;
    }
    ++at;
    if (const auto* source = std::get_if<plan::SourceSpec>(&op.kind)) {
      if (at != 1) return Status::Invalid(op.Describe(), " is not at the head of its chain");
      HR_ASSIGN_OR_RAISE(parts.source.reader, environment.connectors.source(source->connector));
      parts.source.spec = &op;
      parts.source.context = MakeConnectorContext(spec, environment, op, vitals, waker);
    } else if (const auto* sink = std::get_if<plan::SinkSpec>(&op.kind)) {
      HR_ASSIGN_OR_RAISE(auto writer, environment.connectors.sink(sink->connector));
      parts.links.push_back(MakeLink(
          std::make_unique<op::SinkOperator>(std::move(writer), MakeConnectorContext(spec, environment, op, vitals, waker)), op.name, op));
    } else {
      parts.links.push_back(MakeLink(std::make_unique<op::Union>(), op.name, op));
    }
  }
  return parts;
}

}  // namespace headrace::data::task
