#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace headrace::data::state {

/// Hands out byte cells in size classes from large chunks and takes them back. Cells never move. One owner, one thread.
class ValueArena {
 public:
  struct Cell {
    std::uint8_t* data = nullptr;
    std::uint32_t capacity = 0;
  };
  /// A cell of at least `size` bytes (0 gives the empty cell).
  Cell Allocate(std::uint32_t size);
  /// Takes a cell back for reuse.
  void Free(Cell cell);
  std::int64_t allocated_bytes() const { return allocated_bytes_; }
  void Clear();

 private:
  static constexpr std::uint32_t kChunkBytes = 256u << 10;
  static constexpr int kClasses = 32;
  struct Chunk {
    std::unique_ptr<std::uint8_t[]> data;
    std::uint32_t size;
  };
  std::vector<Chunk> chunks_;
  std::array<std::vector<std::uint8_t*>, kClasses> free_;  // by class
  std::uint8_t* cursor_ = nullptr;
  std::uint32_t left_ = 0;
  std::int64_t allocated_bytes_ = 0;
};

}  // namespace headrace::data::state
