#include "data/operator/calc.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <utility>

#include "plan/row_schema.h"
#include "plan/typed_expression.h"

namespace headrace::data::op {

Result<std::unique_ptr<Operator>> Calc::Make(const plan::Expression& condition, const plan::SelectSpec* columns,
                                             const std::shared_ptr<arrow::Schema>& input) {
  std::unique_ptr<Calc> calc(new Calc());
  calc->input_columns_ = input->num_fields();
  calc->read_.assign(static_cast<std::size_t>(input->num_fields()), columns == nullptr);
  if (condition) {
    HR_ASSIGN_OR_RAISE(plan::TypedExpression settled, plan::Settle(condition, *input));
    HR_ASSIGN_OR_RAISE(calc->condition_, expression::Condition::Make(std::move(settled), input));
  }
  if (columns == nullptr)
    calc->fields_ = input->fields();
  else
    HR_RETURN_NOT_OK(calc->PrepareColumns(plan::ColumnsOf(*columns, *input), input));
  return std::unique_ptr<Operator>(std::move(calc));
}

Status Calc::PrepareColumns(const std::vector<plan::NamedExpression>& columns, const std::shared_ptr<arrow::Schema>& input) {
  std::vector<plan::TypedExpression> settled;
  for (const plan::NamedExpression& column : columns) {
    HR_ASSIGN_OR_RAISE(plan::TypedExpression typed, plan::Settle(column.expression, *input));
    fields_.push_back(arrow::field(column.name, typed.type->id() == arrow::Type::NA ? arrow::int64() : typed.type, typed.nullable));
    for (const std::string& name : plan::ColumnsOf(column.expression)) read_[static_cast<std::size_t>(input->GetFieldIndex(name))] = true;
    settled.push_back(std::move(typed));
  }
  HR_ASSIGN_OR_RAISE(evaluator_, expression::Evaluator::Make(std::move(settled), input));
  return Status::OK();
}

std::shared_ptr<arrow::Schema> Calc::OutputSchema(const arrow::Schema& batch) {
  arrow::FieldVector fields = fields_;
  for (int i = input_columns_; i < batch.num_fields(); ++i) fields.push_back(batch.field(i));
  return arrow::schema(std::move(fields));
}

Status Calc::Process(std::uint32_t, columnar::DataBatch batch, Collector* out) {
  std::shared_ptr<arrow::RecordBatch> records = batch.records();
  if (records->schema() != last_input_ && (last_input_ == nullptr || !records->schema()->Equals(*last_input_, /*check_metadata=*/false))) {
    last_input_ = records->schema();
    last_output_ = OutputSchema(*last_input_);
    gatherers_.clear();
    gatherers_.resize(static_cast<std::size_t>(last_input_->num_fields()));
  }
  if (condition_ != nullptr) {
    HR_ASSIGN_OR_RAISE(const auto rows, condition_->Rows(*records));
    if (rows.empty()) return Status::OK();
    if (static_cast<std::int64_t>(rows.size()) < records->num_rows()) {
      HR_ASSIGN_OR_RAISE(records, Gather(*records, rows));
    }
  }
  if (evaluator_ != nullptr) {
    HR_ASSIGN_OR_RAISE(records, Compute(*records));
  }
  return out->Emit(columnar::DataBatch(std::move(records)));
}

Result<std::shared_ptr<arrow::RecordBatch>> Calc::Gather(const arrow::RecordBatch& batch, std::span<const std::uint32_t> rows) {
  const auto count = static_cast<std::int64_t>(rows.size());
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (int i = 0; i < batch.num_columns(); ++i) {
    const bool needed = i >= input_columns_ || read_[static_cast<std::size_t>(i)];
    if (!needed) {
      // Nobody reads it: the column stands for its place only.
      columns.push_back(batch.column_data(i)->Slice(0, count));
      continue;
    }
    auto& gatherer = gatherers_[static_cast<std::size_t>(i)];
    if (gatherer == nullptr) {
      HR_ASSIGN_OR_RAISE(gatherer, columnar::ColumnGatherer::Make(batch.column_data(i)->type));
    }
    HR_RETURN_NOT_OK(gatherer->Append(*batch.column_data(i), rows.data(), count));
    HR_ASSIGN_OR_RAISE(auto gathered, gatherer->Finish());
    columns.push_back(std::move(gathered));
  }
  return arrow::RecordBatch::Make(batch.schema(), count, std::move(columns));
}

Result<std::shared_ptr<arrow::RecordBatch>> Calc::Compute(const arrow::RecordBatch& batch) {
  HR_ASSIGN_OR_RAISE(arrow::ArrayVector arrays, evaluator_->Evaluate(batch));
  for (int i = input_columns_; i < batch.num_columns(); ++i) arrays.push_back(batch.column(i));
  return arrow::RecordBatch::Make(last_output_, batch.num_rows(), std::move(arrays));
}

}  // namespace headrace::data::op
