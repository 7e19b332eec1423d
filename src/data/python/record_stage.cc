#include "data/python/record_stage.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "columnar/column_gatherer.h"
#include "columnar/typed_row_value.h"
#include "columnar/value_column.h"
#include "columnar/value_encoding.h"
#include "data/python/python_stage.h"
#include "data/python/record_rows.h"
#include "data/python/table_block.h"
#include "data/python/worker_error.h"
#include "plan/row_schema.h"

namespace headrace::data::python {

namespace {

using Verb = plan::PythonFunction::Verb;

/// The input rows that output rows came from, as the worker says.
Result<std::vector<std::uint32_t>> OriginsOf(std::span<const std::int64_t> origins, std::int64_t rows) {
  std::vector<std::uint32_t> checked;
  checked.reserve(origins.size());
  for (const std::int64_t origin : origins) {
    if (origin < 0 || origin >= rows) return Status::Invalid("a row came from row ", origin, " of ", rows);
    checked.push_back(static_cast<std::uint32_t>(origin));
  }
  return checked;
}

/// Columns of a batch by name, in a batch of their own.
std::shared_ptr<arrow::RecordBatch> Only(const arrow::RecordBatch& records, const std::vector<int>& places) {
  arrow::FieldVector fields;
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (const int place : places) {
    fields.push_back(records.schema()->field(place));
    columns.push_back(records.column_data(place));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), records.num_rows(), std::move(columns));
}

}  // namespace

Status RowTrips::Process(std::uint32_t, columnar::DataBatch batch, op::Collector*) {
  waiting_.Push(std::move(batch));
  return StartTrips();
}

Status RowTrips::StartTrips() {
  while (!waiting_.empty() && line_.accepting()) {
    HR_ASSIGN_OR_RAISE(columnar::DataBatch batch, waiting_.Take(trip_size_.rows()));
    TableWriter table;
    HR_RETURN_NOT_OK(AddRows(batch, schema_.get(), &table));
    HR_RETURN_NOT_OK(line_.Send(table));
    trips_.push_back(std::move(batch));
  }
  return Status::OK();
}

Status RowTrips::Poll(op::Collector* out) {
  for (;;) {
    HR_ASSIGN_OR_RAISE(auto answer, line_.Take());
    if (!answer) break;
    const columnar::DataBatch sent = std::move(trips_.front());
    trips_.pop_front();
    trip_size_.Took(sent.num_rows(), answer->user_nanoseconds);
    auto rows = Rows(sent, *answer);
    if (!rows.ok()) return FunctionError::Of(rows.status()) != nullptr ? rows.status() : BadAnswer(spec_, rows.status());
    if (rows->num_rows() > 0) HR_RETURN_NOT_OK(EmitInSlices(*rows, out));
  }
  HR_RETURN_NOT_OK(line_.status());
  return StartTrips();
}

RecordStage::RecordStage(WorkerPool* pool, StageSpec spec, std::uint32_t slot, std::shared_ptr<arrow::Schema> schema,
                         std::vector<std::shared_ptr<arrow::Schema>> returns)
    : RowTrips(pool, spec, slot, std::move(schema), TripSize::AtLeast(spec.most_in_flight(), kTripRows)),
      keyed_(spec_.functions.back().verb == Verb::kKeyBy) {
  spec_.kind = "records";
  columnar::ValueWriter setup(&spec_.setup);
  setup.DictHeader(3);
  WriteRowSetup(schema_.get(), &spec_.setup);
  setup.String("returns");
  setup.ListHeader(returns.size());
  for (std::size_t i = 0; i < returns.size(); ++i) {
    WriteNames(returns[i].get(), &spec_.setup);
    const Verb verb = spec_.functions[i].verb;
    if (verb != Verb::kMap && verb != Verb::kFlatMap) continue;
    returns_ = returns[i];
    maker_ = &spec_.functions[i];
  }
}

