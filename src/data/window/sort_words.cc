#include "data/window/sort_words.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include <bit>
#include <cmath>
#include <limits>

namespace headrace::data::window {
namespace {

constexpr std::uint64_t kSign = std::uint64_t{1} << 63;

template <typename T>
void Signed(const arrow::ArrayData& data, std::uint32_t stride, std::uint64_t* out) {
  const T* values = data.GetValues<T>(1);
  for (std::int64_t i = 0; i < data.length; ++i)
    out[static_cast<std::size_t>(i) * stride] = static_cast<std::uint64_t>(static_cast<std::int64_t>(values[i])) ^ kSign;
}

template <typename T>
void Unsigned(const arrow::ArrayData& data, std::uint32_t stride, std::uint64_t* out) {
  const T* values = data.GetValues<T>(1);
  for (std::int64_t i = 0; i < data.length; ++i) out[static_cast<std::size_t>(i) * stride] = values[i];
}

std::uint64_t FloatWord(double value) {
  if (std::isnan(value)) value = std::numeric_limits<double>::quiet_NaN();  // the greatest of the positive patterns in use
  const auto bits = std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

Status Fill(const arrow::ArrayData& data, std::uint32_t stride, std::uint64_t* out) {
  switch (data.type->id()) {
    case arrow::Type::BOOL:
      for (std::int64_t i = 0; i < data.length; ++i)
        out[static_cast<std::size_t>(i) * stride] = arrow::bit_util::GetBit(data.buffers[1]->data(), data.offset + i);
      return Status::OK();
    case arrow::Type::DOUBLE:
      for (std::int64_t i = 0; i < data.length; ++i) out[static_cast<std::size_t>(i) * stride] = FloatWord(data.GetValues<double>(1)[i]);
      return Status::OK();
    case arrow::Type::INT8:
      Signed<std::int8_t>(data, stride, out);
      return Status::OK();
    case arrow::Type::INT16:
      Signed<std::int16_t>(data, stride, out);
      return Status::OK();
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
      Signed<std::int32_t>(data, stride, out);
      return Status::OK();
    case arrow::Type::INT64:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DURATION:
      Signed<std::int64_t>(data, stride, out);
      return Status::OK();
    case arrow::Type::UINT8:
      Unsigned<std::uint8_t>(data, stride, out);
      return Status::OK();
    case arrow::Type::UINT16:
      Unsigned<std::uint16_t>(data, stride, out);
      return Status::OK();
    case arrow::Type::UINT32:
      Unsigned<std::uint32_t>(data, stride, out);
      return Status::OK();
    case arrow::Type::UINT64:
      Unsigned<std::uint64_t>(data, stride, out);
      return Status::OK();
    default:
      return Status::NotImplemented("an order by a column of type ", data.type->ToString());
  }
}

bool CanOrder(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
    case arrow::Type::DOUBLE:
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
    case arrow::Type::DATE32:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DURATION:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<SortWords> SortWords::Make(const arrow::Schema& schema, const std::vector<plan::SortKey>& order) {
  SortWords sort;
  for (const plan::SortKey& key : order) {
    const int index = schema.GetFieldIndex(key.column);
    if (index < 0) return Status::Invalid("no column ", key.column);
    const auto& field = schema.field(index);
    if (!CanOrder(*field->type())) return Status::NotImplemented("an order by a column of type ", field->type()->ToString());
    sort.columns_.push_back({index, key.descending, field->nullable(), sort.words_});
    sort.words_ += field->nullable() ? 2 : 1;
  }
  return sort;
}

Result<const std::uint64_t*> SortWords::Encode(const arrow::RecordBatch& batch) {
  const auto rows = static_cast<std::size_t>(batch.num_rows());
  space_.resize(rows * words_);
  for (const Column& column : columns_) {
    const arrow::ArrayData& data = *batch.column_data(column.index);
    std::uint64_t* out = space_.data() + column.word;
    if (words_ == 1 && data.type->id() == arrow::Type::INT64) {  // what orders are mostly by: no stride, one pass
      const auto* values = data.GetValues<std::uint64_t>(1);
      const std::uint64_t flip = column.descending ? ~kSign : kSign;
      for (std::size_t i = 0; i < rows; ++i) out[i] = values[i] ^ flip;
      continue;
    }
    if (column.nullable) {
      const bool nulls = data.GetNullCount() > 0;
      for (std::size_t i = 0; i < rows; ++i)
        out[i * words_] = nulls && !arrow::bit_util::GetBit(data.buffers[0]->data(), data.offset + static_cast<std::int64_t>(i));
      ++out;
    }
    HR_RETURN_NOT_OK(Fill(data, words_, out));
    for (std::size_t i = 0; column.descending && i < rows; ++i) out[i * words_] = ~out[i * words_];
    for (std::size_t i = 0; column.nullable && i < rows; ++i)
      if ((out - 1)[i * words_] != 0) out[i * words_] = 0;  // what stands behind a null is no value
  }
  return space_.data();
}

}  // namespace headrace::data::window
