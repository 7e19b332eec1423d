#include "data/window/key_words.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

namespace headrace::data::window {
namespace {

bool IsText(const arrow::DataType& type) { return type.id() == arrow::Type::STRING || type.id() == arrow::Type::BINARY; }
bool IsDecimal(const arrow::DataType& type) { return type.id() == arrow::Type::DECIMAL128; }

bool FitsOneWord(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::DATE32:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DURATION:
      return true;
    default:
      return false;
  }
}

/// Its values can stand as words where they are.
bool IsWide(const arrow::DataType& type) {
  return FitsOneWord(type) && type.id() != arrow::Type::BOOL && type.id() != arrow::Type::DOUBLE && type.bit_width() == 64;
}

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

void FillWords(const arrow::ArrayData& data, std::uint64_t* out) {
  switch (data.type->id()) {
    case arrow::Type::BOOL:
      for (std::int64_t i = 0; i < data.length; ++i) out[i] = arrow::bit_util::GetBit(data.buffers[1]->data(), data.offset + i);
      return;
    case arrow::Type::FLOAT:
      for (std::int64_t i = 0; i < data.length; ++i) out[i] = FloatWord(data.GetValues<float>(1)[i]);
      return;
    case arrow::Type::DOUBLE:
      for (std::int64_t i = 0; i < data.length; ++i) out[i] = FloatWord(data.GetValues<double>(1)[i]);
      return;
    case arrow::Type::INT8:
      return Widen<std::int8_t>(data, out);
    case arrow::Type::INT16:
      return Widen<std::int16_t>(data, out);
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
      return Widen<std::int32_t>(data, out);
    case arrow::Type::UINT8:
      return Widen<std::uint8_t>(data, out);
    case arrow::Type::UINT16:
      return Widen<std::uint16_t>(data, out);
    case arrow::Type::UINT32:
      return Widen<std::uint32_t>(data, out);
    default:
      std::memcpy(out, data.GetValues<std::uint64_t>(1), static_cast<std::size_t>(data.length) * 8);
  }
}

bool IsValid(const arrow::ArrayData& data, std::int64_t row) {
  return data.buffers[0] == nullptr || arrow::bit_util::GetBit(data.buffers[0]->data(), data.offset + row);
}

/// The numbers of a column's strings. Runs of one string are looked up once.
Status FillTexts(const arrow::ArrayData& data, state::TextInterner* texts, std::uint64_t* out) {
  const auto* offsets = data.GetValues<std::int32_t>(1);
  const char* bytes = data.buffers[2] ? reinterpret_cast<const char*>(data.buffers[2]->data()) : "";
  std::string_view last;
  std::uint64_t number = 0;
  bool has_last = false;
  for (std::int64_t i = 0; i < data.length; ++i) {
    if (!IsValid(data, i)) continue;  // becomes 0 with the other nulls
    const std::string_view text(bytes + offsets[i], static_cast<std::size_t>(offsets[i + 1] - offsets[i]));
    if (!has_last || text != last) {
      HR_ASSIGN_OR_RAISE(number, texts->Intern(text));
      last = text;
      has_last = true;
    }
    out[i] = number;
  }
  return Status::OK();
}

Result<std::shared_ptr<arrow::ArrayData>> TextColumn(const std::shared_ptr<arrow::DataType>& type, const state::TextInterner& texts,
                                                     const std::uint64_t* const* keys, std::uint32_t word, std::int64_t count,
                                                     const arrow::Buffer* valid) {
  const auto is_valid = [valid](std::int64_t i) { return valid == nullptr || arrow::bit_util::GetBit(valid->data(), i); };
  std::int64_t size = 0;
  for (std::int64_t i = 0; i < count; ++i)
    if (is_valid(i)) size += static_cast<std::int64_t>(texts.Text(static_cast<std::uint32_t>(keys[i][word])).size());
  if (size > std::numeric_limits<std::int32_t>::max()) return Status::CapacityError("text keys of one batch beyond 2 GiB");
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> offsets, arrow::AllocateBuffer((count + 1) * 4));
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bytes, arrow::AllocateBuffer(size));
  auto* ends = reinterpret_cast<std::int32_t*>(offsets->mutable_data());
  std::int32_t at = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    ends[i] = at;
    if (!is_valid(i)) continue;
    const std::string_view text = texts.Text(static_cast<std::uint32_t>(keys[i][word]));
    std::memcpy(bytes->mutable_data() + at, text.data(), text.size());
    at += static_cast<std::int32_t>(text.size());
  }
  ends[count] = at;
  return arrow::ArrayData::Make(type, count, {nullptr, std::move(offsets), std::move(bytes)}, 0);
}

}  // namespace

