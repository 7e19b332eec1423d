#include "data/state/row_store.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "data/state/nested_values.h"

namespace headrace::data::state {
namespace {

bool IsNullAt(const arrow::ArrayData& data, std::int64_t row) {
  return data.buffers[0] != nullptr && !arrow::bit_util::GetBit(data.buffers[0]->data(), data.offset + row);
}

template <typename T>
void Load(const arrow::ArrayData& data, std::span<const std::uint32_t> indices, std::uint32_t word, std::uint64_t* const* rows) {
  const T* values = data.GetValues<T>(1);
  for (std::size_t i = 0; i < indices.size(); ++i) rows[i][word] = values[indices[i]];
}

/// The `count` values of T at `word` of rows; 0 for kNone.
template <typename T, typename At>
Result<std::shared_ptr<arrow::Buffer>> Values(std::span<const std::uint32_t> rows, std::uint32_t word, At at) {
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(static_cast<std::int64_t>(rows.size() * sizeof(T))));
  auto* out = reinterpret_cast<T*>(buffer->mutable_data());
  for (std::size_t i = 0; i < rows.size(); ++i) out[i] = rows[i] == RowStore::kNone ? T{0} : static_cast<T>(at(rows[i])[word]);
  return buffer;
}

template <typename Offset, typename At>
Result<std::shared_ptr<arrow::ArrayData>> Texts(const std::shared_ptr<arrow::DataType>& type, std::span<const std::uint32_t> rows,
                                                std::uint32_t word, const TextHeap& heap, At at) {
  const auto count = static_cast<std::int64_t>(rows.size());
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> offsets,
                     arrow::AllocateBuffer((count + 1) * static_cast<std::int64_t>(sizeof(Offset))));
  auto* ends = reinterpret_cast<Offset*>(offsets->mutable_data());
  std::int64_t size = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ends[i] = static_cast<Offset>(size);
    if (rows[i] != RowStore::kNone) size += TextHeap::SizeOf(at(rows[i])[word]);
  }
  if (size > static_cast<std::int64_t>(std::numeric_limits<Offset>::max()))
    return Status::CapacityError("texts of one batch beyond ", std::numeric_limits<Offset>::max(), " bytes");
  ends[count] = static_cast<Offset>(size);
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bytes, arrow::AllocateBuffer(size));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] == RowStore::kNone) continue;
    const std::string_view text = heap.Get(at(rows[i])[word]);
    if (!text.empty()) std::memcpy(bytes->mutable_data() + ends[i], text.data(), text.size());
  }
  return arrow::ArrayData::Make(type, count, {nullptr, std::move(offsets), std::move(bytes)}, 0);
}

}  // namespace

RowStore::~RowStore() = default;

Result<RowStore> RowStore::Make(const arrow::FieldVector& columns, std::uint32_t extra_words) {
  RowStore store;
  store.texts_ = std::make_unique<TextHeap>();
  store.null_word_ = 3 + extra_words;
  store.null_words_ = static_cast<std::uint32_t>((columns.size() + 63) / 64);
  store.row_words_ = store.null_word_ + store.null_words_;
  for (const auto& field : columns) {
    const arrow::DataType& type = *field->type();
    Column column{field->type(), Form::k8, store.row_words_};
    if (type.id() == arrow::Type::STRING || type.id() == arrow::Type::BINARY)
      column.form = Form::kText;
    else if (type.id() == arrow::Type::LARGE_STRING || type.id() == arrow::Type::LARGE_BINARY)
      column.form = Form::kLargeText;
    else if (IsNested(type))
      column.form = Form::kNested;
    else if (!arrow::is_fixed_width(type.id()) || type.num_fields() > 0)
      return Status::NotImplemented("rows with the column ", field->name(), " of type ", type.ToString(), " cannot be kept");
    else if (type.bit_width() == 1)
      column.form = Form::kBool;
    else if (type.bit_width() == 8)
      column.form = Form::k1;
    else if (type.bit_width() == 16)
      column.form = Form::k2;
    else if (type.bit_width() == 32)
      column.form = Form::k4;
    else if (type.bit_width() == 128)
      column.form = Form::k16;
    else if (type.bit_width() != 64)
      return Status::NotImplemented("rows with the column ", field->name(), " of type ", type.ToString(), " cannot be kept");
    store.has_texts_ = store.has_texts_ || column.is_text();
    store.row_words_ += column.form == Form::k16 ? 2 : 1;
    store.columns_.push_back(std::move(column));
  }
  store.pages_ = RowPages(store.row_words_, kPageBytes, kFirstRows);
  return store;
}

