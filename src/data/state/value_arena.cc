#include "data/state/value_arena.h"

#include <bit>

namespace headrace::data::state {

namespace {

// Powers of two from 16 bytes: small accumulators grow in place a few times before they move.
int ClassOf(std::uint32_t size) { return size <= 16 ? 4 : std::bit_width(size - 1); }

}  // namespace

ValueArena::Cell ValueArena::Allocate(std::uint32_t size) {
  if (size == 0) return {};
  const int size_class = ClassOf(size);
  // Above half a chunk the cell is a chunk of its own, at its exact size.
  const std::uint32_t capacity = size > kChunkBytes / 2 ? size : 1u << size_class;
  if (size <= kChunkBytes / 2) {
    auto& free = free_[size_class];
    if (!free.empty()) {
      std::uint8_t* data = free.back();
      free.pop_back();
      return {data, capacity};
    }
    if (left_ >= capacity) {
      std::uint8_t* data = cursor_;
      cursor_ += capacity;
      left_ -= capacity;
      return {data, capacity};
    }
  }
  const std::uint32_t bytes = capacity > kChunkBytes / 2 ? capacity : kChunkBytes;
  chunks_.push_back({std::unique_ptr<std::uint8_t[]>(new std::uint8_t[bytes]), bytes});
  allocated_bytes_ += bytes;
  std::uint8_t* data = chunks_.back().data.get();
  if (bytes == kChunkBytes && capacity <= kChunkBytes / 2) {
    cursor_ = data + capacity;
    left_ = bytes - capacity;
  }
  return {data, capacity};
}

void ValueArena::Free(Cell cell) {
  if (cell.data == nullptr) return;
  if (cell.capacity <= kChunkBytes / 2) {
    free_[ClassOf(cell.capacity)].push_back(cell.data);
    return;
  }
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    if (chunks_[i].data.get() != cell.data) continue;
    allocated_bytes_ -= chunks_[i].size;
    chunks_[i] = std::move(chunks_.back());
    chunks_.pop_back();
    return;
  }
}

void ValueArena::Clear() {
  chunks_.clear();
  for (auto& free : free_) free.clear();
  cursor_ = nullptr;
  left_ = 0;
  allocated_bytes_ = 0;
}

}  // namespace headrace::data::state
