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
  HR_ASSIGN_OR_RAISE(auto program, Program::Compile(expressions, schema));
  return std::unique_ptr<Evaluator>(new Evaluator(std::move(program)));
}

Result<arrow::ArrayVector> Evaluator::Evaluate(const arrow::RecordBatch& batch) { return program_->Run(batch); }

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
