#include "data/python/table_block.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include <cstring>
#include <utility>

#include "columnar/typed_row_value.h"
#include "data/python/block_column.h"

namespace headrace::data::python {

namespace {

using columnar::ValueForm;

constexpr std::uint64_t kHeaderBytes = 8, kColumnBytes = 56, kAlignment = 64;
constexpr std::uint32_t kMaxColumns = 4096;

std::uint64_t Align(std::uint64_t at) { return (at + kAlignment - 1) / kAlignment * kAlignment; }

template <typename ArrayType>
void Widen(const arrow::Array& array, std::vector<std::int64_t>* out) {
  const auto* values = static_cast<const ArrayType&>(array).raw_values();
  out->assign(values, values + array.length());
}

template <typename ArrayType>
void CopyOffsets(const arrow::Array& array, std::vector<std::int64_t>* offsets, const std::uint8_t** data, std::uint64_t* length) {
  const auto& from = static_cast<const ArrayType&>(array);
  const auto* source = from.raw_value_offsets();
  const std::int64_t first = array.length() == 0 ? 0 : static_cast<std::int64_t>(source[0]);
  offsets->resize(static_cast<std::size_t>(array.length()) + 1);
  for (std::int64_t i = 0; i <= array.length(); ++i) (*offsets)[static_cast<std::size_t>(i)] = array.length() == 0 ? 0 : source[i] - first;
  *data = from.raw_data() == nullptr ? nullptr : from.raw_data() + first;
  *length = static_cast<std::uint64_t>(offsets->back());
}

}  // namespace

Status TableWriter::AddFixed(const arrow::Array& array, Column* column) {
  column->form = static_cast<std::uint32_t>(ValueForm::kInt64);
  switch (array.type_id()) {
    case arrow::Type::INT64: {
      column->data = reinterpret_cast<const std::uint8_t*>(static_cast<const arrow::Int64Array&>(array).raw_values());
      column->data_length = column->rows * 8;
      return Status::OK();
    }
    case arrow::Type::INT8:
      Widen<arrow::Int8Array>(array, &column->numbers);
      break;
    case arrow::Type::INT16:
      Widen<arrow::Int16Array>(array, &column->numbers);
      break;
    case arrow::Type::INT32:
      Widen<arrow::Int32Array>(array, &column->numbers);
      break;
    case arrow::Type::UINT8:
      Widen<arrow::UInt8Array>(array, &column->numbers);
      break;
    case arrow::Type::UINT16:
      Widen<arrow::UInt16Array>(array, &column->numbers);
      break;
    case arrow::Type::UINT32:
      Widen<arrow::UInt32Array>(array, &column->numbers);
      break;
    case arrow::Type::DOUBLE:
      column->form = static_cast<std::uint32_t>(ValueForm::kFloat64);
      column->data = reinterpret_cast<const std::uint8_t*>(static_cast<const arrow::DoubleArray&>(array).raw_values());
      column->data_length = column->rows * 8;
      return Status::OK();
    case arrow::Type::FLOAT: {
      column->form = static_cast<std::uint32_t>(ValueForm::kFloat64);
      column->bytes.resize(column->rows * 8);
      const float* values = static_cast<const arrow::FloatArray&>(array).raw_values();
      for (std::uint64_t i = 0; i < column->rows; ++i) {
        const double wide = values[i];
        std::memcpy(column->bytes.data() + i * 8, &wide, 8);
      }
      return Status::OK();
    }
    default: {
      column->form = static_cast<std::uint32_t>(ValueForm::kBool);
      column->bytes.resize(column->rows);
      const auto& bools = static_cast<const arrow::BooleanArray&>(array);
      for (std::uint64_t i = 0; i < column->rows; ++i) column->bytes[i] = bools.Value(static_cast<std::int64_t>(i)) ? 1 : 0;
      return Status::OK();
    }
  }
  return Status::OK();
}

Status TableWriter::AddVariable(const arrow::Array& array, Column* column) {
  column->form = static_cast<std::uint32_t>(ValueForm::kUtf8);
  switch (array.type_id()) {
    case arrow::Type::STRING:
      CopyOffsets<arrow::StringArray>(array, &column->offsets, &column->data, &column->data_length);
      break;
    case arrow::Type::LARGE_STRING:
      CopyOffsets<arrow::LargeStringArray>(array, &column->offsets, &column->data, &column->data_length);
      break;
    case arrow::Type::BINARY:
      column->form = static_cast<std::uint32_t>(ValueForm::kRawBytes);
      CopyOffsets<arrow::BinaryArray>(array, &column->offsets, &column->data, &column->data_length);
      break;
    default:  // a column of any Python values: encoded already
      column->form = static_cast<std::uint32_t>(ValueForm::kEncoded);
      CopyOffsets<arrow::LargeBinaryArray>(array, &column->offsets, &column->data, &column->data_length);
  }
  return Status::OK();
}

Status TableWriter::AddEncoded(const arrow::Array& array, Column* column) {
  column->form = static_cast<std::uint32_t>(ValueForm::kEncoded);
  column->offsets.reserve(column->rows + 1);
  column->offsets.push_back(0);
  for (std::int64_t i = 0; i < array.length(); ++i) {
    if (!array.IsNull(i)) HR_RETURN_NOT_OK(columnar::AppendColumnValue(array, i, &column->bytes));
    column->offsets.push_back(static_cast<std::int64_t>(column->bytes.size()));
  }
  return Status::OK();
}

void TableWriter::Push(Column column) {
  if (!column.numbers.empty()) {
    column.data = reinterpret_cast<const std::uint8_t*>(column.numbers.data());
    column.data_length = column.numbers.size() * 8;
  }
  columns_.push_back(std::move(column));
  // The small-string buffer moves with its string: take its address where it stays.
  Column& kept = columns_.back();
  if (!kept.bytes.empty()) kept.data_length = kept.bytes.size();
}

Status TableWriter::AddColumn(const std::shared_ptr<arrow::Array>& array) {
  Column column;
  column.rows = static_cast<std::uint64_t>(array->length());
  column.keep = array;
  const auto id = array->type_id();
  const bool fixed = id == arrow::Type::BOOL || id == arrow::Type::FLOAT || id == arrow::Type::DOUBLE ||
                     (id >= arrow::Type::UINT8 && id <= arrow::Type::INT64 && id != arrow::Type::UINT64);
  const bool variable =
      id == arrow::Type::STRING || id == arrow::Type::LARGE_STRING || id == arrow::Type::BINARY || id == arrow::Type::LARGE_BINARY;
  HR_RETURN_NOT_OK(fixed ? AddFixed(*array, &column) : variable ? AddVariable(*array, &column) : AddEncoded(*array, &column));
  if (array->null_count() > 0) {
    column.validity.resize(column.rows);
    for (std::uint64_t i = 0; i < column.rows; ++i) column.validity[i] = array->IsValid(static_cast<std::int64_t>(i)) ? 1 : 0;
  }
  Push(std::move(column));
  return Status::OK();
}

Status TableWriter::AddValues(const std::shared_ptr<arrow::Array>& array, ValueForm form) {
  if (array->null_count() != 0) return Status::Invalid("a value column with nulls cannot go to a Python worker");
  Column column;
  column.rows = static_cast<std::uint64_t>(array->length());
  column.keep = array;
  const bool variable = form == ValueForm::kEncoded || form == ValueForm::kUtf8 || form == ValueForm::kRawBytes;
  HR_RETURN_NOT_OK(variable ? AddVariable(*array, &column) : AddFixed(*array, &column));
  column.form = static_cast<std::uint32_t>(form);
  Push(std::move(column));
  return Status::OK();
}

void TableWriter::AddInts(std::vector<std::int64_t> numbers) {
  Column column;
  column.form = static_cast<std::uint32_t>(ValueForm::kInt64);
  column.rows = numbers.size();
  column.numbers = std::move(numbers);
  Push(std::move(column));
}

void TableWriter::AddBytes(std::span<const std::string_view> rows, ValueForm form) {
  Column column;
  column.form = static_cast<std::uint32_t>(form);
  column.rows = rows.size();
  column.pieces = rows;
  column.offsets.reserve(rows.size() + 1);
  column.offsets.push_back(0);
  column.validity.reserve(rows.size());
  for (const std::string_view row : rows) {
    column.offsets.push_back(column.offsets.back() + static_cast<std::int64_t>(row.size()));
    column.validity.push_back(row.data() == nullptr ? 0 : 1);
  }
  column.data_length = static_cast<std::uint64_t>(column.offsets.back());
  Push(std::move(column));
}

std::uint64_t TableWriter::size() const {
  std::uint64_t at = Align(kHeaderBytes + kColumnBytes * columns_.size());
  for (const Column& column : columns_) {
    at = Align(at + column.validity.size());
    at = Align(at + column.offsets.size() * 8);
    at = Align(at + column.data_length);
  }
  return at;
}

void TableWriter::Write(std::uint8_t* out) const {
  const std::uint32_t counts[2] = {columns_.empty() ? 0 : static_cast<std::uint32_t>(columns_[0].rows),
                                   static_cast<std::uint32_t>(columns_.size())};
  std::memcpy(out, counts, sizeof(counts));
  std::uint8_t* head = out + kHeaderBytes;
  std::uint64_t at = Align(kHeaderBytes + kColumnBytes * columns_.size());
  for (const Column& column : columns_) {
    const std::uint64_t validity_at = at;
    if (!column.validity.empty()) std::memcpy(out + at, column.validity.data(), column.validity.size());
    at = Align(at + column.validity.size());
    const std::uint64_t offsets_at = at;
    if (!column.offsets.empty()) std::memcpy(out + at, column.offsets.data(), column.offsets.size() * 8);
    at = Align(at + column.offsets.size() * 8);
    const std::uint32_t kind[2] = {column.role, column.form};
    const std::uint64_t fields[6] = {column.rows,        column.offsets.empty() ? 0 : offsets_at,   at,
                                     column.data_length, column.validity.empty() ? 0 : validity_at, 0};
    std::memcpy(head, kind, sizeof(kind));
    std::memcpy(head + 8, fields, sizeof(fields));
    head += kColumnBytes;
    std::uint8_t* data = out + at;
    for (const std::string_view piece : column.pieces) {
      if (!piece.empty()) std::memcpy(data, piece.data(), piece.size());
      data += piece.size();
    }
    const void* from = column.bytes.empty() ? static_cast<const void*>(column.data) : column.bytes.data();
    if (column.pieces.empty() && column.data_length > 0) std::memcpy(out + at, from, column.data_length);
    at = Align(at + column.data_length);
  }
}

// ---- reading ----

namespace {

Result<std::shared_ptr<arrow::Array>> WithValidity(const std::shared_ptr<arrow::Array>& values, const std::uint8_t* present) {
  const std::int64_t rows = values->length();
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bits, arrow::AllocateEmptyBitmap(rows));
  std::int64_t nulls = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    if (present[i] != 0)
      arrow::bit_util::SetBit(bits->mutable_data(), i);
    else
      ++nulls;
  }
  if (nulls == 0) return values;
  auto data = values->data()->Copy();
  data->buffers[0] = std::move(bits);
  data->null_count = nulls;
  return arrow::MakeArray(data);
}

}  // namespace

