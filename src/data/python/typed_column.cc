#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <limits>
#include <utility>

#include "columnar/typed_column_builder.h"
#include "columnar/typed_row_value.h"
#include "columnar/value_encoding.h"
#include "data/python/table_block.h"
#include "plan/function_types.h"

namespace headrace::data::python {

namespace {

using columnar::ValueForm;

/// The row as Python would show it.
std::string Shown(const TableColumn& column, std::int64_t row) {
  std::string encoded;
  if (column.form == ValueForm::kEncoded)
    encoded = std::string(static_cast<const arrow::LargeBinaryArray&>(*column.values).GetView(row));
  else if (column.form == ValueForm::kRawBytes)
    columnar::ValueWriter(&encoded).Bytes(static_cast<const arrow::LargeBinaryArray&>(*column.values).GetView(row));
  else if (!columnar::AppendColumnValue(*column.values, row, &encoded).ok())
    return "a value";
  return columnar::ReprOf(encoded, 80);
}

Status Unfit(const TableColumn& column, std::int64_t row, const arrow::DataType& type, std::int64_t* bad_row) {
  *bad_row = row;
  return Status::Invalid(fmt::format("{} is not of the declared type {}", Shown(column, row), plan::TypeName(type)));
}

template <typename Builder, typename Number>
Result<std::shared_ptr<arrow::Array>> Narrow(const TableColumn& column, const arrow::DataType& type, std::int64_t* bad_row) {
  const auto& from = static_cast<const arrow::Int64Array&>(*column.values);
  Builder builder;
  HR_RETURN_NOT_OK(builder.Reserve(from.length()));
  for (std::int64_t i = 0; i < from.length(); ++i) {
    if (from.IsNull(i)) {
      builder.UnsafeAppendNull();
      continue;
    }
    const std::int64_t value = from.Value(i);
    if (static_cast<std::int64_t>(static_cast<Number>(value)) != value || (std::numeric_limits<Number>::min() == 0 && value < 0))
      return Unfit(column, i, type, bad_row);
    builder.UnsafeAppend(static_cast<Number>(value));
  }
  return builder.Finish();
}

template <typename From, typename Builder, typename Number>
Result<std::shared_ptr<arrow::Array>> Convert(const TableColumn& column) {
  const auto& from = static_cast<const From&>(*column.values);
  Builder builder;
  HR_RETURN_NOT_OK(builder.Reserve(from.length()));
  for (std::int64_t i = 0; i < from.length(); ++i) {
    if (from.IsNull(i))
      builder.UnsafeAppendNull();
    else
      builder.UnsafeAppend(static_cast<Number>(from.Value(i)));
  }
  return builder.Finish();
}

template <typename From, typename Builder>
Result<std::shared_ptr<arrow::Array>> ShortOffsets(const TableColumn& column) {
  const auto& from = static_cast<const From&>(*column.values);
  Builder builder;
  HR_RETURN_NOT_OK(builder.Reserve(from.length()));
  HR_RETURN_NOT_OK(builder.ReserveData(from.total_values_length()));
  for (std::int64_t i = 0; i < from.length(); ++i) {
    if (from.IsNull(i))
      builder.UnsafeAppendNull();
    else
      builder.UnsafeAppend(from.GetView(i));
  }
  return builder.Finish();
}

/// Row by row, whatever the form.
Result<std::shared_ptr<arrow::Array>> ByRow(const TableColumn& column, const std::shared_ptr<arrow::DataType>& type,
                                            std::int64_t* bad_row) {
  HR_ASSIGN_OR_RAISE(auto builder, columnar::TypedColumnBuilder::Make(type));
  std::string encoded;
  for (std::int64_t i = 0; i < column.rows(); ++i) {
    if (column.values->IsNull(i)) {
      HR_RETURN_NOT_OK(builder->AppendNull());
      continue;
    }
    encoded.clear();
    if (column.form == ValueForm::kRawBytes)
      columnar::ValueWriter(&encoded).Bytes(static_cast<const arrow::LargeBinaryArray&>(*column.values).GetView(i));
    else
      HR_RETURN_NOT_OK(columnar::AppendColumnValue(*column.values, i, &encoded));
    if (!builder->Append(encoded).ok()) return Unfit(column, i, *type, bad_row);
  }
  return builder->Finish();
}

}  // namespace

Result<std::shared_ptr<arrow::Array>> AsType(const TableColumn& column, const std::shared_ptr<arrow::DataType>& type,
                                             std::int64_t* bad_row) {
  const auto id = type->id();
  if (column.form == ValueForm::kInt64) {
    switch (id) {
      case arrow::Type::INT64:
        return column.values;
      case arrow::Type::INT8:
        return Narrow<arrow::Int8Builder, std::int8_t>(column, *type, bad_row);
      case arrow::Type::INT16:
        return Narrow<arrow::Int16Builder, std::int16_t>(column, *type, bad_row);
      case arrow::Type::INT32:
        return Narrow<arrow::Int32Builder, std::int32_t>(column, *type, bad_row);
      case arrow::Type::UINT8:
        return Narrow<arrow::UInt8Builder, std::uint8_t>(column, *type, bad_row);
      case arrow::Type::UINT16:
        return Narrow<arrow::UInt16Builder, std::uint16_t>(column, *type, bad_row);
      case arrow::Type::UINT32:
        return Narrow<arrow::UInt32Builder, std::uint32_t>(column, *type, bad_row);
      case arrow::Type::DOUBLE:
        return Convert<arrow::Int64Array, arrow::DoubleBuilder, double>(column);
      case arrow::Type::FLOAT:
        return Convert<arrow::Int64Array, arrow::FloatBuilder, float>(column);
      default:
        break;
    }
  }
  if (column.form == ValueForm::kFloat64 && id == arrow::Type::DOUBLE) return column.values;
  if (column.form == ValueForm::kFloat64 && id == arrow::Type::FLOAT)
    return Convert<arrow::DoubleArray, arrow::FloatBuilder, float>(column);
  if (column.form == ValueForm::kBool && id == arrow::Type::BOOL) return column.values;
  if (column.form == ValueForm::kUtf8 && id == arrow::Type::STRING)
    return ShortOffsets<arrow::LargeStringArray, arrow::StringBuilder>(column);
  if (column.form == ValueForm::kRawBytes && id == arrow::Type::BINARY)
    return ShortOffsets<arrow::LargeBinaryArray, arrow::BinaryBuilder>(column);
  if (column.form == ValueForm::kEncoded && id == arrow::Type::LARGE_BINARY) return column.values;
  return ByRow(column, type, bad_row);
}

}  // namespace headrace::data::python