Status RowStore::Append(const arrow::RecordBatch& batch, std::span<const std::uint32_t> indices, std::uint32_t* rows) {
  const auto count = static_cast<std::int64_t>(indices.size());
  const std::int64_t reused = std::min(count, static_cast<std::int64_t>(free_.size()));
  if (used_ + count - reused >= kNone) return Status::CapacityError("more than 2^32 - 2 rows in one table");
  HR_RETURN_NOT_OK(pages_.GrowTo(used_ + count - reused, kFirstRows));
  fresh_.resize(indices.size());
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t row = 0;
    if (i < reused) {
      row = free_.back();
      free_.pop_back();
    } else {
      row = static_cast<std::uint32_t>(used_++);
    }
    rows[i] = row;
    std::uint64_t* at = fresh_[static_cast<std::size_t>(i)] = At(row);
    // Memory that nobody has used is written first: a read would make the kernel give it a page of zeroes, and another for the write.
    const std::uint32_t generation = i < reused ? Halves(row, 1)[1] + 1 : 1;
    std::memset(at, 0, (null_word_ + null_words_) * 8);
    at[0] = ~std::uint64_t{0};
    Halves(row, 1)[1] = generation;
  }
  num_rows_ += count;
  for (std::size_t c = 0; c < columns_.size(); ++c) HR_RETURN_NOT_OK(Fill(c, *batch.column_data(static_cast<int>(c)), indices));
  return Status::OK();
}

template <typename Offset>
Status RowStore::FillTexts(const Column& column, const arrow::ArrayData& data, std::span<const std::uint32_t> indices) {
  const auto* offsets = data.GetValues<Offset>(1);
  const char* bytes = data.buffers[2] ? reinterpret_cast<const char*>(data.buffers[2]->data()) : "";
  for (std::size_t i = 0; i < indices.size(); ++i) {
    std::uint64_t& ref = fresh_[i][column.word];
    ref = 0;
    if (IsNullAt(data, indices[i])) continue;
    const Offset from = offsets[indices[i]];
    HR_ASSIGN_OR_RAISE(ref, texts_->Put({bytes + from, static_cast<std::size_t>(offsets[indices[i] + 1] - from)}));
  }
  return Status::OK();
}

Status RowStore::FillNested(const Column& column, const arrow::ArrayData& data, std::span<const std::uint32_t> indices) {
  std::string value;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    std::uint64_t& ref = fresh_[i][column.word];
    ref = 0;
    if (IsNullAt(data, indices[i])) continue;
    value.clear();
    AppendNested(data, indices[i], &value);
    HR_ASSIGN_OR_RAISE(ref, texts_->Put(value));
  }
  return Status::OK();
}

Result<std::shared_ptr<arrow::ArrayData>> RowStore::GatherNested(const Column& column, std::span<const std::uint32_t> rows) const {
  NestedBuilder builder(column.type);
  for (const std::uint32_t row : rows) {
    const std::string_view value = row == kNone ? std::string_view() : texts_->Get(At(row)[column.word]);
    if (value.empty())
      builder.AppendNull();
    else
      builder.Append(value);
  }
  return builder.Finish();
}

Status RowStore::Fill(std::size_t c, const arrow::ArrayData& data, std::span<const std::uint32_t> indices) {
  const Column& column = columns_[c];
  const std::uint32_t word = column.word;
  std::uint64_t* const* rows = fresh_.data();
  switch (column.form) {
    case Form::kBool:
      for (std::size_t i = 0; i < indices.size(); ++i)
        rows[i][word] = arrow::bit_util::GetBit(data.buffers[1]->data(), data.offset + indices[i]);
      break;
    case Form::k1:
      Load<std::uint8_t>(data, indices, word, rows);
      break;
    case Form::k2:
      Load<std::uint16_t>(data, indices, word, rows);
      break;
    case Form::k4:
      Load<std::uint32_t>(data, indices, word, rows);
      break;
    case Form::k8:
      Load<std::uint64_t>(data, indices, word, rows);
      break;
    case Form::k16: {
      const auto* values = data.buffers[1]->data() + data.offset * 16;
      for (std::size_t i = 0; i < indices.size(); ++i) std::memcpy(rows[i] + word, values + std::size_t{indices[i]} * 16, 16);
      break;
    }
    case Form::kText:
      HR_RETURN_NOT_OK(FillTexts<std::int32_t>(column, data, indices));
      break;
    case Form::kLargeText:
      HR_RETURN_NOT_OK(FillTexts<std::int64_t>(column, data, indices));
      break;
    case Form::kNested:
      HR_RETURN_NOT_OK(FillNested(column, data, indices));
      break;
  }
  if (data.GetNullCount() == 0) return Status::OK();
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (!IsNullAt(data, indices[i])) continue;
    rows[i][null_word_ + c / 64] |= std::uint64_t{1} << (c % 64);
    rows[i][word] = 0;
    if (column.form == Form::k16) rows[i][word + 1] = 0;
  }
  return Status::OK();
}

void RowStore::DropTexts(const std::uint64_t* at) {
  for (const Column& column : columns_)
    if (column.is_text()) texts_->Drop(at[column.word]);
}

void RowStore::Remove(std::uint32_t row) {
  HR_CHECK((generation(row) & 1) != 0, "a row that is not kept is removed");
  if (has_texts_) DropTexts(At(row));
  ++Halves(row, 1)[1];
  free_.push_back(row);
  --num_rows_;
}