std::int64_t TableColumn::rows() const { return values->length(); }

Result<std::span<const std::int64_t>> TableColumn::Ints(const char* what) const {
  // A column of no rows has no form of its own.
  if (values->length() == 0) return std::span<const std::int64_t>();
  if (form != ValueForm::kInt64 || values->null_count() != 0) return Status::Invalid("malformed table block: ", what);
  return std::span<const std::int64_t>(static_cast<const arrow::Int64Array&>(*values).raw_values(),
                                       static_cast<std::size_t>(values->length()));
}

Result<std::vector<TableColumn>> ReadTable(const std::shared_ptr<arrow::Buffer>& bytes) {
  std::uint32_t rows = 0;
  HR_ASSIGN_OR_RAISE(const auto heads, ReadColumnHeads(*bytes, kMaxColumns, &rows));
  std::vector<TableColumn> columns;
  columns.reserve(heads.size());
  for (const RawColumn& head : heads) {
    TableColumn column;
    column.role = head.role;
    HR_ASSIGN_OR_RAISE(column.values, ReadColumn(bytes, head));
    column.form = static_cast<ValueForm>(head.form);
    HR_ASSIGN_OR_RAISE(const std::uint8_t* present, ReadValidity(*bytes, head));
    if (present != nullptr) {
      HR_ASSIGN_OR_RAISE(column.values, WithValidity(column.values, present));
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

}  // namespace headrace::data::python
