#pragma once
#include <arrow/array/array_base.h>
#include <arrow/type_fwd.h>
#include <arrow/util/bit_util.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace headrace::data::format {

inline std::int64_t FloorDiv(std::int64_t value, std::int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

/// A column with the places of its values, for writers of rows. Borrows the array. Rows are counted from 0 whatever the array's offset.
struct ColumnView {
  arrow::Type::type type = arrow::Type::NA;
  const arrow::Array* array = nullptr;
  const std::uint8_t* validity = nullptr;  ///< null: no nulls
  std::int64_t offset = 0;
  const void* values = nullptr;  ///< of fixed width, or offsets; moved by `offset`, but for bits
  const char* bytes = nullptr;   ///< what offsets point into
  std::int64_t ticks_per_second = 0;
  bool utc = false;

  static ColumnView Of(const arrow::Array& array);

  template <typename T>
  T At(std::int64_t row) const {
    return static_cast<const T*>(values)[row];
  }
  bool IsNull(std::int64_t row) const { return validity != nullptr && !arrow::bit_util::GetBit(validity, offset + row); }
  bool Bool(std::int64_t row) const { return arrow::bit_util::GetBit(static_cast<const std::uint8_t*>(values), offset + row); }
  /// Text and binary, of either width of offsets.
  std::string_view Bytes(std::int64_t row) const {
    if (type == arrow::Type::STRING || type == arrow::Type::BINARY) return BytesBy<std::int32_t>(row);
    return BytesBy<std::int64_t>(row);
  }
  /// Whole numbers of any width, dates and ticks; uint64 as its bits.
  std::int64_t Whole(std::int64_t row) const;

 private:
  template <typename Offset>
  std::string_view BytesBy(std::int64_t row) const {
    const auto* offsets = static_cast<const Offset*>(values);
    return {bytes + offsets[row], static_cast<std::size_t>(offsets[row + 1] - offsets[row])};
  }
};

/// A decimal, date, time, timestamp (ISO 8601, of the column's own precision) or duration that is not null, as text.
void AppendScalarText(const ColumnView& column, std::int64_t row, std::string* out);

}  // namespace headrace::data::format
