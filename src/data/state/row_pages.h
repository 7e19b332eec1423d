#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/status.h"

namespace headrace::data::state {

/// Memory of rows of a fixed number of 64-bit words, by number. Rows are zero at first. They lie in pages of a power of two of rows; the
/// first page grows by doubling, so that small tables stay small.
/// Owned by one table, used on its thread only.
class RowPages {
 public:
  /// `least_rows`: of a page, if that many rows are larger than page_bytes.
  RowPages(std::uint32_t row_words, std::uint32_t page_bytes, std::uint32_t least_rows);
  RowPages(RowPages&& other) noexcept { *this = std::move(other); }
  RowPages& operator=(RowPages&& other) noexcept;
  ~RowPages();

  std::uint64_t* At(std::uint32_t row) const {
    return pages_[row >> page_shift_] + static_cast<std::uint64_t>(row & page_mask_) * row_words_;
  }
  /// Room for rows 0 to `rows` - 1; a first page has at least `first_rows`. While there is one page its rows move, later ones stay where
  /// they are. OutOfMemory.
  Status GrowTo(std::int64_t rows, std::int64_t first_rows);

  std::uint64_t* const* pages() const { return pages_.data(); }
  std::size_t num_pages() const { return pages_.size(); }
  std::uint32_t page_shift() const { return page_shift_; }
  std::uint32_t page_mask() const { return page_mask_; }
  std::int64_t capacity() const { return capacity_; }
  std::int64_t allocated_bytes() const { return allocated_bytes_; }

 private:
  Status GrowFirst(std::int64_t rows);
  Status AddPage();

  std::uint32_t row_words_ = 0, page_shift_ = 0, page_mask_ = 0;
  std::int64_t capacity_ = 0, allocated_bytes_ = 0;  // capacity in rows
  std::vector<std::uint64_t*> pages_;
};

}  // namespace headrace::data::state
