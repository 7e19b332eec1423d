#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace headrace::bench {

/// Columns of one batch of a Nexmark table, as Arrow holds them. Borrowed.
struct HandColumns {
  std::int64_t rows = 0;
  const std::int64_t* time = nullptr;
  const std::int64_t *auction = nullptr, *bidder = nullptr, *price = nullptr;  ///< bid
  const std::int64_t *id = nullptr, *seller = nullptr;                         ///< auction, person
  const std::int32_t* name_offsets = nullptr;                                  ///< person
  const char* name_bytes = nullptr;
};

namespace hand {

/// A plain growing array. The hand loops are compiled for this machine alone, so they share no template with the engine: a linker keeps
/// one copy of each.
template <typename T>
class Array {
 public:
  Array() = default;
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  ~Array() { std::free(data_); }
  /// `size` zeroes.
  void Assign(std::size_t size) {
    std::free(data_);
    data_ = static_cast<T*>(std::aligned_alloc(64, (size * sizeof(T) + 63) / 64 * 64));
    std::memset(static_cast<void*>(data_), 0, size * sizeof(T));
    size_ = capacity_ = size;
  }
  void Reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    auto* data = static_cast<T*>(std::aligned_alloc(64, (capacity * sizeof(T) + 63) / 64 * 64));
    if (size_ > 0) std::memcpy(static_cast<void*>(data), data_, size_ * sizeof(T));
    std::free(data_);
    data_ = data;
    capacity_ = capacity;
  }
  void Push(const T& value) {
    if (size_ == capacity_) Reserve(capacity_ == 0 ? 64 : capacity_ * 2);
    data_[size_++] = value;
  }
  void Clear() { size_ = 0; }
  void Zero() { std::memset(static_cast<void*>(data_), 0, size_ * sizeof(T)); }
  void Swap(Array& other) {
    T* data = data_;
    const std::size_t size = size_, capacity = capacity_;
    data_ = other.data_, size_ = other.size_, capacity_ = other.capacity_;
    other.data_ = data, other.size_ = size, other.capacity_ = capacity;
  }
  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t at) { return data_[at]; }
  const T& operator[](std::size_t at) const { return data_[at]; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0, capacity_ = 0;
};

/// Slot of a key in a table of 2^bits.
inline std::size_t SlotOf(std::int64_t key, unsigned bits) {
  return (static_cast<std::uint64_t>(key) * 0x9E3779B97F4A7C15ULL) >> (64 - bits);
}

/// The rows of a batch that were written are in memory, and somebody may look at them.
inline void Publish(const void* data) { asm volatile("" : : "r"(data) : "memory"); }

/// First row from `first` on whose time is `end` or later.
inline std::int64_t EndOfRun(const std::int64_t* time, std::int64_t first, std::int64_t rows, std::int64_t end) {
  if (time[rows - 1] < end) return rows;  // in order, as the generator makes them
  std::int64_t least = first, most = rows;
  while (least < most) {
    const std::int64_t middle = (least + most) / 2;
    if (time[middle] < end)
      least = middle + 1;
    else
      most = middle;
  }
  return least;
}

}  // namespace hand
}  // namespace headrace::bench
