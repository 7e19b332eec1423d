#include "data/expression/evaluator.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <utility>

#include "data/expression/program.h"

namespace headrace::data::expression {

Evaluator::Evaluator(std::unique_ptr<Program> program) : program_(std::move(program)) {}
Evaluator::~Evaluator() = default;

Result<std::unique_ptr<Evaluator>> Evaluator::Make(std::vector<plan::TypedExpression> expressions,
                                                   const std::shared_ptr<arrow::Schema>& schema) {
  std::vector<plan::TypedExpression> flat;
  std::vector<Shape> shapes;
  bool has_structs = false;
  for (plan::TypedExpression& expression : expressions) {
    shapes.push_back(Flatten(std::move(expression), &flat));
    has_structs = has_structs || !shapes.back().fields.empty();
  }
  HR_ASSIGN_OR_RAISE(auto program, Program::Compile(flat, schema));
  auto made = std::unique_ptr<Evaluator>(new Evaluator(std::move(program)));
  if (has_structs) made->shapes_ = std::move(shapes);
  return made;
}

Evaluator::Shape Evaluator::Flatten(plan::TypedExpression expression, std::vector<plan::TypedExpression>* flat) {
  Shape shape{expression.type, {}};
  if (expression.kind != plan::TypedExpression::Kind::kCall || expression.function != plan::Function::kStruct) {
    flat->push_back(std::move(expression));
    return shape;
  }
  for (std::size_t i = 1; i < expression.arguments.size(); i += 2)
    shape.fields.push_back(Flatten(std::move(expression.arguments[i]), flat));
  return shape;
}

std::shared_ptr<arrow::Array> Evaluator::Assemble(const Shape& shape, const arrow::ArrayVector& flat, std::int64_t rows, std::size_t* at) {
  if (shape.fields.empty()) return flat[(*at)++];
  arrow::ArrayVector fields;
  for (const Shape& field : shape.fields) fields.push_back(Assemble(field, flat, rows, at));
  return std::make_shared<arrow::StructArray>(shape.type, rows, std::move(fields));
}

Result<arrow::ArrayVector> Evaluator::Evaluate(const arrow::RecordBatch& batch) {
  HR_ASSIGN_OR_RAISE(arrow::ArrayVector flat, program_->Run(batch));
  if (shapes_.empty()) return flat;
  arrow::ArrayVector results;
  std::size_t at = 0;
  for (const Shape& shape : shapes_) results.push_back(Assemble(shape, flat, batch.num_rows(), &at));
  return results;
}

Condition::Condition(std::unique_ptr<Program> program) : program_(std::move(program)) {}
Condition::~Condition() = default;

Result<std::unique_ptr<Condition>> Condition::Make(plan::TypedExpression condition, const std::shared_ptr<arrow::Schema>& schema) {
  if (condition.type->id() != arrow::Type::BOOL) return Status::Invalid("a condition is a bool, not ", condition.type->ToString());
  // A bare column goes through a kernel too, so that there is a register to look at.
  if (condition.kind == plan::TypedExpression::Kind::kColumn) {
    plan::TypedExpression both;
    both.kind = plan::TypedExpression::Kind::kCall;
    both.function = plan::Function::kAnd;
    both.type = condition.type;
    both.text = condition.text;
    both.arguments = {condition, condition};
    condition = std::move(both);
  }
  HR_ASSIGN_OR_RAISE(auto program, Program::Compile({condition}, schema));
  return std::unique_ptr<Condition>(new Condition(std::move(program)));
}

Result<std::span<const std::uint32_t>> Condition::Rows(const arrow::RecordBatch& batch) {
  HR_ASSIGN_OR_RAISE(const std::size_t kept, program_->Select(batch, &rows_));
  return std::span<const std::uint32_t>(rows_.data(), kept);
}

}  // namespace headrace::data::expression
