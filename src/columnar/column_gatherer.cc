#include "columnar/column_gatherer.h"

#include <arrow/array/data.h>
#include <arrow/buffer_builder.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace headrace::columnar {
namespace {

/// The validity bits of a column under construction; nothing is kept until the first column with nulls comes.
class ValidityGatherer {
 public:
  Status Append(const arrow::ArrayData& column, const std::uint32_t* indices, std::int64_t count) {
    return AppendRows(column, count, [indices](std::int64_t i) { return static_cast<std::int64_t>(indices[i]); });
  }
  Status AppendRange(const arrow::ArrayData& column, std::int64_t first, std::int64_t count) {
    return AppendRows(column, count, [first](std::int64_t i) { return first + i; });
  }
  std::int64_t size_bytes() const { return active_ ? (rows_ + 7) / 8 : 0; }
  std::int64_t rows() const { return rows_; }
  /// The bitmap, or null when every row is present.
  Result<std::shared_ptr<arrow::Buffer>> Finish(std::int64_t* null_count) {
    *null_count = active_ ? bits_.false_count() : 0;
    rows_ = 0;
    if (!std::exchange(active_, false)) return nullptr;
    return bits_.Finish();
  }

 private:
  template <typename RowOf>
  Status AppendRows(const arrow::ArrayData& column, std::int64_t count, RowOf row_of) {
    const bool may_have_nulls = column.buffers[0] != nullptr && column.null_count != 0;
    if (!may_have_nulls && !active_) {
      rows_ += count;
      return Status::OK();
    }
    if (!active_) {
      active_ = true;
      HR_RETURN_NOT_OK(bits_.Append(rows_, true));
    }
    rows_ += count;
    if (!may_have_nulls) return bits_.Append(count, true);
    HR_RETURN_NOT_OK(bits_.Reserve(count));
    const std::uint8_t* source = column.buffers[0]->data();
    for (std::int64_t i = 0; i < count; ++i) bits_.UnsafeAppend(arrow::bit_util::GetBit(source, column.offset + row_of(i)));
    return Status::OK();
  }

  arrow::TypedBufferBuilder<bool> bits_;
  std::int64_t rows_ = 0;
  bool active_ = false;
};

/// Fixed-width values of `kWidth` bytes; 0 means a width known at run time only.
template <int kWidth>
class FixedGatherer final : public ColumnGatherer {
 public:
  explicit FixedGatherer(std::shared_ptr<arrow::DataType> type)
      : type_(std::move(type)), width_(kWidth != 0 ? kWidth : type_->bit_width() / 8) {}
  Status Append(const arrow::ArrayData& column, const std::uint32_t* indices, std::int64_t count) override {
    HR_RETURN_NOT_OK(validity_.Append(column, indices, count));
    HR_RETURN_NOT_OK(data_.Reserve(count * width_));
    const std::uint8_t* source = column.buffers[1]->data() + column.offset * width_;
    std::uint8_t* out = data_.mutable_data() + data_.length();
    const auto width = static_cast<std::size_t>(kWidth != 0 ? kWidth : width_);
    for (std::int64_t i = 0; i < count; ++i) std::memcpy(out + static_cast<std::size_t>(i) * width, source + indices[i] * width, width);
    data_.UnsafeAdvance(count * width_);
    return Status::OK();
  }
  Status AppendRange(const arrow::ArrayData& column, std::int64_t first, std::int64_t count) override {
    HR_RETURN_NOT_OK(validity_.AppendRange(column, first, count));
    return data_.Append(column.buffers[1]->data() + (column.offset + first) * width_, count * width_);
  }
  Status Reserve(std::int64_t rows) override { return data_.Reserve(rows * width_); }
  std::int64_t size_bytes() const override { return data_.length() + validity_.size_bytes(); }
  Result<std::shared_ptr<arrow::ArrayData>> Finish() override {
    const std::int64_t rows = validity_.rows();
    std::int64_t null_count = 0;
    HR_ASSIGN_OR_RAISE(auto validity, validity_.Finish(&null_count));
    HR_ASSIGN_OR_RAISE(auto data, data_.Finish(/*shrink_to_fit=*/false));
    return arrow::ArrayData::Make(type_, rows, {std::move(validity), std::move(data)}, null_count);
  }

