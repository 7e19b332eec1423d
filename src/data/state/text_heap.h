#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace headrace::data::state {

/// Byte strings of rows that are kept for a while: put in once, dropped once. Small ones share pages, which are freed or used again
/// when nothing in them is left; a string never moves. A reference is a word: page, offset and size; 0 = the empty string.
/// Owned by its table, used on the task's thread only. Strings up to 64 MiB, pages up to 2^20.
class TextHeap {
 public:
  /// CapacityError for a string that is too long, or when pages run out.
  Result<std::uint64_t> Put(std::string_view text);
  std::string_view Get(std::uint64_t ref) const {
    const std::size_t size = ref & kSizeMask;
    if (size == 0) return {};
    return {pages_[ref >> (kOffsetBits + kSizeBits)].bytes.get() + (ref >> kSizeBits & kOffsetMask), size};
  }
  static std::uint32_t SizeOf(std::uint64_t ref) { return static_cast<std::uint32_t>(ref & kSizeMask); }
  void Drop(std::uint64_t ref);

  std::int64_t live_bytes() const { return live_bytes_; }
  /// Memory held, free space in pages included.
  std::int64_t allocated_bytes() const { return allocated_bytes_ + static_cast<std::int64_t>(pages_.capacity() * sizeof(Page)); }

 private:
  static constexpr std::uint32_t kOffsetBits = 18, kSizeBits = 26;
  static constexpr std::uint64_t kOffsetMask = (1u << kOffsetBits) - 1, kSizeMask = (1u << kSizeBits) - 1;
  static constexpr std::uint32_t kFirstPageBytes = 4u << 10, kPageBytes = 1u << kOffsetBits;
  static constexpr std::size_t kMaxPages = 1u << 20;

  struct Page {
    std::unique_ptr<char[]> bytes;
    std::uint32_t capacity = 0, used = 0, live = 0;
  };
  Result<std::uint32_t> MakePage(std::uint32_t capacity);

  std::vector<Page> pages_;
  std::vector<std::uint32_t> free_pages_;
  std::uint32_t current_ = 0, next_bytes_ = kFirstPageBytes;
  bool has_current_ = false;
  std::int64_t live_bytes_ = 0, allocated_bytes_ = 0;
};

}  // namespace headrace::data::state
