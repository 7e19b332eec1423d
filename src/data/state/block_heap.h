#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_set>
#include <vector>

namespace headrace::data::state {

/// Memory for state of variable size beside rows of fixed size: blocks by powers of two out of pages, freed blocks go back to
/// their class and are taken first. Blocks beyond kLargestInPage stand alone. All that is left goes with the heap.
/// Owned by one aggregate function, used on the task's thread only. Pages are kept until the end.
class BlockHeap {
 public:
  static constexpr std::size_t kLargestInPage = 32u << 10;

  BlockHeap() = default;
  BlockHeap(const BlockHeap&) = delete;
  BlockHeap& operator=(const BlockHeap&) = delete;
  ~BlockHeap();

  /// `bytes` bytes, aligned to 16, not cleared.
  void* Allocate(std::size_t bytes);
  /// Gives a block back, with the size that was asked for.
  void Free(void* block, std::size_t bytes);
  /// What Allocate(bytes) really takes: blocks may be used to this size.
  static std::size_t Rounded(std::size_t bytes);
  /// Memory held, free blocks included.
  std::int64_t allocated_bytes() const { return allocated_bytes_; }
  /// Memory of blocks in use.
  std::int64_t used_bytes() const { return used_bytes_; }

 private:
  static constexpr std::size_t kPageBytes = 256u << 10;
  static constexpr std::size_t kLeast = 16;
  static constexpr std::size_t kClasses = 12;  // 16 B to 32 KiB
  static std::size_t ClassOf(std::size_t bytes);

  std::array<void*, kClasses> free_{};  // lists through the blocks' first bytes
  std::vector<std::unique_ptr<std::byte[]>> pages_;
  std::size_t page_left_ = 0;
  std::byte* page_at_ = nullptr;
  std::unordered_set<void*> large_;
  std::int64_t allocated_bytes_ = 0, used_bytes_ = 0;
};

}  // namespace headrace::data::state