 private:
  const std::shared_ptr<arrow::DataType> type_;
  const std::int64_t width_;
  ValidityGatherer validity_;
  arrow::BufferBuilder data_;
};

class BoolGatherer final : public ColumnGatherer {
 public:
  Status Append(const arrow::ArrayData& column, const std::uint32_t* indices, std::int64_t count) override {
    HR_RETURN_NOT_OK(validity_.Append(column, indices, count));
    HR_RETURN_NOT_OK(bits_.Reserve(count));
    const std::uint8_t* source = column.buffers[1]->data();
    for (std::int64_t i = 0; i < count; ++i) bits_.UnsafeAppend(arrow::bit_util::GetBit(source, column.offset + indices[i]));
    return Status::OK();
  }
  std::int64_t size_bytes() const override { return (bits_.length() + 7) / 8 + validity_.size_bytes(); }
  Result<std::shared_ptr<arrow::ArrayData>> Finish() override {
    const std::int64_t rows = validity_.rows();
    std::int64_t null_count = 0;
    HR_ASSIGN_OR_RAISE(auto validity, validity_.Finish(&null_count));
    HR_ASSIGN_OR_RAISE(auto bits, bits_.Finish(/*shrink_to_fit=*/false));
    return arrow::ArrayData::Make(arrow::boolean(), rows, {std::move(validity), std::move(bits)}, null_count);
  }

 private:
  ValidityGatherer validity_;
  arrow::TypedBufferBuilder<bool> bits_;
};

/// Bytes and texts with 32- or 64-bit offsets.
template <typename Offset>
class BinaryGatherer final : public ColumnGatherer {
 public:
  explicit BinaryGatherer(std::shared_ptr<arrow::DataType> type) : type_(std::move(type)) {}
  Status Append(const arrow::ArrayData& column, const std::uint32_t* indices, std::int64_t count) override {
    HR_RETURN_NOT_OK(validity_.Append(column, indices, count));
    const Offset* offsets = column.GetValues<Offset>(1);
    std::int64_t bytes = 0;
    for (std::int64_t i = 0; i < count; ++i) bytes += offsets[indices[i] + 1] - offsets[indices[i]];
    if (data_.length() + bytes > static_cast<std::int64_t>(std::numeric_limits<Offset>::max()))
      return Status::Invalid("more bytes in one batch than ", type_->ToString(), " can hold");
    HR_RETURN_NOT_OK(offsets_.Reserve(count + 1));
    HR_RETURN_NOT_OK(data_.Reserve(bytes + kSlack));
    const auto* source = column.buffers[2] == nullptr ? nullptr : column.buffers[2]->data();
    const std::uint8_t* source_end = column.buffers[2] == nullptr ? nullptr : source + column.buffers[2]->size();
    std::uint8_t* const begin = data_.mutable_data();
    std::uint8_t* out = begin + data_.length();
    for (std::int64_t i = 0; i < count; ++i) {
      const Offset from = offsets[indices[i]];
      const auto size = static_cast<std::size_t>(offsets[indices[i] + 1] - from);
      offsets_.UnsafeAppend(static_cast<Offset>(out - begin));
      CopyBytes(source + from, size, source_end, out);
      out += size;
    }
    data_.UnsafeAdvance(bytes);
    return Status::OK();
  }
  std::int64_t size_bytes() const override {
    return data_.length() + (offsets_.length() + 1) * static_cast<std::int64_t>(sizeof(Offset)) + validity_.size_bytes();
  }
  Result<std::shared_ptr<arrow::ArrayData>> Finish() override {
    const std::int64_t rows = validity_.rows();
    std::int64_t null_count = 0;
    HR_RETURN_NOT_OK(offsets_.Append(static_cast<Offset>(data_.length())));
    HR_ASSIGN_OR_RAISE(auto validity, validity_.Finish(&null_count));
    HR_ASSIGN_OR_RAISE(auto offsets, offsets_.Finish(/*shrink_to_fit=*/false));
    HR_ASSIGN_OR_RAISE(auto data, data_.Finish(/*shrink_to_fit=*/false));
    return arrow::ArrayData::Make(type_, rows, {std::move(validity), std::move(offsets), std::move(data)}, null_count);
  }

 private:
  static constexpr std::int64_t kSlack = 32;

  /// Short rows are copied 16 bytes at a time, beyond their end where both sides have the room.
  static void CopyBytes(const std::uint8_t* from, std::size_t size, const std::uint8_t* source_end, std::uint8_t* to) {
    if (size <= 32 && source_end - from >= 32) {
      std::memcpy(to, from, 16);
      if (size > 16) std::memcpy(to + 16, from + 16, 16);
    } else if (size != 0) {
      std::memcpy(to, from, size);
    }
  }

