#include "data/python/array_block.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace headrace::data::python {

namespace {

constexpr std::uint64_t kMostBuffers = 3, kColumnWords = 1 + 2 * kMostBuffers, kAlignment = 64;

std::uint64_t Align(std::uint64_t at) { return (at + kAlignment - 1) / kAlignment * kAlignment; }

/// Where the text of the array's rows begins and ends in its data.
template <typename Offset>
std::pair<Offset, Offset> TextRange(const arrow::ArrayData& data) {
  if (data.length == 0) return {0, 0};
  const auto* offsets = data.GetValues<Offset>(1);
  return {offsets[0], offsets[data.length]};
}

template <typename Offset>
void WriteOffsets(const arrow::ArrayVector& parts, std::uint8_t* out) {
  auto* to = reinterpret_cast<Offset*>(out);
  Offset base = 0;
  *to++ = 0;
  for (const auto& part : parts) {
    const auto [first, last] = TextRange<Offset>(*part->data());
    const auto* offsets = part->length() == 0 ? nullptr : part->data()->GetValues<Offset>(1);
    for (std::int64_t i = 1; i <= part->length(); ++i) *to++ = static_cast<Offset>(offsets[i] - first + base);
    base = static_cast<Offset>(base + last - first);
  }
}

template <typename Offset>
void WriteText(const arrow::ArrayVector& parts, std::uint8_t* out) {
  for (const auto& part : parts) {
    const auto [first, last] = TextRange<Offset>(*part->data());
    if (first == last) continue;
    std::memcpy(out, part->data()->buffers[2]->data() + first, static_cast<std::size_t>(last - first));
    out += last - first;
  }
}

/// Of one buffer of all parts; where a part has no such buffer all its bits are set.
void WriteBits(const arrow::ArrayVector& parts, std::size_t buffer, std::uint8_t* out) {
  std::int64_t at = 0;
  for (const auto& part : parts) {
    const arrow::ArrayData& data = *part->data();
    if (data.length > 0 && data.buffers[buffer] != nullptr)
      arrow::internal::CopyBitmap(data.buffers[buffer]->data(), data.offset, data.length, out, at);
    else
      arrow::bit_util::SetBitsTo(out, at, data.length, true);
    at += data.length;
  }
}

}  // namespace

Result<ArrayWriter> ArrayWriter::Make(std::vector<arrow::ArrayVector> columns, std::int64_t rows) {
  ArrayWriter writer(rows);
  for (auto& parts : columns) HR_RETURN_NOT_OK(writer.Add(std::move(parts)));
  return writer;
}

Status ArrayWriter::Add(arrow::ArrayVector parts) {
  using Kind = Column::Kind;
  Column column;
  std::int64_t rows = 0;
  for (const auto& part : parts) {
    rows += part->length();
    column.nulls += part->null_count();
  }
  if (rows != rows_ || parts.empty()) return Status::Invalid("arrays of ", rows, " values in a block of ", rows_, " rows");
  const arrow::DataType& type = *parts[0]->type();
  if (type.id() == arrow::Type::BOOL) {
    column.kind = Kind::kBits;
  } else if (arrow::is_base_binary_like(type.id())) {
    const bool large = arrow::is_large_binary_like(type.id());
    column.kind = large ? Kind::kLargeText : Kind::kText;
    for (const auto& part : parts) {
      const auto [first, last] =
          large ? TextRange<std::int64_t>(*part->data()) : std::pair<std::int64_t, std::int64_t>(TextRange<std::int32_t>(*part->data()));
      column.data_bytes += last - first;
    }
  } else if (arrow::is_fixed_width(type.id()) && type.id() != arrow::Type::DICTIONARY && type.num_fields() == 0) {
    column.width = type.byte_width();
  } else {
    return Status::Invalid("an array of type ", type.ToString(), " has parts");
  }
  const auto same = std::ranges::find(columns_, parts, &Column::parts);
  column.same = static_cast<std::size_t>(same - columns_.begin());
  column.parts = std::move(parts);
  columns_.push_back(std::move(column));
  return Status::OK();
}

std::uint64_t ArrayWriter::BufferBytes(const Column& column, std::size_t buffer) const {
  using Kind = Column::Kind;
  const auto rows = static_cast<std::uint64_t>(rows_);
  if (buffer == 0) return column.nulls == 0 ? 0 : (rows + 7) / 8;
  if (buffer == 2) return static_cast<std::uint64_t>(column.data_bytes);
  if (column.kind == Kind::kBits) return (rows + 7) / 8;
  if (column.kind == Kind::kText) return 4 * (rows + 1);
  if (column.kind == Kind::kLargeText) return 8 * (rows + 1);
  return rows * static_cast<std::uint64_t>(column.width);
}

