#include "data/state/row_pages.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace headrace::data::state {

RowPages::RowPages(std::uint32_t row_words, std::uint32_t page_bytes, std::uint32_t least_rows) : row_words_(row_words) {
  const std::uint32_t rows = std::bit_floor(std::max(page_bytes / (row_words * 8), least_rows));
  page_shift_ = static_cast<std::uint32_t>(std::countr_zero(rows));
  page_mask_ = rows - 1;
}

RowPages& RowPages::operator=(RowPages&& other) noexcept {
  row_words_ = other.row_words_;
  page_shift_ = other.page_shift_;
  page_mask_ = other.page_mask_;
  std::swap(capacity_, other.capacity_);
  std::swap(allocated_bytes_, other.allocated_bytes_);
  pages_.swap(other.pages_);
  return *this;
}

RowPages::~RowPages() {
  for (std::uint64_t* page : pages_) std::free(page);
}

Status RowPages::GrowTo(std::int64_t rows, std::int64_t first_rows) {
  const std::int64_t page_rows = static_cast<std::int64_t>(page_mask_) + 1;
  while (capacity_ < rows) {
    if (capacity_ < page_rows) {
      HR_RETURN_NOT_OK(GrowFirst(std::min(page_rows, std::max({rows, capacity_ * 2, first_rows}))));
    } else {
      HR_RETURN_NOT_OK(AddPage());
    }
  }
  return Status::OK();
}

Status RowPages::GrowFirst(std::int64_t rows) {
  const std::size_t row_bytes = std::size_t{row_words_} * 8;
  void* block = std::calloc(static_cast<std::size_t>(rows), row_bytes);
  if (block == nullptr) return Status::OutOfMemory("a page of ", static_cast<std::size_t>(rows) * row_bytes, " bytes for keyed state");
  if (!pages_.empty()) {
    std::memcpy(block, pages_[0], static_cast<std::size_t>(capacity_) * row_bytes);
    std::free(pages_[0]);
  }
  pages_.assign(1, static_cast<std::uint64_t*>(block));
  allocated_bytes_ += (rows - capacity_) * static_cast<std::int64_t>(row_bytes);
  capacity_ = rows;
  return Status::OK();
}

Status RowPages::AddPage() {
  const std::int64_t rows = static_cast<std::int64_t>(page_mask_) + 1;
  const std::size_t row_bytes = std::size_t{row_words_} * 8;
  void* block = std::calloc(static_cast<std::size_t>(rows), row_bytes);
  if (block == nullptr) return Status::OutOfMemory("a page of ", static_cast<std::size_t>(rows) * row_bytes, " bytes for keyed state");
  pages_.push_back(static_cast<std::uint64_t*>(block));
  capacity_ += rows;
  allocated_bytes_ += rows * static_cast<std::int64_t>(row_bytes);
  return Status::OK();
}

}  // namespace headrace::data::state
