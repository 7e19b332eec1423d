#include "data/window/lookup_rows.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <utility>

#include "columnar/column_gatherer.h"

namespace headrace::data::window {

Result<std::shared_ptr<arrow::Array>> GatherColumn(const arrow::Array& column, std::span<const std::uint32_t> rows) {
  HR_ASSIGN_OR_RAISE(const auto gatherer, columnar::ColumnGatherer::Make(column.type()));
  HR_RETURN_NOT_OK(gatherer->Append(*column.data(), rows.data(), static_cast<std::int64_t>(rows.size())));
  HR_ASSIGN_OR_RAISE(const auto data, gatherer->Finish());
  return arrow::MakeArray(data);
}

Result<columnar::DataBatch> JoinFound(const arrow::RecordBatch& records, std::span<const std::uint32_t> probes,
                                      const arrow::FieldVector& found_fields, const arrow::ArrayVector& found) {
  bool all_once = static_cast<std::int64_t>(probes.size()) == records.num_rows();
  for (std::uint32_t i = 0; all_once && i < probes.size(); ++i) all_once = probes[i] == i;
  arrow::FieldVector fields, reserved_fields;
  arrow::ArrayVector arrays, reserved;
  for (int i = 0; i < records.num_columns(); ++i) {
    std::shared_ptr<arrow::Array> column = records.column(i);
    if (!all_once) {
      HR_ASSIGN_OR_RAISE(column, GatherColumn(*column, probes));
    }
    const auto& field = records.schema()->field(i);
    const bool is_reserved = field->name().starts_with("__");
    (is_reserved ? reserved_fields : fields).push_back(field);
    (is_reserved ? reserved : arrays).push_back(std::move(column));
  }
  fields.insert(fields.end(), found_fields.begin(), found_fields.end());
  arrays.insert(arrays.end(), found.begin(), found.end());
  fields.insert(fields.end(), reserved_fields.begin(), reserved_fields.end());
  arrays.insert(arrays.end(), reserved.begin(), reserved.end());
  return columnar::DataBatch(
      arrow::RecordBatch::Make(arrow::schema(std::move(fields)), static_cast<std::int64_t>(probes.size()), std::move(arrays)));
}

}  // namespace headrace::data::window
