#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "columnar/data_batch.h"

namespace headrace::data::state {

/// Key bytes (docs/formats/value.md §2) of the rows of a batch: its key column, or made of columns of typed rows: the value of one column,
/// a tuple of several. Reused from batch to batch by one operator.
class RowKeys {
 public:
  /// `columns`: names of key columns; none = the batch's key column.
  explicit RowKeys(std::vector<std::string> columns) : columns_(std::move(columns)) {}
  /// Of rows that all have one and the same key.
  static RowKeys OfOne() {
    RowKeys keys({});
    keys.one_ = true;
    return keys;
  }
  /// kInternal when the batch has no such columns.
  Status Read(const columnar::DataBatch& batch);
  /// rows + 1 positions into data(); until the next Read().
  const std::vector<std::int64_t>& offsets() const { return offsets_; }
  const std::uint8_t* data() const { return data_; }
  /// The hash that places the row in a key group, one a row; null: that of the key bytes.
  const std::uint64_t* hashes() const { return hashes_; }

 private:
  std::vector<std::string> columns_;
  bool one_ = false;
  std::vector<std::int64_t> offsets_;
  const std::uint8_t* data_ = nullptr;
  const std::uint64_t* hashes_ = nullptr;
  std::string bytes_;
  std::vector<std::uint64_t> row_hashes_;
  std::shared_ptr<arrow::RecordBatch> keep_;
};

}  // namespace headrace::data::state