Result<KeyWords> KeyWords::Make(const arrow::Schema& schema, const std::vector<std::string>& names) {
  KeyWords keys;
  for (const std::string& name : names) {
    const int index = schema.GetFieldIndex(name);
    if (index < 0) return Status::Invalid("no key column ", name);
    const auto& field = schema.field(index);
    if (!FitsOneWord(*field->type()) && !IsText(*field->type()) && !IsDecimal(*field->type()))
      return Status::NotImplemented("keys of type ", field->type()->ToString());
    auto texts = IsText(*field->type()) ? std::make_unique<state::TextInterner>() : nullptr;
    keys.columns_.push_back({index, field->type(), field->nullable(), keys.words_, std::move(texts)});
    keys.words_ += IsDecimal(*field->type()) ? 2 : 1;
    keys.has_nulls_word_ = keys.has_nulls_word_ || field->nullable();
  }
  // Without keys all rows are one group, with a word that is always 0.
  keys.words_ = std::max(keys.words_, 1u) + (keys.has_nulls_word_ ? 1 : 0);
  if (keys.words_ > 8)
    return Status::Invalid("too many key columns: their values take ", keys.words_, " words of 8 bytes, at most 8 are taken");
  keys.space_.resize(keys.words_);
  return keys;
}

Status KeyWords::EncodeColumn(std::size_t c, const arrow::ArrayData& data) {
  const Column& column = columns_[c];
  const auto rows = static_cast<std::size_t>(data.length);
  std::vector<std::uint64_t>& first = space_[column.word];
  first.resize(rows);
  if (column.texts != nullptr) {
    HR_RETURN_NOT_OK(FillTexts(data, column.texts.get(), first.data()));
  } else if (IsDecimal(*column.type)) {
    std::vector<std::uint64_t>& second = space_[column.word + 1];
    second.resize(rows);
    const auto* halves = reinterpret_cast<const std::uint64_t*>(data.buffers[1]->data()) + data.offset * 2;
    for (std::size_t i = 0; i < rows; ++i) {
      first[i] = halves[2 * i];
      second[i] = halves[2 * i + 1];
    }
  } else {
    FillWords(data, first.data());
  }
  if (data.GetNullCount() == 0) return Status::OK();
  for (std::size_t i = 0; i < rows; ++i) {
    if (IsValid(data, static_cast<std::int64_t>(i))) continue;
    first[i] = 0;
    if (IsDecimal(*column.type)) space_[column.word + 1][i] = 0;
    space_.back()[i] |= std::uint64_t{1} << c;
  }
  return Status::OK();
}

Result<std::vector<const std::uint64_t*>> KeyWords::EncodeColumns(const arrow::RecordBatch& batch, bool leading) {
  const auto rows = static_cast<std::size_t>(batch.num_rows());
  std::vector<const std::uint64_t*> words;
  if (has_nulls_word_) space_.back().assign(rows, 0);
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const arrow::ArrayData& data = *batch.column_data(leading ? static_cast<int>(c) : columns_[c].index);
    if (IsWide(*columns_[c].type) && data.GetNullCount() == 0) {
      words.push_back(data.GetValues<std::uint64_t>(1));
      continue;
    }
    HR_RETURN_NOT_OK(EncodeColumn(c, data));
    words.push_back(space_[columns_[c].word].data());
    if (IsDecimal(*columns_[c].type)) words.push_back(space_[columns_[c].word + 1].data());
  }
  if (columns_.empty()) {
    space_[0].assign(rows, 0);
    words.push_back(space_[0].data());
  }
  if (has_nulls_word_) words.push_back(space_.back().data());
  return words;
}

