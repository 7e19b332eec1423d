#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "columnar/value_column.h"
#include "data/python/worker_pool.h"

namespace headrace::data::python {

/// Lays columns out as a table block (docs/formats/worker.md): each with its own length, values may be absent. Add() in the
/// order that the stage expects, then Write() once. Arrays that are added are kept; spans and views must outlive the writer.
class TableWriter final : public TripBody {
 public:
  /// A column of typed rows: ints, floats, bools, text and bytes in their native forms, all else value-encoded.
  Status AddColumn(const std::shared_ptr<arrow::Array>& column);
  /// The `value` column of untyped rows.
  Status AddValues(const std::shared_ptr<arrow::Array>& column, columnar::ValueForm form);
  void AddInts(std::vector<std::int64_t> numbers);
  /// Raw bytes, or values that are encoded already; a view without data (nullptr) is absent.
  void AddBytes(std::span<const std::string_view> rows, columnar::ValueForm form = columnar::ValueForm::kRawBytes);
  /// Bytes that Write() takes.
  std::uint64_t size() const override;
  /// `out` is 8-byte aligned.
  void Write(std::uint8_t* out) const override;

 private:
  struct Column {
    std::uint32_t role = 5, form = 0;
    std::uint64_t rows = 0;
    std::vector<std::int64_t> offsets;  // rows + 1, or none
    const std::uint8_t* data = nullptr;
    std::uint64_t data_length = 0;
    std::span<const std::string_view> pieces;  // the data instead, where it lies in pieces
    std::vector<std::uint8_t> validity;
    std::vector<std::int64_t> numbers;
    std::string bytes;
    std::shared_ptr<arrow::Array> keep;
  };
  Status AddFixed(const arrow::Array& array, Column* column);
  Status AddVariable(const arrow::Array& array, Column* column);
  Status AddEncoded(const arrow::Array& array, Column* column);
  void Push(Column column);
  std::vector<Column> columns_;
};

/// One column of a table block that came back.
struct TableColumn {
  columnar::ValueForm form = columnar::ValueForm::kEncoded;
  std::shared_ptr<arrow::Array> values;  ///< large_utf8, int64, float64, bool or large_binary by form; absent values are null
  std::uint32_t role = 0;

  std::int64_t rows() const;
  /// The numbers of an int64 column without absent ones; Invalid for any other.
  Result<std::span<const std::int64_t>> Ints(const char* what) const;
};

/// Takes a table block apart; at most 4096 columns. `bytes` is private memory, 64-byte aligned, and shared by the result. Every
/// offset, length, form and UTF-8 byte is checked: the writer is not trusted.
Result<std::vector<TableColumn>> ReadTable(const std::shared_ptr<arrow::Buffer>& bytes);

/// The column as an array of `type`, rows declared by the user. What does not fit is Invalid, as "'x' (str) is not an int64", with the
/// row's number in `bad_row`.
Result<std::shared_ptr<arrow::Array>> AsType(const TableColumn& column, const std::shared_ptr<arrow::DataType>& type,
                                             std::int64_t* bad_row);

}  // namespace headrace::data::python
