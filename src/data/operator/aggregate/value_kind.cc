#include "data/operator/aggregate/value_kind.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include <utility>

#include "columnar/key_group.h"

namespace headrace::data::op {
namespace {

template <typename T>
void Narrow(const std::uint64_t* words, std::int64_t count, std::uint8_t* out) {
  auto* values = reinterpret_cast<T*>(out);
  for (std::int64_t i = 0; i < count; ++i) values[i] = static_cast<T>(words[i]);
}

Result<std::shared_ptr<arrow::Buffer>> FixedValues(const arrow::DataType& type, const std::uint64_t* words, std::int64_t count) {
  const int bits = type.bit_width();
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values, arrow::AllocateBuffer((count * bits + 7) / 8));
  std::uint8_t* out = values->mutable_data();
  if (bits == 1) {
    std::memset(out, 0, static_cast<std::size_t>(values->size()));
    for (std::int64_t i = 0; i < count; ++i)
      if (words[i] != 0) arrow::bit_util::SetBit(out, i);
  } else if (type.id() == arrow::Type::FLOAT) {
    for (std::int64_t i = 0; i < count; ++i) reinterpret_cast<float*>(out)[i] = static_cast<float>(std::bit_cast<double>(words[i]));
  } else if (bits >= 64) {
    std::memcpy(out, words, static_cast<std::size_t>(count * bits / 8));
  } else if (bits == 32) {
    Narrow<std::uint32_t>(words, count, out);
  } else if (bits == 16) {
    Narrow<std::uint16_t>(words, count, out);
  } else {
    Narrow<std::uint8_t>(words, count, out);
  }
  return values;
}

Result<std::shared_ptr<arrow::ArrayData>> TextColumn(const std::shared_ptr<arrow::DataType>& type, const std::uint64_t* words,
                                                     std::int64_t count, const std::uint8_t* valid) {
  const auto text = [&](std::int64_t i) { return valid == nullptr || valid[i] != 0 ? TextValues::Of(words + i) : std::string_view(); };
  std::int64_t size = 0;
  for (std::int64_t i = 0; i < count; ++i) size += static_cast<std::int64_t>(text(i).size());
  if (size > std::numeric_limits<std::int32_t>::max()) return Status::CapacityError("the texts of one batch of results go beyond 2 GiB");
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> offsets, arrow::AllocateBuffer((count + 1) * 4));
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bytes, arrow::AllocateBuffer(size));
  auto* ends = reinterpret_cast<std::int32_t*>(offsets->mutable_data());
  std::int32_t at = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    ends[i] = at;
    const std::string_view value = text(i);
    if (!value.empty()) std::memcpy(bytes->mutable_data() + at, value.data(), value.size());
    at += static_cast<std::int32_t>(value.size());
  }
  ends[count] = at;
  return arrow::ArrayData::Make(type, count, {nullptr, std::move(offsets), std::move(bytes)}, 0);
}

}  // namespace

Result<ValueKind> ValueKindOf(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::DATE32:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DURATION:
      return ValueKind::kSigned;
    case arrow::Type::BOOL:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
      return ValueKind::kUnsigned;
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
      return ValueKind::kFloat;
    case arrow::Type::DECIMAL128:
      return ValueKind::kDecimal;
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return ValueKind::kText;
    default:
      return Status::NotImplemented("aggregates keep no values of type ", type.ToString());
  }
}

std::string_view TextValues::At(const AggregateInput& input, std::int64_t row) {
  const arrow::ArrayData& data = *input.column;
  const auto* offsets = data.GetValues<std::int32_t>(1) + input.first;
  const auto size = static_cast<std::size_t>(offsets[row + 1] - offsets[row]);
  return size == 0 ? std::string_view() : std::string_view(reinterpret_cast<const char*>(data.buffers[2]->data()) + offsets[row], size);
}

std::uint64_t TextValues::Hash(View value) { return columnar::HashKey(value); }

Result<std::shared_ptr<arrow::Array>> ValueColumn(const std::shared_ptr<arrow::DataType>& type, const std::uint64_t* words,
                                                  std::int64_t count, const std::uint8_t* valid) {
  std::shared_ptr<arrow::ArrayData> data;
  if (type->id() == arrow::Type::STRING || type->id() == arrow::Type::BINARY) {
    HR_ASSIGN_OR_RAISE(data, TextColumn(type, words, count, valid));
  } else {
    HR_ASSIGN_OR_RAISE(auto values, FixedValues(*type, words, count));
    data = arrow::ArrayData::Make(type, count, {nullptr, std::move(values)}, 0);
  }
  std::int64_t nulls = 0;
  for (std::int64_t i = 0; valid != nullptr && i < count; ++i) nulls += valid[i] == 0;
  if (nulls > 0) {
    HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> validity, arrow::AllocateEmptyBitmap(count));
    for (std::int64_t i = 0; i < count; ++i)
      if (valid[i] != 0) arrow::bit_util::SetBit(validity->mutable_data(), i);
    data->buffers[0] = std::move(validity);
  }
  data->null_count = nulls;
  return arrow::MakeArray(data);
}

}  // namespace headrace::data::op
