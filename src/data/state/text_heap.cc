#include "data/state/text_heap.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace headrace::data::state {

Result<std::uint32_t> TextHeap::MakePage(std::uint32_t capacity) {
  if (free_pages_.empty()) {
    if (pages_.size() >= kMaxPages) return Status::CapacityError("more than ", kMaxPages, " pages of text in one table of kept rows");
    free_pages_.push_back(static_cast<std::uint32_t>(pages_.size()));
    pages_.emplace_back();
  }
  const std::uint32_t number = free_pages_.back();
  std::unique_ptr<char[]> bytes(new (std::nothrow) char[capacity]);
  if (bytes == nullptr) return Status::OutOfMemory("a page of ", capacity, " bytes for texts of kept rows");
  free_pages_.pop_back();
  pages_[number] = {std::move(bytes), capacity, 0, 0};
  allocated_bytes_ += capacity;
  return number;
}

Result<std::uint64_t> TextHeap::Put(std::string_view text) {
  if (text.empty()) return std::uint64_t{0};
  if (text.size() > kSizeMask)
    return Status::CapacityError("a text of ", text.size(), " bytes in a row that must be kept; at most ", kSizeMask, " are taken");
  const auto size = static_cast<std::uint32_t>(text.size());
  std::uint32_t number = current_;
  if (size > kPageBytes / 4) {
    HR_ASSIGN_OR_RAISE(number, MakePage(size));
  } else if (!has_current_ || pages_[current_].capacity - pages_[current_].used < size) {
    HR_ASSIGN_OR_RAISE(current_, MakePage(std::max(next_bytes_, size)));
    number = current_;
    has_current_ = true;
    next_bytes_ = std::min(next_bytes_ * 2, kPageBytes);
  }
  Page& page = pages_[number];
  const std::uint64_t offset = page.used;
  std::memcpy(page.bytes.get() + offset, text.data(), size);
  page.used += size;
  page.live += size;
  live_bytes_ += size;
  return std::uint64_t{number} << (kOffsetBits + kSizeBits) | offset << kSizeBits | size;
}

void TextHeap::Drop(std::uint64_t ref) {
  const std::uint32_t size = SizeOf(ref);
  if (size == 0) return;
  const auto number = static_cast<std::uint32_t>(ref >> (kOffsetBits + kSizeBits));
  Page& page = pages_[number];
  page.live -= size;
  live_bytes_ -= size;
  if (page.live > 0) return;
  if (has_current_ && number == current_) {
    page.used = 0;
    return;
  }
  allocated_bytes_ -= page.capacity;
  page = {};
  free_pages_.push_back(number);
}

}  // namespace headrace::data::state
