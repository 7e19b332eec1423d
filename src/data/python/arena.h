#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/status.h"
#include "data/python/descriptor.h"

namespace headrace::data::python {

/// Shared memory of one direction between the TaskManager and one worker: a memfd that may grow and never shrinks (sealed, so
/// that no reader can be killed by a shorter file). Either the owner writes it or reads what the worker wrote.
/// One user at a time: whoever holds the arena of a trip.
class Arena {
 public:
  static constexpr std::uint64_t kMaxBytes = 1ull << 30;

  static Result<Arena> Create(const std::string& name);
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) = delete;
  ~Arena();
  int fd() const { return fd_.get(); }
  /// Size of the file as far as this side knows it.
  std::uint64_t size() const { return size_; }
  /// Memory of at least `bytes` to write to. TooLarge above kMaxBytes.
  Result<std::uint8_t*> Reserve(std::uint64_t bytes);
  /// What the worker wrote at [offset, offset + length) of a file it says has `arena_size` bytes. Nothing it says is believed:
  /// a range outside the real file is an error. The bytes may change while they are read.
  Result<std::span<const std::uint8_t>> View(std::uint64_t offset, std::uint64_t length, std::uint64_t arena_size);

 private:
  explicit Arena(Descriptor fd) : fd_(std::move(fd)) {}
  Status Map(std::uint64_t bytes);
  Descriptor fd_;
  std::uint8_t* data_ = nullptr;
  std::uint64_t size_ = 0;
};

}  // namespace headrace::data::python
