#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "plan/typed_expression.h"

namespace headrace::data::expression {

class Program;

/// Evaluates settled expressions over batches of one schema: all of them in one pass, chunk by chunk, equal parts once.
/// Shape: in batches of the schema; out one array an expression. Columns that are passed on as they are share their buffers.
/// Errors: kExpressionFailed naming the expression, the row's values and the reason (overflow, division by zero, a cast that
/// does not fit); none for rows whose failing part is not used (behind if, case, coalesce, false & …).
/// Owned by its operator, used on the task's thread only.
class Evaluator {
 public:
  static Result<std::unique_ptr<Evaluator>> Make(std::vector<plan::TypedExpression> expressions,
                                                 const std::shared_ptr<arrow::Schema>& schema);
  ~Evaluator();
  Result<arrow::ArrayVector> Evaluate(const arrow::RecordBatch& batch);

 private:
  /// A result of the program, or a struct of those behind it.
  struct Shape {
    std::shared_ptr<arrow::DataType> type;
    std::vector<Shape> fields;
  };
  explicit Evaluator(std::unique_ptr<Program> program);
  /// Takes structs apart: their fields are results of the program.
  static Shape Flatten(plan::TypedExpression expression, std::vector<plan::TypedExpression>* flat);
  static std::shared_ptr<arrow::Array> Assemble(const Shape& shape, const arrow::ArrayVector& flat, std::int64_t rows, std::size_t* at);

  std::unique_ptr<Program> program_;
  std::vector<Shape> shapes_;  // of the results; none when no result is a struct
};

/// Picks the rows of batches for which a condition is true; null counts as false. As Evaluator otherwise.
class Condition {
 public:
  static Result<std::unique_ptr<Condition>> Make(plan::TypedExpression condition, const std::shared_ptr<arrow::Schema>& schema);
  ~Condition();
  /// Numbers of the rows that stay, ascending; until the next call.
  Result<std::span<const std::uint32_t>> Rows(const arrow::RecordBatch& batch);

 private:
  explicit Condition(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
  std::vector<std::uint32_t> rows_;
};

}  // namespace headrace::data::expression
