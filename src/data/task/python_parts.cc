#include "data/task/python_parts.h"

#include <arrow/type.h>

#include <utility>

#include "data/operator/calc.h"
#include "data/operator/event_time.h"
#include "data/python/custom_watermarks.h"
#include "data/python/folding_aggregate.h"
#include "data/python/function_columns.h"
#include "data/python/keyed_process.h"
#include "data/python/keyed_reduce.h"
#include "data/python/python_stage.h"
#include "data/python/record_stage.h"
#include "plan/row_schema.h"

namespace headrace::data::task {

namespace {

using Verb = plan::PythonFunction::Verb;
using SchemaPtr = std::shared_ptr<arrow::Schema>;

/// Whether rows that reach operator `at` of a vertex have event times that somebody counts on.
bool CarriesTimes(const plan::ExecutionPlan& plan, const plan::ExecutionVertex& vertex, std::size_t at) {
  for (std::size_t i = 0; i < at; ++i) {
    if (std::holds_alternative<plan::EventTimeSpec>(vertex.operators[i].kind)) return true;
  }
  for (const std::uint32_t edge : vertex.input_edges) {
    const plan::ExecutionVertex& producer = plan.vertices[plan.edges[edge].producer];
    if (CarriesTimes(plan, producer, producer.operators.size())) return true;
  }
  return false;
}

/// The verbs from `at` that run in one trip.
void AddVerbs(const TaskSpec& spec, const TaskEnvironment& environment, const SchemaPtr& input, std::size_t* at,
              std::vector<op::ChainLink>* links) {
  const auto& operators = spec.vertex().operators;
  const plan::OperatorSpec& first = operators[*at];
  const bool carries_times = CarriesTimes(*spec.plan, spec.vertex(), *at);
  python::StageSpec stage;
  std::vector<SchemaPtr> returns;
  std::string name;
  bool typed = input != nullptr;
  while (*at < operators.size() && operators[*at].python() != nullptr) {
    const plan::OperatorSpec& op = operators[*at];
    const bool reduce = op.is_python(Verb::kReduce);
    // Calls that are waited for begin a stage, so that those of the next trip can begin before these end.
    if ((reduce || op.python()->in_flight > 0) && !stage.functions.empty()) break;
    stage.functions.push_back({op.python()->verb, op.uid, op.name, op.python()->pickled, op.python()->in_flight});
    returns.push_back(op.python()->returns);
    typed = typed || returns.back() != nullptr;
    name += (name.empty() ? "" : " -> ") + op.name;
    ++*at;
    if (reduce || op.is_python(Verb::kKeyBy)) break;
  }
  std::unique_ptr<op::Operator> made;
  if (first.is_python(Verb::kReduce)) {
    if (input != nullptr) links->push_back(MakeLink(std::make_unique<python::RowsToValues>(input), name, first));
    made = std::make_unique<python::KeyedReduce>(environment.pool, std::move(stage), spec.slot, environment.reduce_trip_rows);
  } else if (typed || carries_times) {
    made = std::make_unique<python::RecordStage>(environment.pool, std::move(stage), spec.slot, input, std::move(returns));
  } else {
    made = std::make_unique<python::PythonStage>(environment.pool, std::move(stage), spec.slot);
  }
  links->push_back(MakeLink(std::move(made), std::move(name), first));
}

/// A select() or where() that calls functions: a link for each step of calls, then the native rest.
Status AddCalls(const TaskSpec& spec, const TaskEnvironment& environment, const plan::OperatorSpec& op, const SchemaPtr& input,
                std::vector<op::ChainLink>* links) {
  std::vector<python::FunctionStep> steps;
  plan::Expression condition;
  plan::SelectSpec columns;
  if (const auto* where = std::get_if<plan::WhereSpec>(&op.kind)) {
    condition = python::SplitCalls(where->condition, &steps);
    for (const auto& field : input->fields()) columns.columns.push_back({field->name(), plan::Expression::Column(field->name())});
  } else {
    columns.columns = plan::ColumnsOf(std::get<plan::SelectSpec>(op.kind), *input);
    for (plan::NamedExpression& column : columns.columns) column.expression = python::SplitCalls(column.expression, &steps);
  }
  std::vector<python::FunctionStep> before;
  for (const python::FunctionStep& step : steps) {
    HR_ASSIGN_OR_RAISE(
        auto made, python::FunctionColumns::Make(step, python::WithFunctionColumns(*input, before), environment.pool, spec.slot, op.uid));
    links->push_back(MakeLink(std::move(made), op.name, op));
    before.push_back(step);
  }
  HR_ASSIGN_OR_RAISE(auto rest, op::Calc::Make(condition, &columns, python::WithFunctionColumns(*input, steps)));
  links->push_back(MakeLink(std::move(rest), op.name, op));
  return Status::OK();
}

Status AddEventTime(const TaskSpec& spec, const TaskEnvironment& environment, const plan::OperatorSpec& op, const SchemaPtr& input,
                    std::vector<op::ChainLink>* links, op::EventTimeOperator** times_made) {
  const auto& times = std::get<plan::EventTimeSpec>(op.kind);
  plan::EventTimeSpec rest = times;
  if (!times.pickled.empty()) {
    python::StageSpec stage;
    stage.functions.push_back({Verb::kMap, op.uid, op.name, times.pickled});
    links->push_back(MakeLink(std::make_unique<python::TimestampStage>(environment.pool, std::move(stage), spec.slot, input), op.name, op));
    // Its rows have their times now: the rest is as with those of a connector.
    rest.pickled.clear();
  }
  if (rest.strategy == plan::EventTimeSpec::Strategy::kCustom) {
    HR_ASSIGN_OR_RAISE(auto made, python::CustomWatermarks::Make(rest, input, environment.pool, spec.slot, op.uid));
    *times_made = made->times();
    links->push_back(MakeLink(std::move(made), op.name, op));
    return Status::OK();
  }
  HR_ASSIGN_OR_RAISE(auto made, op::EventTimeOperator::Make(rest, input));
  *times_made = made.get();
  links->push_back(MakeLink(std::move(made), op.name, op));
  return Status::OK();
}

}  // namespace

bool IsBuiltWithPython(const plan::OperatorSpec& op) {
  return plan::RunsPython(op) && !std::holds_alternative<plan::AggregateSpec>(op.kind);
}

Status AddPythonLinks(const TaskSpec& spec, const TaskEnvironment& environment, const std::vector<SchemaPtr>& inputs, std::size_t* at,
                      std::vector<op::ChainLink>* links, op::EventTimeOperator** times_made) {
  if (environment.pool == nullptr) return Error(ErrorCode::kInternal, "a plan without Python has a Python operator");
  const plan::OperatorSpec& op = spec.vertex().operators[*at];
  if (op.python() != nullptr) {
    AddVerbs(spec, environment, inputs[0], at, links);
    return Status::OK();
  }
  ++*at;
  if (const auto* process = std::get_if<plan::ProcessSpec>(&op.kind)) {
    python::StageSpec::Function function{Verb::kMap, op.uid, op.name, process->pickled};
    plan::ProcessSpec made = *process;
    if (made.triggers) made.returns = op.schema;
    links->push_back(MakeLink(
        std::make_unique<python::KeyedProcess>(environment.pool, std::move(function), spec.slot, std::move(made), inputs), op.name, op));
    return Status::OK();
  }
  if (std::holds_alternative<plan::EventTimeSpec>(op.kind)) return AddEventTime(spec, environment, op, inputs[0], links, times_made);
  return AddCalls(spec, environment, op, inputs[0], links);
}

Result<std::unique_ptr<op::Operator>> MakeFolding(const TaskSpec& spec, const TaskEnvironment& environment, const plan::OperatorSpec& op,
                                                  const std::function<Result<std::unique_ptr<op::Operator>>(op::FoldBook*)>& make) {
  const auto* aggregate = std::get_if<plan::AggregateSpec>(&op.kind);
  if (aggregate == nullptr || !plan::RunsPython(op)) return make(nullptr);
  if (environment.pool == nullptr) return Error(ErrorCode::kInternal, "a plan without Python has a Python operator");
  auto folds = std::make_unique<op::FoldBook>();
  HR_ASSIGN_OR_RAISE(auto inside, make(folds.get()));
  return python::FoldingAggregate::Make(std::move(inside), std::move(folds), *aggregate, environment.pool, spec.slot, op.uid);
}

}  // namespace headrace::data::task
