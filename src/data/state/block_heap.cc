#include "data/state/block_heap.h"

#include <algorithm>
#include <bit>
#include <new>

namespace headrace::data::state {

BlockHeap::~BlockHeap() {
  for (void* block : large_) ::operator delete(block);
}

std::size_t BlockHeap::ClassOf(std::size_t bytes) {
  return static_cast<std::size_t>(std::bit_width((std::max(bytes, kLeast) - 1) / kLeast));
}

std::size_t BlockHeap::Rounded(std::size_t bytes) { return bytes > kLargestInPage ? bytes : kLeast << ClassOf(bytes); }

void* BlockHeap::Allocate(std::size_t bytes) {
  used_bytes_ += static_cast<std::int64_t>(Rounded(bytes));
  if (bytes > kLargestInPage) {
    void* block = ::operator new(bytes);
    large_.insert(block);
    allocated_bytes_ += static_cast<std::int64_t>(bytes);
    return block;
  }
  const std::size_t c = ClassOf(bytes), size = kLeast << c;
  if (free_[c] != nullptr) {
    void* block = free_[c];
    free_[c] = *static_cast<void**>(block);
    return block;
  }
  if (page_left_ < size) {
    // What is left of the page becomes blocks of the classes that fit.
    while (page_left_ >= kLeast) {
      const std::size_t rest = std::bit_floor(page_left_);
      const std::size_t rest_class = std::min(ClassOf(rest), kClasses - 1), taken = kLeast << rest_class;
      *reinterpret_cast<void**>(page_at_) = free_[rest_class];
      free_[rest_class] = page_at_;
      page_at_ += taken;
      page_left_ -= taken;
    }
    // Small heaps stay small: the first pages grow by doubling.
    const std::size_t page = std::min(kPageBytes, std::max<std::size_t>(1024, static_cast<std::size_t>(allocated_bytes_)));
    page_left_ = std::max(page, size);
    pages_.push_back(std::make_unique_for_overwrite<std::byte[]>(page_left_));
    page_at_ = pages_.back().get();
    allocated_bytes_ += static_cast<std::int64_t>(page_left_);
  }
  void* block = page_at_;
  page_at_ += size;
  page_left_ -= size;
  return block;
}

void BlockHeap::Free(void* block, std::size_t bytes) {
  used_bytes_ -= static_cast<std::int64_t>(Rounded(bytes));
  if (bytes > kLargestInPage) {
    large_.erase(block);
    ::operator delete(block);
    allocated_bytes_ -= static_cast<std::int64_t>(bytes);
    return;
  }
  const std::size_t c = ClassOf(bytes);
  *static_cast<void**>(block) = free_[c];
  free_[c] = block;
}

}  // namespace headrace::data::state