  const std::shared_ptr<arrow::DataType> type_;
  ValidityGatherer validity_;
  arrow::TypedBufferBuilder<Offset> offsets_;
  arrow::BufferBuilder data_;
};

/// Lists and structs, by Arrow's builder: a call a row.
class NestedGatherer final : public ColumnGatherer {
 public:
  explicit NestedGatherer(std::unique_ptr<arrow::ArrayBuilder> builder) : builder_(std::move(builder)) {}

  Status Append(const arrow::ArrayData& column, const std::uint32_t* indices, std::int64_t count) override {
    const arrow::ArraySpan span(column);
    const double per_row =
        column.length == 0 ? 0 : static_cast<double>(arrow::util::TotalBufferSize(column)) / static_cast<double>(column.length);
    for (std::int64_t i = 0; i < count; ++i) HR_RETURN_NOT_OK(builder_->AppendArraySlice(span, indices[i], 1));
    bytes_ += static_cast<std::int64_t>(per_row * static_cast<double>(count));
    return Status::OK();
  }
  std::int64_t size_bytes() const override { return bytes_; }
  Result<std::shared_ptr<arrow::ArrayData>> Finish() override {
    bytes_ = 0;
    std::shared_ptr<arrow::ArrayData> data;
    HR_RETURN_NOT_OK(builder_->FinishInternal(&data));
    return data;
  }

 private:
  std::unique_ptr<arrow::ArrayBuilder> builder_;
  std::int64_t bytes_ = 0;  // the rows' share of what they were taken from
};

constexpr std::int64_t kMostIndices = 1024;

}  // namespace

Status ColumnGatherer::AppendRange(const arrow::ArrayData& column, std::int64_t first, std::int64_t count) {
  std::array<std::uint32_t, kMostIndices> indices;
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t part = std::min(kMostIndices, count - done);
    std::iota(indices.begin(), indices.begin() + part, static_cast<std::uint32_t>(first + done));
    HR_RETURN_NOT_OK(Append(column, indices.data(), part));
    done += part;
  }
  return Status::OK();
}

Result<std::unique_ptr<ColumnGatherer>> ColumnGatherer::Make(const std::shared_ptr<arrow::DataType>& type) {
  switch (type->id()) {
    case arrow::Type::BOOL:
      return std::make_unique<BoolGatherer>();
    case arrow::Type::BINARY:
    case arrow::Type::STRING:
      return std::make_unique<BinaryGatherer<std::int32_t>>(type);
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::LARGE_STRING:
      return std::make_unique<BinaryGatherer<std::int64_t>>(type);
    case arrow::Type::LIST:
    case arrow::Type::STRUCT: {
      HR_ASSIGN_OR_RAISE(auto builder, arrow::MakeBuilder(type));
      return std::make_unique<NestedGatherer>(std::move(builder));
    }
    default:
      break;
  }
  const bool plain = arrow::is_fixed_width(type->id()) && type->num_fields() == 0 && type->id() != arrow::Type::DICTIONARY &&
                     type->id() != arrow::Type::EXTENSION;
  if (!plain || type->bit_width() % 8 != 0) return Status::Invalid("rows of type ", type->ToString(), " cannot be partitioned");
  switch (type->bit_width()) {
    case 8:
      return std::make_unique<FixedGatherer<1>>(type);
    case 16:
      return std::make_unique<FixedGatherer<2>>(type);
    case 32:
      return std::make_unique<FixedGatherer<4>>(type);
    case 64:
      return std::make_unique<FixedGatherer<8>>(type);
    case 128:
      return std::make_unique<FixedGatherer<16>>(type);
    default:
      return std::make_unique<FixedGatherer<0>>(type);
  }
}

Result<std::shared_ptr<arrow::RecordBatch>> GatherRows(const arrow::RecordBatch& batch, std::span<const std::uint32_t> indices) {
  const auto count = static_cast<std::int64_t>(indices.size());
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (int i = 0; i < batch.num_columns(); ++i) {
    HR_ASSIGN_OR_RAISE(auto gatherer, ColumnGatherer::Make(batch.column_data(i)->type));
    HR_RETURN_NOT_OK(gatherer->Append(*batch.column_data(i), indices.data(), count));
    HR_ASSIGN_OR_RAISE(auto column, gatherer->Finish());
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(batch.schema(), count, std::move(columns));
}

}  // namespace headrace::columnar