void ArrayWriter::WriteBuffer(const Column& column, std::size_t buffer, std::uint8_t* out) {
  using Kind = Column::Kind;
  const bool large = column.kind == Kind::kLargeText;
  if (buffer == 0) {
    if (column.nulls > 0) WriteBits(column.parts, 0, out);
  } else if (buffer == 2) {
    large ? WriteText<std::int64_t>(column.parts, out) : WriteText<std::int32_t>(column.parts, out);
  } else if (column.kind == Kind::kBits) {
    WriteBits(column.parts, 1, out);
  } else if (column.kind != Kind::kBytes) {
    large ? WriteOffsets<std::int64_t>(column.parts, out) : WriteOffsets<std::int32_t>(column.parts, out);
  } else {
    for (const auto& part : column.parts) {
      const auto bytes = static_cast<std::size_t>(part->length() * column.width);
      if (bytes > 0) std::memcpy(out, part->data()->buffers[1]->data() + part->offset() * column.width, bytes);
      out += bytes;
    }
  }
}

std::uint64_t ArrayWriter::HeadBytes() const { return Align(8 * (2 + kColumnWords * columns_.size())); }

std::uint64_t ArrayWriter::size() const {
  std::uint64_t at = HeadBytes();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].same != i) continue;
    for (std::size_t buffer = 0; buffer < columns_[i].buffers(); ++buffer) at += Align(BufferBytes(columns_[i], buffer));
  }
  return at;
}

void ArrayWriter::Write(std::uint8_t* out) const {
  std::vector<std::uint64_t> words{static_cast<std::uint64_t>(rows_), columns_.size()};
  words.resize(2 + kColumnWords * columns_.size());
  std::uint64_t at = HeadBytes();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const Column& column = columns_[i];
    std::uint64_t* head = words.data() + 2 + kColumnWords * i;
    if (column.same != i) {
      std::copy_n(words.data() + 2 + kColumnWords * column.same, kColumnWords, head);
      continue;
    }
    head[0] = static_cast<std::uint64_t>(column.nulls);
    for (std::size_t buffer = 0; buffer < column.buffers(); ++buffer) {
      if (buffer == 0 && column.nulls == 0) continue;
      WriteBuffer(column, buffer, out + at);
      head[1 + 2 * buffer] = at;
      head[2 + 2 * buffer] = BufferBytes(column, buffer);
      at += Align(head[2 + 2 * buffer]);
    }
  }
  std::memcpy(out, words.data(), words.size() * 8);
}

namespace {

/// The buffers of one column, none of them outside the block.
Result<std::shared_ptr<arrow::Array>> ReadArray(const std::shared_ptr<arrow::Buffer>& bytes, const std::uint64_t* head,
                                                const arrow::Field& field, std::int64_t rows) {
  const std::size_t count = field.type()->layout().buffers.size();
  const auto size = static_cast<std::uint64_t>(bytes->size());
  if (head[0] > static_cast<std::uint64_t>(rows)) return Status::Invalid("malformed array block: more nulls than rows");
  std::vector<std::shared_ptr<arrow::Buffer>> buffers;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t at = head[1 + 2 * i], length = head[2 + 2 * i];
    if (at % kAlignment != 0 || at > size || length > size - at)
      return Status::Invalid("malformed array block: a buffer lies outside the block or is not aligned");
    if (at == 0 && i > 0) return Status::Invalid("malformed array block: a column without a buffer");
    buffers.push_back(at == 0 ? nullptr : arrow::SliceBuffer(bytes, static_cast<std::int64_t>(at), static_cast<std::int64_t>(length)));
  }
  if ((buffers[0] == nullptr) != (head[0] == 0)) return Status::Invalid("malformed array block: nulls without a validity");
  auto data = arrow::ArrayData::Make(field.type(), rows, std::move(buffers), static_cast<std::int64_t>(head[0]));
  auto array = arrow::MakeArray(std::move(data));
  HR_RETURN_NOT_OK(array->ValidateFull());
  return array;
}

}  // namespace

Result<arrow::ArrayVector> ReadArrays(const std::shared_ptr<arrow::Buffer>& bytes, const arrow::FieldVector& fields, std::int64_t rows) {
  std::vector<std::uint64_t> words(2 + kColumnWords * fields.size());
  if (bytes->size() < static_cast<std::int64_t>(words.size() * 8)) return Status::Invalid("malformed array block: shorter than its head");
  std::memcpy(words.data(), bytes->data(), words.size() * 8);
  if (words[0] != static_cast<std::uint64_t>(rows)) return Status::Invalid("another number of rows");
  if (words[1] != fields.size()) return Status::Invalid("another number of columns");
  arrow::ArrayVector arrays;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    HR_ASSIGN_OR_RAISE(auto array, ReadArray(bytes, words.data() + 2 + kColumnWords * i, *fields[i], rows));
    arrays.push_back(std::move(array));
  }
  return arrays;
}

}  // namespace headrace::data::python
