#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "data/state/row_pages.h"
#include "data/state/text_heap.h"

namespace headrace::data::state {

/// Typed rows that are kept for a while, by number: what joins, rankings and deduplication hold. A row lies in one piece, so that
/// reading all of its columns costs one walk to memory; whole batches are put in and taken out column by column. Numbers of removed
/// rows are used again; no row costs an allocation.
/// Layout of a row: link, mark, time, extra words, a bit for each null column, then columns: a word each, decimals two; texts are
/// references, lists and structs references to their bytes (nested_values.h).
/// Owned by its operator, used on the task's thread only. At most 2^32 - 2 rows.
class RowStore {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  /// NotImplemented for a column that cannot be kept.
  static Result<RowStore> Make(const arrow::FieldVector& columns, std::uint32_t extra_words = 0);
  RowStore(RowStore&&) noexcept = default;
  RowStore& operator=(RowStore&&) noexcept = default;
  ~RowStore();

  /// Keeps rows `indices` of a batch whose first columns are the store's; rows[i] gets the number of row indices[i]. Words of the new
  /// rows that belong to the user are zero, links are kNone.
  Status Append(const arrow::RecordBatch& batch, std::span<const std::uint32_t> indices, std::uint32_t* rows);
  /// The row must be kept.
  void Remove(std::uint32_t row);
  /// Whether all columns of two kept rows are equal, null to null, floats bit by bit.
  bool Equal(std::uint32_t a, std::uint32_t b) const;
  /// Column `column` of rows; kNone gives a null.
  Result<std::shared_ptr<arrow::Array>> Gather(int column, std::span<const std::uint32_t> rows) const;
  /// Bytes of texts in the columns of rows: what Gather() would copy.
  std::int64_t TextBytes(std::span<const std::uint32_t> rows) const;

  // What the user keeps beside a row.
  std::uint32_t& next(std::uint32_t row) const { return Halves(row, 0)[0]; }
  std::uint32_t& previous(std::uint32_t row) const { return Halves(row, 0)[1]; }
  std::uint32_t& count(std::uint32_t row) const { return Halves(row, 1)[0]; }
  std::int64_t& time(std::uint32_t row) const { return reinterpret_cast<std::int64_t*>(At(row))[2]; }
  std::uint64_t* extra(std::uint32_t row) const { return At(row) + 3; }
  /// Odd while the number stands for a kept row; another one for each row that has it in turn.
  std::uint32_t generation(std::uint32_t row) const { return Halves(row, 1)[1]; }

  /// Asks for a row's memory ahead of its use; kNone asks for nothing.
  void Prefetch(std::uint32_t row) const {
    if (row != kNone) __builtin_prefetch(At(row), 1);
  }

  std::int64_t num_rows() const { return num_rows_; }
  std::int64_t allocated_bytes() const {
    return pages_.allocated_bytes() + static_cast<std::int64_t>(free_.capacity() * 4) + texts_->allocated_bytes();
  }
  /// Brings texts together again once most of their memory is free. Cheap when it is not.
  Status Compact();

 private:
  static constexpr std::uint32_t kPageBytes = 256u << 10, kFirstRows = 16;
  enum class Form : std::uint8_t { kBool, k1, k2, k4, k8, k16, kText, kLargeText, kNested };
  struct Column {
    std::shared_ptr<arrow::DataType> type;
    Form form;
    std::uint32_t word;                                   // its first
    bool is_text() const { return form >= Form::kText; }  // lies in texts_
  };
  RowStore() = default;
  std::uint64_t* At(std::uint32_t row) const { return pages_.At(row); }
  std::uint32_t* Halves(std::uint32_t row, std::uint32_t word) const { return reinterpret_cast<std::uint32_t*>(At(row) + word); }
  Status Fill(std::size_t c, const arrow::ArrayData& data, std::span<const std::uint32_t> indices);
  template <typename Offset>
  Status FillTexts(const Column& column, const arrow::ArrayData& data, std::span<const std::uint32_t> indices);
  Status FillNested(const Column& column, const arrow::ArrayData& data, std::span<const std::uint32_t> indices);
  Result<std::shared_ptr<arrow::ArrayData>> GatherNested(const Column& column, std::span<const std::uint32_t> rows) const;
  void DropTexts(const std::uint64_t* at);
  bool IsNull(const std::uint64_t* at, std::size_t c) const { return (at[null_word_ + c / 64] >> (c % 64) & 1) != 0; }

  std::vector<Column> columns_;
  bool has_texts_ = false;
  std::uint32_t null_word_ = 3, null_words_ = 0, row_words_ = 3;
  std::int64_t num_rows_ = 0, used_ = 0;
  RowPages pages_{3, kPageBytes, kFirstRows};
  std::vector<std::uint32_t> free_;
  std::unique_ptr<TextHeap> texts_;
  std::vector<std::uint64_t*> fresh_;  // rows of the batch in hand
};

}  // namespace headrace::data::state
