#include "data/python/record_rows.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <utility>

#include "columnar/value_encoding.h"
#include "data/python/worker_error.h"
#include "plan/row_schema.h"

namespace headrace::data::python {

void WriteNames(const arrow::Schema* schema, std::string* setup) {
  columnar::ValueWriter out(setup);
  if (schema == nullptr) return out.None();
  out.ListHeader(static_cast<std::uint64_t>(schema->num_fields()));
  for (const auto& field : schema->fields()) out.String(field->name());
}

Status AddRows(const columnar::DataBatch& batch, const arrow::Schema* schema, TableWriter* table) {
  const arrow::RecordBatch& records = *batch.records();
  if (schema != nullptr) {
    for (int i = 0; i < schema->num_fields(); ++i) HR_RETURN_NOT_OK(table->AddColumn(records.column(i)));
    return Status::OK();
  }
  if (batch.value_column() < 0) return Status::Invalid("a batch without a value column cannot go to a Python worker");
  HR_ASSIGN_OR_RAISE(const auto form, columnar::FormOf(*records.schema()->field(batch.value_column())));
  return table->AddValues(records.column(batch.value_column()), form);
}

void WriteRowSetup(const arrow::Schema* schema, std::string* setup) {
  columnar::ValueWriter writer(setup);
  writer.String("columns");
  WriteNames(schema, setup);
  writer.String("record");
  writer.String(schema == nullptr ? std::string() : plan::RecordTypeOf(*schema));
}

Result<columnar::DataBatch> RowsOf(const std::vector<TableColumn>& columns, std::size_t at, const std::shared_ptr<arrow::Schema>& returns,
                                   const StageSpec::Function& function) {
  if (returns == nullptr) {
    if (columns.size() != at + 1 || columns[at].values->null_count() != 0) return Status::Invalid("rows are not one column of values");
    return columnar::MakeValueBatch(columns[at].form, columns[at].values);
  }
  if (columns.size() != at + static_cast<std::size_t>(returns->num_fields())) return Status::Invalid("rows of another number of columns");
  arrow::ArrayVector typed;
  for (std::size_t i = at; i < columns.size(); ++i) {
    const auto& field = returns->field(static_cast<int>(i - at));
    if (columns[i].rows() != columns[at].rows()) return Status::Invalid("columns of different lengths");
    std::int64_t bad_row = 0;
    auto array = AsType(columns[i], field->type(), &bad_row);
    std::string why = array.ok() ? std::string() : array.status().message();
    if (array.ok() && !field->nullable() && (*array)->null_count() > 0) why = "None, but the column is declared to have no nulls";
    if (!why.empty())
      return FunctionFailure(ErrorCode::kPythonRaised,
                             fmt::format("{} gave a row whose column \"{}\" is wrong: {}", function.name, field->name(), why),
                             {{}, {}, 0, function.uid.str(), function.name});
    typed.push_back(std::move(*array));
  }
  const std::int64_t rows = typed[0]->length();
  return columnar::DataBatch(arrow::RecordBatch::Make(returns->WithMetadata(nullptr), rows, std::move(typed)));
}

}  // namespace headrace::data::python