bool RowStore::Equal(std::uint32_t a, std::uint32_t b) const {
  const std::uint64_t *left = At(a), *right = At(b);
  if (!has_texts_) return std::memcmp(left + null_word_, right + null_word_, (row_words_ - null_word_) * 8) == 0;
  if (std::memcmp(left + null_word_, right + null_word_, null_words_ * 8) != 0) return false;
  for (const Column& column : columns_) {
    if (column.is_text() ? texts_->Get(left[column.word]) != texts_->Get(right[column.word]) : left[column.word] != right[column.word])
      return false;
    if (column.form == Form::k16 && left[column.word + 1] != right[column.word + 1]) return false;
  }
  return true;
}

std::int64_t RowStore::TextBytes(std::span<const std::uint32_t> rows) const {
  std::int64_t bytes = 0;
  for (const Column& column : columns_) {
    if (!column.is_text()) continue;
    for (const std::uint32_t row : rows)
      if (row != kNone) bytes += TextHeap::SizeOf(At(row)[column.word]);
  }
  return bytes;
}

Result<std::shared_ptr<arrow::Array>> RowStore::Gather(int column, std::span<const std::uint32_t> rows) const {
  const auto c = static_cast<std::size_t>(column);
  const Column& from = columns_[c];
  const auto count = static_cast<std::int64_t>(rows.size());
  const auto at = [this](std::uint32_t row) { return At(row); };
  std::shared_ptr<arrow::Buffer> values;
  std::shared_ptr<arrow::ArrayData> data;
  switch (from.form) {
    case Form::kBool: {
      HR_ASSIGN_OR_RAISE(values, arrow::AllocateEmptyBitmap(count));
      for (std::int64_t i = 0; i < count; ++i)
        if (rows[static_cast<std::size_t>(i)] != kNone && At(rows[static_cast<std::size_t>(i)])[from.word] != 0)
          arrow::bit_util::SetBit(values->mutable_data(), i);
      break;
    }
    case Form::k1: {
      HR_ASSIGN_OR_RAISE(values, Values<std::uint8_t>(rows, from.word, at));
      break;
    }
    case Form::k2: {
      HR_ASSIGN_OR_RAISE(values, Values<std::uint16_t>(rows, from.word, at));
      break;
    }
    case Form::k4: {
      HR_ASSIGN_OR_RAISE(values, Values<std::uint32_t>(rows, from.word, at));
      break;
    }
    case Form::k8: {
      HR_ASSIGN_OR_RAISE(values, Values<std::uint64_t>(rows, from.word, at));
      break;
    }
    case Form::k16: {
      HR_ASSIGN_OR_RAISE(values, arrow::AllocateBuffer(count * 16));
      std::memset(values->mutable_data(), 0, static_cast<std::size_t>(count * 16));
      for (std::size_t i = 0; i < rows.size(); ++i)
        if (rows[i] != kNone) std::memcpy(values->mutable_data() + i * 16, At(rows[i]) + from.word, 16);
      break;
    }
    case Form::kText: {
      HR_ASSIGN_OR_RAISE(data, Texts<std::int32_t>(from.type, rows, from.word, *texts_, at));
      break;
    }
    case Form::kLargeText: {
      HR_ASSIGN_OR_RAISE(data, Texts<std::int64_t>(from.type, rows, from.word, *texts_, at));
      break;
    }
    case Form::kNested: {
      HR_ASSIGN_OR_RAISE(data, GatherNested(from, rows));
      return arrow::MakeArray(data);
    }
  }
  if (data == nullptr) data = arrow::ArrayData::Make(from.type, count, {nullptr, std::move(values)}, 0);
  const auto is_null = [&](std::uint32_t row) { return row == kNone || IsNull(At(row), c); };
  std::int64_t nulls = 0;
  for (const std::uint32_t row : rows) nulls += is_null(row) ? 1 : 0;
  if (nulls > 0) {
    HR_ASSIGN_OR_RAISE(data->buffers[0], arrow::AllocateEmptyBitmap(count));
    for (std::int64_t i = 0; i < count; ++i)
      if (!is_null(rows[static_cast<std::size_t>(i)])) arrow::bit_util::SetBit(data->buffers[0]->mutable_data(), i);
    data->null_count = nulls;
  }
  return arrow::MakeArray(data);
}

Status RowStore::Compact() {
  constexpr std::int64_t kSlackBytes = 1 << 20;
  if (!has_texts_ || texts_->allocated_bytes() <= texts_->live_bytes() * 2 + kSlackBytes) return Status::OK();
  auto fresh = std::make_unique<TextHeap>();
  for (std::int64_t row = 0; row < used_; ++row) {
    if ((generation(static_cast<std::uint32_t>(row)) & 1) == 0) continue;
    std::uint64_t* at = At(static_cast<std::uint32_t>(row));
    for (const Column& column : columns_) {
      if (!column.is_text()) continue;
      HR_ASSIGN_OR_RAISE(at[column.word], fresh->Put(texts_->Get(at[column.word])));
    }
  }
  texts_ = std::move(fresh);
  return Status::OK();
}

}  // namespace headrace::data::state
