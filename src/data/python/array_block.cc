#include "data/python/array_block.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/type.h>
#include <arrow/util/bitmap_ops.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace headrace::data::python {

namespace {

constexpr std::uint64_t kBuffers = 3, kColumnWords = 1 + 2 * kBuffers, kAlignment = 64;

std::uint64_t Align(std::uint64_t at) { return (at + kAlignment - 1) / kAlignment * kAlignment; }

template <typename Offset>
void WriteOffsets(const std::uint8_t* from, std::int64_t first, std::int64_t count, std::uint8_t* out) {
  const auto* offsets = reinterpret_cast<const Offset*>(from);
  auto* to = reinterpret_cast<Offset*>(out);
  for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<Offset>(offsets[i] - first);
}

}  // namespace

std::uint64_t ArrayWriter::Part::bytes() const {
  const auto n = static_cast<std::uint64_t>(count);
  switch (kind) {
    case Kind::kNone:
      return 0;
    case Kind::kBytes:
      return n;
    case Kind::kBits:
      return (n + 7) / 8;
    case Kind::kOffsets32:
      return 4 * n;
    case Kind::kOffsets64:
      return 8 * n;
  }
  return 0;
}

void ArrayWriter::Part::Write(std::uint8_t* out) const {
  switch (kind) {
    case Kind::kNone:
      return;
    case Kind::kBytes:
      if (count > 0) std::memcpy(out, from, static_cast<std::size_t>(count));
      return;
    case Kind::kBits:
      return arrow::internal::CopyBitmap(from, first, count, out, 0);
    case Kind::kOffsets32:
      return WriteOffsets<std::int32_t>(from, first, count, out);
    case Kind::kOffsets64:
      return WriteOffsets<std::int64_t>(from, first, count, out);
  }
}

Status ArrayWriter::Add(std::shared_ptr<arrow::Array> array) {
  using Spec = arrow::DataTypeLayout::BufferKind;
  using Kind = Part::Kind;
  if (array->length() != rows_) return Status::Invalid("an array of ", array->length(), " values in a block of ", rows_, " rows");
  const arrow::DataTypeLayout layout = array->type()->layout();
  if (layout.buffers.size() > kBuffers || layout.has_dictionary || array->num_fields() != 0)
    return Status::Invalid("an array of type ", array->type()->ToString(), " has parts");
  Column column;
  column.same = columns_.size();
  for (std::size_t i = 0; i < columns_.size() && column.same == columns_.size(); ++i)
    if (columns_[i].array == array) column.same = i;
  const arrow::ArrayData& data = *array->data();
  const std::int64_t rows = data.length;
  std::int64_t first = 0, last = 0;  // of the data behind offsets
  for (std::size_t i = 0; i < layout.buffers.size(); ++i) {
    const arrow::Buffer* buffer = data.buffers[i].get();
    const arrow::DataTypeLayout::BufferSpec& spec = layout.buffers[i];
    Part& part = column.parts[i];
    if (i == 0 && array->null_count() == 0) continue;
    part.kind = Kind::kBytes;  // of none, as far as is known
    if (buffer == nullptr) continue;
    if (spec.kind == Spec::BITMAP) {
      part = {Kind::kBits, buffer->data(), data.offset, rows};
    } else if (spec.kind == Spec::VARIABLE_WIDTH) {
      part = {Kind::kBytes, buffer->data() + first, 0, last - first};
    } else if (layout.buffers.size() == kBuffers && spec.kind == Spec::FIXED_WIDTH && buffer->size() > 0) {
      const bool wide = spec.byte_width == 8;
      const auto* from = buffer->data() + data.offset * spec.byte_width;
      const auto at = [&](std::int64_t row) {
        return wide ? reinterpret_cast<const std::int64_t*>(from)[row] : reinterpret_cast<const std::int32_t*>(from)[row];
      };
      first = at(0);
      last = at(rows);
      part = {wide ? Kind::kOffsets64 : Kind::kOffsets32, from, first, rows + 1};
    } else if (spec.kind == Spec::FIXED_WIDTH) {
      part = {Kind::kBytes, buffer->data() + data.offset * spec.byte_width, 0, rows * spec.byte_width};
    }
  }
  column.array = std::move(array);
  columns_.push_back(std::move(column));
  return Status::OK();
}

std::uint64_t ArrayWriter::HeadBytes() const { return Align(8 * (2 + kColumnWords * columns_.size())); }

std::uint64_t ArrayWriter::size() const {
  std::uint64_t at = HeadBytes();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].same != i) continue;
    for (const Part& part : columns_[i].parts) at += Align(part.bytes());
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
    *head++ = static_cast<std::uint64_t>(column.array->null_count());
    for (const Part& part : column.parts) {
      if (part.kind != Part::Kind::kNone) {
        part.Write(out + at);
        head[0] = at;
        head[1] = part.bytes();
        at += Align(part.bytes());
      }
      head += 2;
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
