#include "data/window/key_words.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

namespace headrace::data::window {
namespace {

bool IsWide(const arrow::DataType& type) { return type.id() != arrow::Type::BOOL && type.bit_width() == 64 && type.id() != arrow::Type::DOUBLE; }

template <typename T>
void Widen(const arrow::ArrayData& data, std::uint64_t* out) {
  const T* from = data.GetValues<T>(1);
  for (std::int64_t i = 0; i < data.length; ++i) out[i] = static_cast<std::uint64_t>(static_cast<std::int64_t>(from[i]));
}

template <typename T>
void Narrow(const std::uint64_t* const* keys, std::uint32_t word, std::int64_t count, std::uint8_t* out) {
  auto* values = reinterpret_cast<T*>(out);
  for (std::int64_t i = 0; i < count; ++i) values[i] = static_cast<T>(keys[i][word]);
}

std::uint64_t FloatWord(double value) {
  if (std::isnan(value)) value = std::numeric_limits<double>::quiet_NaN();
  return std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value);
}

Status Fill(const arrow::ArrayData& data, std::uint64_t* out) {
  switch (data.type->id()) {
    case arrow::Type::BOOL:
      for (std::int64_t i = 0; i < data.length; ++i) out[i] = arrow::bit_util::GetBit(data.buffers[1]->data(), data.offset + i);
      return Status::OK();
    case arrow::Type::DOUBLE:
      for (std::int64_t i = 0; i < data.length; ++i) out[i] = FloatWord(data.GetValues<double>(1)[i]);
      return Status::OK();
    case arrow::Type::INT8: Widen<std::int8_t>(data, out); return Status::OK();
    case arrow::Type::INT16: Widen<std::int16_t>(data, out); return Status::OK();
    case arrow::Type::INT32:
    case arrow::Type::DATE32: Widen<std::int32_t>(data, out); return Status::OK();
    case arrow::Type::UINT8: Widen<std::uint8_t>(data, out); return Status::OK();
    case arrow::Type::UINT16: Widen<std::uint16_t>(data, out); return Status::OK();
    case arrow::Type::UINT32: Widen<std::uint32_t>(data, out); return Status::OK();
    default: std::memcpy(out, data.GetValues<std::uint64_t>(1), static_cast<std::size_t>(data.length) * 8); return Status::OK();
  }
}

}  // namespace

Result<KeyWords> KeyWords::Make(const arrow::Schema& schema, const std::vector<std::string>& names) {
  KeyWords keys;
  for (const std::string& name : names) {
    const int index = schema.GetFieldIndex(name);
    if (index < 0) return Status::Invalid("no key column ", name);
    const auto& field = schema.field(index);
    const auto id = field->type()->id();
    const bool fits = (id >= arrow::Type::BOOL && id <= arrow::Type::INT64) || id == arrow::Type::DOUBLE || id == arrow::Type::DATE32 || id == arrow::Type::TIMESTAMP ||
                      id == arrow::Type::DURATION || id == arrow::Type::TIME64;
    if (!fits) return Status::NotImplemented("keys of type ", field->type()->ToString());
    keys.columns_.push_back({index, field->type(), field->nullable()});
    keys.has_nulls_word_ = keys.has_nulls_word_ || field->nullable();
  }
  // Without keys all rows are one group, with a word that is always 0.
  keys.words_ = static_cast<std::uint32_t>(std::max<std::size_t>(keys.columns_.size(), 1)) + (keys.has_nulls_word_ ? 1 : 0);
  keys.space_.resize(keys.words_);
  return keys;
}

Result<std::vector<const std::uint64_t*>> KeyWords::Encode(const arrow::RecordBatch& batch) {
  const auto rows = static_cast<std::size_t>(batch.num_rows());
  std::vector<const std::uint64_t*> words;
  if (has_nulls_word_) space_.back().assign(rows, 0);
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const arrow::ArrayData& data = *batch.column_data(columns_[c].index);
    const bool nulls = data.GetNullCount() > 0;
    if (IsWide(*columns_[c].type) && !nulls) {
      words.push_back(data.GetValues<std::uint64_t>(1));
      continue;
    }
    space_[c].resize(rows);
    HR_RETURN_NOT_OK(Fill(data, space_[c].data()));
    for (std::size_t i = 0; nulls && i < rows; ++i) {
      if (arrow::bit_util::GetBit(data.buffers[0]->data(), data.offset + static_cast<std::int64_t>(i))) continue;
      space_[c][i] = 0;
      space_.back()[i] |= std::uint64_t{1} << c;
    }
    words.push_back(space_[c].data());
  }
  if (columns_.empty()) {
    space_[0].assign(rows, 0);
    words.push_back(space_[0].data());
  }
  if (has_nulls_word_) words.push_back(space_.back().data());
  return words;
}

Result<arrow::ArrayVector> KeyWords::Decode(const std::uint64_t* const* keys, std::int64_t count) const {
  arrow::ArrayVector arrays;
  for (std::uint32_t c = 0; c < columns_.size(); ++c) {
    const arrow::DataType& type = *columns_[c].type;
    const std::int64_t bytes = type.id() == arrow::Type::BOOL ? (count + 7) / 8 : count * type.bit_width() / 8;
    HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values, arrow::AllocateBuffer(bytes));
    std::uint8_t* out = values->mutable_data();
    if (type.id() == arrow::Type::BOOL) {
      std::memset(out, 0, static_cast<std::size_t>(bytes));
      for (std::int64_t i = 0; i < count; ++i)
        if (keys[i][c] != 0) arrow::bit_util::SetBit(out, i);
    } else if (type.bit_width() == 64) {
      Narrow<std::uint64_t>(keys, c, count, out);
    } else if (type.bit_width() == 32) {
      Narrow<std::uint32_t>(keys, c, count, out);
    } else if (type.bit_width() == 16) {
      Narrow<std::uint16_t>(keys, c, count, out);
    } else {
      Narrow<std::uint8_t>(keys, c, count, out);
    }
    std::shared_ptr<arrow::Buffer> validity;
    std::int64_t nulls = 0;
    for (std::int64_t i = 0; columns_[c].nullable && i < count; ++i) {
      if ((keys[i][words_ - 1] >> c & 1) == 0) continue;
      if (validity == nullptr) {
        HR_ASSIGN_OR_RAISE(validity, arrow::AllocateBitmap(count));
        std::memset(validity->mutable_data(), 0xFF, static_cast<std::size_t>(validity->size()));
      }
      arrow::bit_util::ClearBit(validity->mutable_data(), i);
      ++nulls;
    }
    arrays.push_back(arrow::MakeArray(arrow::ArrayData::Make(columns_[c].type, count, {std::move(validity), std::move(values)}, nulls)));
  }
  return arrays;
}

}  // namespace headrace::data::window