Result<columnar::DataBatch> RecordStage::Rows(const columnar::DataBatch& sent, const TripAnswer& answer) const {
  HR_ASSIGN_OR_RAISE(const auto columns, ReadTable(answer.bytes));
  const std::size_t rows_at = keyed_ ? 3 : 2;
  if (columns.size() < rows_at) return Status::Invalid("an answer of ", columns.size(), " columns");
  HR_ASSIGN_OR_RAISE(const auto head, columns[0].Ints("its head"));
  HR_ASSIGN_OR_RAISE(const auto origin_numbers, columns[1].Ints("origins"));
  const std::int64_t kind = maker_ == nullptr && schema_ != nullptr ? 0 : returns_ != nullptr ? 2 : 1;
  if (head.size() != 2 || head[0] != kind) return Status::Invalid("rows of another kind");
  const bool moved = head[1] != 0;
  HR_ASSIGN_OR_RAISE(const auto origins, OriginsOf(origin_numbers, sent.num_rows()));

  const arrow::RecordBatch& records = *sent.records();
  std::vector<int> kept;
  if (kind == 0) {
    for (int i = 0; i < schema_->num_fields(); ++i) kept.push_back(i);
  }
  for (const int place : {sent.event_time_column(), sent.row_kind_column()}) {
    if (place >= 0 && (kind == 0 ? place >= schema_->num_fields() : true)) kept.push_back(place);
  }
  auto carried = Only(records, kept);
  if (moved) {
    HR_ASSIGN_OR_RAISE(carried, columnar::GatherRows(*carried, origins));
  }
  std::shared_ptr<arrow::RecordBatch> rows = carried;
  if (kind != 0) {
    HR_ASSIGN_OR_RAISE(const columnar::DataBatch made,
                       RowsOf(columns, rows_at, returns_, maker_ == nullptr ? spec_.functions.back() : *maker_));
    rows = made.records();
    if (rows->num_rows() != (moved ? static_cast<std::int64_t>(origins.size()) : sent.num_rows()))
      return Status::Invalid("another number of rows");
    for (int i = 0; i < carried->num_columns(); ++i) {
      HR_ASSIGN_OR_RAISE(rows, rows->AddColumn(rows->num_columns(), carried->schema()->field(i), carried->column(i)));
    }
  }
  if (keyed_) {
    if (columns[2].form != columnar::ValueForm::kRawBytes || columns[2].values->null_count() != 0 || columns[2].rows() != rows->num_rows())
      return Status::Invalid("keys that do not belong to the rows");
    HR_ASSIGN_OR_RAISE(rows, rows->AddColumn(rows->num_columns(), columnar::KeyField(), columns[2].values));
  }
  return columnar::DataBatch(std::move(rows));
}

TimestampStage::TimestampStage(WorkerPool* pool, StageSpec spec, std::uint32_t slot, std::shared_ptr<arrow::Schema> schema)
    : RowTrips(pool, std::move(spec), slot, std::move(schema), TripSize(kTripRows)) {
  spec_.kind = "timestamps";
  columnar::ValueWriter(&spec_.setup).DictHeader(2);
  WriteRowSetup(schema_.get(), &spec_.setup);
}

Result<columnar::DataBatch> TimestampStage::Rows(const columnar::DataBatch& sent, const TripAnswer& answer) const {
  HR_ASSIGN_OR_RAISE(const auto columns, ReadTable(answer.bytes));
  const bool fits = columns.size() == 1 && columns[0].rows() == sent.num_rows() && columns[0].Ints("times").ok();
  if (!fits) return Status::Invalid("times that are not one for each row, or beyond 64 bits");
  const auto field = arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), /*nullable=*/false);
  const arrow::RecordBatch& records = *sent.records();
  HR_ASSIGN_OR_RAISE(auto timed, sent.event_time_column() >= 0 ? records.SetColumn(sent.event_time_column(), field, columns[0].values)
                                                               : records.AddColumn(records.num_columns(), field, columns[0].values));
  return columnar::DataBatch(std::move(timed));
}

Status RowsToValues::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  const arrow::RecordBatch& records = *batch.records();
  const std::string record = plan::RecordTypeOf(*schema_);
  columnar::ValueBatchBuilder builder(columnar::ValueForm::kEncoded);
  std::string row;
  for (std::int64_t i = 0; i < records.num_rows(); ++i) {
    row.clear();
    HR_RETURN_NOT_OK(columnar::AppendRecord(records, *schema_, record, i, &row));
    HR_RETURN_NOT_OK(builder.AppendBytes(row));
  }
  HR_ASSIGN_OR_RAISE(const columnar::DataBatch values, builder.Finish());
  std::shared_ptr<arrow::RecordBatch> made = values.records();
  for (int i = schema_->num_fields(); i < records.num_columns(); ++i) {
    HR_ASSIGN_OR_RAISE(made, made->AddColumn(made->num_columns(), records.schema()->field(i), records.column(i)));
  }
  return out->Emit(columnar::DataBatch(std::move(made)));
}

}  // namespace headrace::data::python
