#include "columnar/row_hash.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/decimal.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string_view>

#include "columnar/key_group.h"

namespace headrace::columnar {
namespace {

constexpr std::uint64_t kSeed = 0x9E3779B97F4A7C15ULL;
constexpr std::uint64_t kNullWord = 0x5bd1e995a4093822ULL;

/// The finalizer of splitmix64: every bit of the input moves every bit of the result.
std::uint64_t Mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

/// Takes one column's words into the hashes of its rows.
template <typename WordAt>
void Fold(const arrow::ArrayData& data, std::uint64_t* hashes, WordAt word_at) {
  if (data.GetNullCount() == 0) {
    for (std::int64_t i = 0; i < data.length; ++i) hashes[i] = Mix(hashes[i] + kSeed + word_at(i));
    return;
  }
  const std::uint8_t* valid = data.buffers[0]->data();
  for (std::int64_t i = 0; i < data.length; ++i)
    hashes[i] = Mix(hashes[i] + kSeed + (arrow::bit_util::GetBit(valid, data.offset + i) ? word_at(i) : kNullWord));
}

template <typename T>
void FoldInts(const arrow::ArrayData& data, std::uint64_t* hashes) {
  const T* values = data.GetValues<T>(1);
  Fold(data, hashes, [values](std::int64_t i) { return static_cast<std::uint64_t>(static_cast<std::int64_t>(values[i])); });
}

template <typename Offset>
void FoldBytes(const arrow::ArrayData& data, std::uint64_t* hashes) {
  const Offset* offsets = data.GetValues<Offset>(1);
  const char* bytes = data.buffers[2] ? reinterpret_cast<const char*>(data.buffers[2]->data()) : "";
  Fold(data, hashes, [offsets, bytes](std::int64_t i) {
    return HashKey(std::string_view(bytes + offsets[i], static_cast<std::size_t>(offsets[i + 1] - offsets[i])));
  });
}

template <typename T>
void FoldFloats(const arrow::ArrayData& data, std::uint64_t* hashes) {
  const T* values = data.GetValues<T>(1);
  Fold(data, hashes, [values](std::int64_t i) {
    const double value = values[i];
    return std::bit_cast<std::uint64_t>(std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value == 0 ? 0.0 : value);
  });
}

Status FoldColumn(const arrow::ArrayData& data, std::uint64_t* hashes) {
  switch (data.type->id()) {
    case arrow::Type::BOOL: {
      const std::uint8_t* bits = data.buffers[1]->data();
      Fold(data, hashes,
           [bits, &data](std::int64_t i) { return static_cast<std::uint64_t>(arrow::bit_util::GetBit(bits, data.offset + i)); });
      return Status::OK();
    }
    case arrow::Type::INT8:
      FoldInts<std::int8_t>(data, hashes);
      return Status::OK();
    case arrow::Type::INT16:
      FoldInts<std::int16_t>(data, hashes);
      return Status::OK();
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
      FoldInts<std::int32_t>(data, hashes);
      return Status::OK();
    case arrow::Type::UINT8:
      FoldInts<std::uint8_t>(data, hashes);
      return Status::OK();
    case arrow::Type::UINT16:
      FoldInts<std::uint16_t>(data, hashes);
      return Status::OK();
    case arrow::Type::UINT32:
      FoldInts<std::uint32_t>(data, hashes);
      return Status::OK();
    case arrow::Type::INT64:
    case arrow::Type::UINT64:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DURATION:
      FoldInts<std::int64_t>(data, hashes);
      return Status::OK();
    case arrow::Type::FLOAT:
      FoldFloats<float>(data, hashes);
      return Status::OK();
    case arrow::Type::DOUBLE:
      FoldFloats<double>(data, hashes);
      return Status::OK();
    case arrow::Type::DECIMAL128: {
      const char* values = reinterpret_cast<const char*>(data.buffers[1]->data()) + data.offset * 16;
      Fold(data, hashes, [values](std::int64_t i) { return HashKey(std::string_view(values + i * 16, 16)); });
      return Status::OK();
    }
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      FoldBytes<std::int32_t>(data, hashes);
      return Status::OK();
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      FoldBytes<std::int64_t>(data, hashes);
      return Status::OK();
    default:
      return Status::Invalid("rows cannot be spread by a column of type ", data.type->ToString());
  }
}

}  // namespace

Status HashRows(const arrow::RecordBatch& batch, std::span<const int> columns, std::vector<std::uint64_t>* hashes) {
  hashes->assign(static_cast<std::size_t>(batch.num_rows()), 0);
  for (const int column : columns) HR_RETURN_NOT_OK(FoldColumn(*batch.column_data(column), hashes->data()));
  return Status::OK();
}

}  // namespace headrace::columnar
