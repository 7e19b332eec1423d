#include "data/python/arena.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

namespace headrace::data::python {

namespace {

constexpr std::uint64_t kFirstBytes = 64u << 10;

Status SystemError(const char* what) {
  return Error(ErrorCode::kPythonStart, fmt::format("shared memory for a Python worker: {}: {}", what, std::strerror(errno)));
}

}  // namespace

Result<Arena> Arena::Create(const std::string& name) {
  Descriptor fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return SystemError("memfd_create");
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) != 0) return SystemError("sealing");
  return Arena(std::move(fd));
}

Arena::Arena(Arena&& other) noexcept
    : fd_(std::move(other.fd_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Arena::~Arena() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Status Arena::Map(std::uint64_t bytes) {
  void* mapped = data_ == nullptr ? ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0)
                                  : ::mremap(data_, size_, bytes, MREMAP_MAYMOVE);
  if (mapped == MAP_FAILED) return SystemError("mapping");
  data_ = static_cast<std::uint8_t*>(mapped);
  size_ = bytes;
  return Status::OK();
}

Result<std::uint8_t*> Arena::Reserve(std::uint64_t bytes) {
  if (bytes > kMaxBytes)
    return Error(ErrorCode::kTooLarge, fmt::format("a batch of {} bytes is too large for a Python worker", bytes),
                 "Use smaller records or smaller batches.");
  if (bytes > size_) {
    const std::uint64_t grown = std::bit_ceil(std::max(bytes, kFirstBytes));
    if (::ftruncate(fd_.get(), static_cast<off_t>(grown)) != 0) return SystemError("growing");
    HR_RETURN_NOT_OK(Map(grown));
  }
  return data_;
}

Result<std::span<const std::uint8_t>> Arena::View(std::uint64_t offset, std::uint64_t length, std::uint64_t arena_size) {
  if (arena_size > kMaxBytes || offset > arena_size || length > arena_size - offset) {
    return Status::Invalid(fmt::format("range {}+{} of an arena of {} bytes", offset, length, arena_size));
  }
  if (length == 0) return std::span<const std::uint8_t>();
  if (offset + length > size_) {
    struct stat info = {};
    if (::fstat(fd_.get(), &info) != 0) return SystemError("fstat");
    const auto real = static_cast<std::uint64_t>(info.st_size);
    if (offset + length > real) return Status::Invalid(fmt::format("range {}+{} ends behind the arena's {} bytes", offset, length, real));
    HR_RETURN_NOT_OK(Map(std::min(real, kMaxBytes)));
  }
  return std::span<const std::uint8_t>(data_ + offset, length);
}

}  // namespace headrace::data::python
