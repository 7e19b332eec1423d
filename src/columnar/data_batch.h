#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/status.h"

namespace headrace::columnar {

/// Reserved column names; docs/formats/value.md §3.
inline constexpr std::string_view kValueColumn = "value";
inline constexpr std::string_view kKeyColumn = "__key";
inline constexpr std::string_view kKeyHashColumn = "__key_hash";
inline constexpr std::string_view kEventTimeColumn = "__event_time";
inline constexpr std::string_view kRowKindColumn = "__row_kind";
/// Field metadata that marks value-encoded and key-encoded binary columns.
inline constexpr std::string_view kExtensionNameKey = "ARROW:extension:name";
inline constexpr std::string_view kValueExtension = "headrace.value";
inline constexpr std::string_view kKeyExtension = "headrace.key";

/// The unit between operators: an immutable Arrow record batch with known places of its reserved columns.
/// A value type: copying shares the columns. May cross threads.
/// Shape: 1-8 K rows or 32-256 KiB; event time int64 ms UTC; key hash uint64 (xxh3_64 of the key bytes).
class DataBatch {
 public:
  DataBatch() = default;
  /// Finds the reserved columns by name. Never fails: absent columns are -1.
  explicit DataBatch(std::shared_ptr<arrow::RecordBatch> records);
  explicit operator bool() const { return records_ != nullptr; }
  const std::shared_ptr<arrow::RecordBatch>& records() const { return records_; }
  std::int64_t num_rows() const;
  /// Bytes of all buffers that rows of this batch use; computed once.
  std::int64_t size_bytes() const { return size_bytes_; }
  int value_column() const { return value_column_; }
  int key_column() const { return key_column_; }
  int key_hash_column() const { return key_hash_column_; }
  int event_time_column() const { return event_time_column_; }
  int row_kind_column() const { return row_kind_column_; }
  /// Rows [offset, offset+length), sharing buffers.
  DataBatch Slice(std::int64_t offset, std::int64_t length) const;

 private:
  std::shared_ptr<arrow::RecordBatch> records_;
  std::int64_t size_bytes_ = 0;
  int value_column_ = -1, key_column_ = -1, key_hash_column_ = -1, event_time_column_ = -1, row_kind_column_ = -1;
};

}  // namespace headrace::columnar