Result<std::shared_ptr<arrow::Array>> KeyWords::DecodeColumn(std::size_t c, const std::uint64_t* const* keys, std::int64_t count) const {
  const Column& column = columns_[c];
  std::shared_ptr<arrow::Buffer> validity;
  std::int64_t nulls = 0;
  for (std::int64_t i = 0; column.nullable && i < count; ++i) {
    if ((keys[i][words_ - 1] >> c & 1) == 0) continue;
    if (validity == nullptr) {
      HR_ASSIGN_OR_RAISE(validity, arrow::AllocateBitmap(count));
      std::memset(validity->mutable_data(), 0xFF, static_cast<std::size_t>(validity->size()));
    }
    arrow::bit_util::ClearBit(validity->mutable_data(), i);
    ++nulls;
  }
  std::shared_ptr<arrow::ArrayData> data;
  if (column.texts != nullptr) {
    HR_ASSIGN_OR_RAISE(data, TextColumn(column.type, *column.texts, keys, column.word, count, validity.get()));
  } else {
    const int bits = column.type->bit_width();
    HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values, arrow::AllocateBuffer((count * bits + 7) / 8));
    std::uint8_t* out = values->mutable_data();
    if (bits == 1) {
      std::memset(out, 0, static_cast<std::size_t>(values->size()));
      for (std::int64_t i = 0; i < count; ++i)
        if (keys[i][column.word] != 0) arrow::bit_util::SetBit(out, i);
    } else if (bits == 128) {
      for (std::int64_t i = 0; i < count; ++i) std::memcpy(out + i * 16, keys[i] + column.word, 16);
    } else if (bits == 64) {
      Narrow<std::uint64_t>(keys, column.word, count, out);
    } else if (column.type->id() == arrow::Type::FLOAT) {
      for (std::int64_t i = 0; i < count; ++i)
        reinterpret_cast<float*>(out)[i] = static_cast<float>(std::bit_cast<double>(keys[i][column.word]));
    } else if (bits == 32) {
      Narrow<std::uint32_t>(keys, column.word, count, out);
    } else if (bits == 16) {
      Narrow<std::uint16_t>(keys, column.word, count, out);
    } else {
      Narrow<std::uint8_t>(keys, column.word, count, out);
    }
    data = arrow::ArrayData::Make(column.type, count, {nullptr, std::move(values)}, 0);
  }
  data->buffers[0] = std::move(validity);
  data->null_count = nulls;
  return arrow::MakeArray(data);
}

Result<arrow::ArrayVector> KeyWords::Decode(const std::uint64_t* const* keys, std::int64_t count) const {
  arrow::ArrayVector arrays;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    HR_ASSIGN_OR_RAISE(auto array, DecodeColumn(c, keys, count));
    arrays.push_back(std::move(array));
  }
  return arrays;
}

bool KeyWords::wants_sweep() const {
  return std::any_of(columns_.begin(), columns_.end(),
                     [](const Column& column) { return column.texts != nullptr && column.texts->wants_sweep(); });
}

void KeyWords::Mark(const std::uint64_t* key) {
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const bool is_null = has_nulls_word_ && (key[words_ - 1] >> c & 1) != 0;
    if (columns_[c].texts != nullptr && !is_null) columns_[c].texts->Mark(static_cast<std::uint32_t>(key[columns_[c].word]));
  }
}

void KeyWords::StartMarking() {
  for (Column& column : columns_)
    if (column.texts != nullptr) column.texts->StartMarking();
}

bool KeyWords::SweepSome(std::int64_t most) {
  while (sweeping_ < columns_.size() && columns_[sweeping_].texts == nullptr) ++sweeping_;
  if (sweeping_ < columns_.size() && columns_[sweeping_].texts->SweepSome(most)) ++sweeping_;
  if (sweeping_ < columns_.size()) return false;
  sweeping_ = 0;
  return true;
}

void KeyWords::Sweep() {
  for (Column& column : columns_)
    if (column.texts != nullptr) column.texts->Sweep();
}

std::int64_t KeyWords::allocated_bytes() const {
  std::int64_t bytes = 0;
  for (const Column& column : columns_)
    if (column.texts != nullptr) bytes += column.texts->allocated_bytes();
  return bytes;
}

}  // namespace headrace::data::window
