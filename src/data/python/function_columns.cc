#include "data/python/function_columns.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "columnar/ipc.h"
#include "columnar/value_encoding.h"
#include "data/python/array_block.h"
#include "data/python/python_stage.h"
#include "data/python/table_block.h"
#include "data/python/worker_error.h"
#include "plan/typed_expression.h"

namespace headrace::data::python {

namespace {

/// How deep Python calls stand inside each other: 0 for none.
std::size_t Depth(const plan::Expression& expression) {
  std::size_t depth = 0;
  for (const plan::Expression& argument : expression.arguments) depth = std::max(depth, Depth(argument));
  return depth + (expression.kind == plan::Expression::Kind::kUser ? 1 : 0);
}

/// "euros, digits", for errors.
std::string CallNames(const FunctionStep& step) {
  std::string names;
  for (const plan::Expression& call : step.calls) names += (names.empty() ? "" : ", ") + call.name;
  return names;
}

std::int64_t NumRows(const std::vector<columnar::DataBatch>& parts) {
  std::int64_t rows = 0;
  for (const columnar::DataBatch& part : parts) rows += part.num_rows();
  return rows;
}

std::size_t NumCalls(const std::vector<FunctionStep>& steps) {
  std::size_t count = 0;
  for (const FunctionStep& step : steps) count += step.calls.size();
  return count;
}

}  // namespace

plan::Expression SplitCalls(const plan::Expression& expression, std::vector<FunctionStep>* steps) {
  plan::Expression replaced = expression;
  replaced.arguments.clear();
  for (const plan::Expression& argument : expression.arguments) replaced.arguments.push_back(SplitCalls(argument, steps));
  if (expression.kind != plan::Expression::Kind::kUser) return replaced;
  const std::string name = fmt::format("__function{}", NumCalls(*steps));
  // A call whose arguments call nothing may go with any step of its kind; any other comes behind what it reads.
  auto step = steps->end();
  if (Depth(expression) == 1) step = std::ranges::find(*steps, expression.vectorized, &FunctionStep::vectorized);
  if (step == steps->end()) step = steps->insert(step, FunctionStep{{}, {}, expression.vectorized});
  step->calls.push_back(std::move(replaced));
  step->names.push_back(name);
  return plan::Expression::Column(name);
}

std::shared_ptr<arrow::Schema> WithFunctionColumns(const arrow::Schema& schema, const std::vector<FunctionStep>& steps) {
  arrow::FieldVector fields = schema.fields();
  for (const FunctionStep& step : steps) {
    for (std::size_t i = 0; i < step.calls.size(); ++i) fields.push_back(arrow::field(step.names[i], step.calls[i].type));
  }
  return arrow::schema(std::move(fields));
}

Result<std::unique_ptr<op::Operator>> FunctionColumns::Make(const FunctionStep& step, const std::shared_ptr<arrow::Schema>& schema,
                                                            WorkerPool* pool, std::uint32_t slot, const OperatorUid& uid) {
  std::unique_ptr<FunctionColumns> made(new FunctionColumns(step.vectorized ? kVectorRows : kScalarRows));
  made->pool_ = pool;
  made->slot_ = slot;
  made->vectorized_ = step.vectorized;
  made->schema_columns_ = schema->num_fields();
  made->spec_.kind = step.vectorized ? "vector" : "scalar";
  columnar::ValueWriter setup(&made->spec_.setup);
  setup.DictHeader(step.vectorized ? 3 : 1);
  setup.String("arguments");
  setup.ListHeader(step.calls.size());
  std::vector<plan::TypedExpression> arguments;
  arrow::FieldVector argument_fields;
  for (std::size_t i = 0; i < step.calls.size(); ++i) {
    const plan::Expression& call = step.calls[i];
    made->spec_.functions.push_back({plan::PythonFunction::Verb::kMap, uid, call.name, call.pickled});
    made->fields_.push_back(arrow::field(step.names[i], call.type));
    setup.ListHeader(call.arguments.size());
    for (const plan::Expression& argument : call.arguments) {
      setup.Int(static_cast<std::int64_t>(arguments.size()));
      HR_ASSIGN_OR_RAISE(plan::TypedExpression settled, plan::Settle(argument, *schema));
      argument_fields.push_back(
          arrow::field(fmt::format("a{}", arguments.size()), settled.type->id() == arrow::Type::NA ? arrow::int64() : settled.type));
      arguments.push_back(std::move(settled));
    }
  }
  if (step.vectorized) {
    const auto flat = [&](const arrow::Schema& what) -> Result<std::shared_ptr<arrow::Buffer>> {
      auto encoded = columnar::EncodeSchema(what);
      if (encoded.ok()) return encoded;
      return Error(ErrorCode::kInvalidPlan, fmt::format("the vectorized function {}: {}", CallNames(step), encoded.status().message()),
                   "Vectorized functions take and give columns without parts: no lists, no structs.");
    };
    HR_ASSIGN_OR_RAISE(const auto input, flat(arrow::Schema(argument_fields)));
    HR_ASSIGN_OR_RAISE(const auto output, flat(arrow::Schema(made->fields_)));
    setup.String("input");
    setup.Bytes(input->ToString());
    setup.String("output");
    setup.Bytes(output->ToString());
  }
  HR_ASSIGN_OR_RAISE(made->evaluator_, expression::Evaluator::Make(std::move(arguments), schema));
  return std::unique_ptr<op::Operator>(std::move(made));
}

Status FunctionColumns::Open(const op::OperatorContext& context) { return line_.Open(pool_, spec_, slot_, context); }

Status FunctionColumns::Process(std::uint32_t, columnar::DataBatch batch, op::Collector*) {
  waiting_.Push(std::move(batch));
  return StartTrips();
}

Status FunctionColumns::StartTrips() {
  while (!waiting_.empty() && line_.accepting()) {
    // While a trip is outstanding more rows gather, so that the next one is worth its way.
    if (!trips_.empty() && waiting_.rows() < trip_size_.rows()) return Status::OK();
    HR_RETURN_NOT_OK(Send(waiting_.TakeParts(trip_size_.rows())));
  }
  return Status::OK();
}

Status FunctionColumns::Send(Parts parts) {
  std::vector<arrow::ArrayVector> arguments;
  for (const columnar::DataBatch& part : parts) {
    HR_ASSIGN_OR_RAISE(const arrow::ArrayVector values, evaluator_->Evaluate(*part.records()));
    arguments.resize(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) arguments[i].push_back(values[i]);
  }
  if (vectorized_) {
    HR_ASSIGN_OR_RAISE(const ArrayWriter arrays, ArrayWriter::Make(std::move(arguments), NumRows(parts)));
    HR_RETURN_NOT_OK(line_.Send(arrays));
  } else {
    TableWriter table;
    for (const arrow::ArrayVector& argument : arguments) {
      std::shared_ptr<arrow::Array> whole = argument[0];
      if (argument.size() > 1) {
        HR_ASSIGN_OR_RAISE(whole, arrow::Concatenate(argument));
      }
      HR_RETURN_NOT_OK(table.AddColumn(whole));
    }
    HR_RETURN_NOT_OK(line_.Send(table));
  }
  trips_.push_back(std::move(parts));
  return Status::OK();
}

Status FunctionColumns::Poll(op::Collector* out) {
  for (;;) {
    HR_ASSIGN_OR_RAISE(auto answer, line_.Take());
    if (!answer) break;
    const Parts parts = std::move(trips_.front());
    trips_.pop_front();
    const std::int64_t rows = NumRows(parts);
    trip_size_.Took(rows, answer->user_nanoseconds);
    HR_ASSIGN_OR_RAISE(const arrow::ArrayVector results, vectorized_ ? VectorResults(*answer, rows) : Results(*answer, rows));
    std::int64_t at = 0;
    for (const columnar::DataBatch& part : parts) {
      arrow::ArrayVector own;
      for (const auto& result : results) own.push_back(result->Slice(at, part.num_rows()));
      at += part.num_rows();
      HR_RETURN_NOT_OK(Emit(part, std::move(own), out));
    }
  }
  HR_RETURN_NOT_OK(line_.status());
  return StartTrips();
}

Status FunctionColumns::NotOfType(std::size_t call, const Status& why) const {
  const StageSpec::Function& function = spec_.functions[call];
  return FunctionFailure(ErrorCode::kPythonRaised, fmt::format("{} gave {}", function.name, why.message()),
                         {{}, {}, 0, function.uid.str(), function.name});
}

Result<arrow::ArrayVector> FunctionColumns::Results(const TripAnswer& answer, std::int64_t rows) const {
  auto columns = ReadTable(answer.bytes);
  if (!columns.ok()) return BadAnswer(spec_, columns.status());
  if (columns->size() != fields_.size()) return BadAnswer(spec_, Status::Invalid("another number of columns"));
  arrow::ArrayVector results;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if ((*columns)[i].rows() != rows) return BadAnswer(spec_, Status::Invalid("another number of rows"));
    std::int64_t bad_row = 0;
    auto typed = AsType((*columns)[i], fields_[i]->type(), &bad_row);
    if (!typed.ok()) return NotOfType(i, typed.status());
    results.push_back(std::move(*typed));
  }
  return results;
}

Result<arrow::ArrayVector> FunctionColumns::VectorResults(const TripAnswer& answer, std::int64_t rows) const {
  auto arrays = ReadArrays(answer.bytes, fields_, rows);
  return arrays.ok() ? std::move(arrays) : BadAnswer(spec_, arrays.status());
}

Status FunctionColumns::Emit(const columnar::DataBatch& batch, arrow::ArrayVector results, op::Collector* out) {
  const arrow::RecordBatch& records = *batch.records();
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  for (int i = 0; i <= records.num_columns(); ++i) {
    if (i == schema_columns_) {
      fields.insert(fields.end(), fields_.begin(), fields_.end());
      columns.insert(columns.end(), results.begin(), results.end());
    }
    if (i == records.num_columns()) break;
    fields.push_back(records.schema()->field(i));
    columns.push_back(records.column(i));
  }
  return EmitInSlices(columnar::DataBatch(arrow::RecordBatch::Make(arrow::schema(std::move(fields)), batch.num_rows(), std::move(columns))),
                      out);
}

}  // namespace headrace::data::python
