#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "columnar/column_gatherer.h"
#include "data/expression/evaluator.h"
#include "data/operator/operator.h"
#include "plan/relational.h"

namespace headrace::data::op {

/// where() and then select() as one step: rows for which the condition holds, with computed columns.
/// Shape:  in typed batches, the schema's columns first, reserved ones behind; out the selected columns, reserved ones behind.
/// Errors: kExpressionFailed of a row; kInvalidPlan at Make() for what does not settle against the schema.
/// Thread: owning task's. Order of rows is kept; a batch without rows that hold gives none.
class Calc final : public Operator {
 public:
  /// `condition` may be none; `columns` null keeps the columns as they are.
  static Result<std::unique_ptr<Operator>> Make(const plan::Expression& condition, const plan::SelectSpec* columns,
                                                const std::shared_ptr<arrow::Schema>& input);
  Status Open(const OperatorContext& context) override { return Status::OK(); }
  Status Process(std::uint32_t input, columnar::DataBatch batch, Collector* out) override;

 private:
  Calc() = default;
  Status PrepareColumns(const std::vector<plan::NamedExpression>& columns, const std::shared_ptr<arrow::Schema>& input);
  Result<std::shared_ptr<arrow::RecordBatch>> Gather(const arrow::RecordBatch& batch, std::span<const std::uint32_t> rows);
  Result<std::shared_ptr<arrow::RecordBatch>> Compute(const arrow::RecordBatch& batch);
  std::shared_ptr<arrow::Schema> OutputSchema(const arrow::Schema& batch);

  std::unique_ptr<expression::Condition> condition_;
  std::unique_ptr<expression::Evaluator> evaluator_;  // null: columns stay
  int input_columns_ = 0;                             // of the schema; reserved ones stand behind
  std::vector<bool> read_;                            // by input column: an expression or the output needs it
  arrow::FieldVector fields_;                         // of the output, without reserved ones
  std::shared_ptr<arrow::Schema> last_input_, last_output_;
  std::vector<std::unique_ptr<columnar::ColumnGatherer>> gatherers_;  // by column of last_input_
};

}  // namespace headrace::data::op
