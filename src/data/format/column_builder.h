#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace headrace::data::format {

/// Bytes that grow and are handed over to Arrow without a copy. Move-only.
class GrowingBytes {
 public:
  std::uint8_t* data() { return data_; }
  const std::uint8_t* data() const { return data_; }
  std::int64_t size() const { return size_; }
  void Truncate(std::int64_t size) { size_ = size; }
  template <typename T>
  void Push(T value) {
    if (size_ + static_cast<std::int64_t>(sizeof(T)) > capacity_) Grow(sizeof(T));
    std::memcpy(data_ + size_, &value, sizeof(T));
    size_ += static_cast<std::int64_t>(sizeof(T));
  }
  void Append(const void* bytes, std::size_t count) {
    if (size_ + static_cast<std::int64_t>(count) > capacity_) Grow(count);
    if (count != 0) std::memcpy(data_ + size_, bytes, count);
    size_ += static_cast<std::int64_t>(count);
  }
  /// What was pushed; starts anew with room for as much, up to 1 MiB.
  std::shared_ptr<arrow::Buffer> Take();

 private:
  void Grow(std::size_t more);
  std::shared_ptr<arrow::ResizableBuffer> buffer_;
  std::uint8_t* data_ = nullptr;
  std::int64_t size_ = 0, capacity_ = 0, next_capacity_ = 0;
};

/// One column of typed rows while a decoder fills it; lists and structs hold the columns inside them. What a decoder appends for a row
/// that turns out bad is taken back by Truncate(). No allocation per row, no virtual calls: decoders switch over kind() and call the one
/// Append that fits.
/// Errors:  the Append functions give false when the value does not fit the column's type; nothing is appended then.
/// Thread:  its owner's.
class ColumnBuilder {
 public:
  enum class Kind : std::uint8_t {
    kBool,
    kInt8,
    kInt16,
    kInt32,
    kInt64,
    kUint8,
    kUint16,
    kUint32,
    kUint64,
    kFloat32,
    kFloat64,
    kDecimal,
    kText,
    kBinary,
    kDate,
    kTime,
    kTimestamp,
    kDuration,
    kList,
    kStruct,
    kValue,  ///< any Python value, encoded
  };
  /// NotImplemented for types that typed rows do not have.
  static Result<ColumnBuilder> Make(const arrow::Field& field);
  ColumnBuilder(ColumnBuilder&&) noexcept = default;
  ColumnBuilder& operator=(ColumnBuilder&&) noexcept = default;

  Kind kind() const { return kind_; }
  bool nullable() const { return nullable_; }
  const std::string& name() const { return name_; }
  const std::shared_ptr<arrow::DataType>& type() const { return type_; }
  /// As users write it: "int64", "timestamp[ms]", "decimal(10, 2)".
  const std::string& type_name() const { return type_name_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t ticks_per_second() const { return ticks_per_second_; }
  bool utc() const { return utc_; }
  int precision() const { return precision_; }
  int scale() const { return scale_; }

  void AppendNull();
  void AppendBool(bool value) { PushFixed(static_cast<std::uint8_t>(value)); }
  /// kInt8 to kUint64.
  bool AppendInteger(std::int64_t value);
  bool AppendUnsigned(std::uint64_t value);
  void AppendInt64(std::int64_t value) { PushFixed(value); }
  void AppendFloat(double value);
  /// kText (valid UTF-8), kBinary, kValue. False when the column would pass 2 GiB.
  bool AppendBytes(std::string_view bytes);
  /// kDecimal: digits as in "-12.50", "1e3". False when it is no number, or has more digits than the column before or behind the point.
  bool AppendDecimal(std::string_view text);
  /// kDecimal: two's complement, big-endian, of the column's own scale.
  bool AppendDecimalBytes(std::string_view big_endian, int scale);
  /// kDate: days since 1970. kTime, kTimestamp, kDuration: ticks of the column's unit.
  bool AppendTicks(std::int64_t ticks);
  /// kTime, kTimestamp, kDuration: from ticks of another unit, exactly or rounded down. False beyond int64.
  bool AppendTicks(std::int64_t ticks, std::int64_t of_ticks_per_second);
  /// Text that stands for a value of this kind: numbers, true/false, ISO 8601 dates, times, timestamps and durations, base64 for
  /// kBinary. False when it does not.
  bool AppendText(std::string_view text);

  /// kList: the elements appended to items() since the last row become its list.
  ColumnBuilder& items() { return children_[0]; }
  void CloseList();
  /// kStruct: append one value to each child, then this.
  std::vector<ColumnBuilder>& children() { return children_; }
  void CloseStruct();

  void Truncate(std::int64_t rows);
  /// Bytes of variable length, here and inside.
  std::int64_t variable_bytes() const;
  Result<std::shared_ptr<arrow::ArrayData>> Finish();

 private:
  ColumnBuilder() = default;
  template <typename T>
  void PushFixed(T value) {
    values_.Push(value);
    Valid();
  }
  void Valid() {
    if (null_count_ > 0) valid_.push_back(1);
    ++rows_;
  }
  std::shared_ptr<arrow::Buffer> TakeValidity();

  std::string name_, type_name_;
  std::shared_ptr<arrow::DataType> type_;
  Kind kind_ = Kind::kInt64;
  bool nullable_ = true, utc_ = false;
  std::uint8_t width_ = 0;  ///< bytes of a fixed-width value; kBool: one, packed in the end
  int precision_ = 0, scale_ = 0;
  std::int64_t ticks_per_second_ = 0;
  std::int64_t rows_ = 0, null_count_ = 0;
  GrowingBytes values_;              ///< fixed-width values, or offsets (one more than rows): int32, kValue int64
  GrowingBytes bytes_;               ///< of variable length
  std::vector<std::uint8_t> valid_;  ///< one a row; empty while there is no null
  std::vector<ColumnBuilder> children_;
};

}  // namespace headrace::data::format
