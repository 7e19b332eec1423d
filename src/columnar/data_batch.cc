#include "columnar/data_batch.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/byte_size.h>

namespace headrace::columnar {
namespace {

template <typename Offset>
std::int64_t VariableBytes(const arrow::ArrayData& data) {
  if (data.length == 0 || data.buffers.size() < 3 || data.buffers[1] == nullptr) return 0;
  const auto* offsets = data.GetValues<Offset>(1);
  return static_cast<std::int64_t>(offsets[data.length] - offsets[0]) + (data.length + 1) * static_cast<std::int64_t>(sizeof(Offset));
}

std::int64_t ColumnBytes(const arrow::ArrayData& data) {
  const std::int64_t validity = !data.buffers.empty() && data.buffers[0] != nullptr ? (data.length + 7) / 8 : 0;
  switch (data.type->id()) {
    case arrow::Type::BINARY:
    case arrow::Type::STRING:
      return validity + VariableBytes<std::int32_t>(data);
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::LARGE_STRING:
      return validity + VariableBytes<std::int64_t>(data);
    case arrow::Type::NA:
      return 0;
    default:
      break;
  }
  if (arrow::is_fixed_width(data.type->id()) && data.type->num_fields() == 0)
    return validity + (data.length * data.type->bit_width() + 7) / 8;
  return arrow::util::ReferencedBufferSize(data).ValueOr(arrow::util::TotalBufferSize(data));
}

}  // namespace

DataBatch::DataBatch(std::shared_ptr<arrow::RecordBatch> records) : records_(std::move(records)) {
  if (records_ == nullptr) return;
  const auto& fields = records_->schema()->fields();
  int columns = 0;  // but for the reserved ones
  for (int i = 0; i < static_cast<int>(fields.size()); ++i) {
    const std::string& name = fields[static_cast<std::size_t>(i)]->name();
    if (!name.starts_with("__")) ++columns;
    if (name == kValueColumn)
      value_column_ = i;
    else if (name == kKeyColumn)
      key_column_ = i;
    else if (name == kKeyHashColumn)
      key_hash_column_ = i;
    else if (name == kEventTimeColumn)
      event_time_column_ = i;
    else if (name == kRowKindColumn)
      row_kind_column_ = i;
    size_bytes_ += ColumnBytes(*records_->column_data(i));
  }
  // Beside others it is a column of typed rows that happens to have this name.
  if (columns > 1) value_column_ = -1;
}

std::int64_t DataBatch::num_rows() const { return records_ == nullptr ? 0 : records_->num_rows(); }

DataBatch DataBatch::Slice(std::int64_t offset, std::int64_t length) const {
  return records_ == nullptr ? DataBatch() : DataBatch(records_->Slice(offset, length));
}

}  // namespace headrace::columnar
