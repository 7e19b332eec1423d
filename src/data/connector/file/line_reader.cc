#include "data/connector/file/line_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace headrace::data::connector {
namespace {

constexpr std::size_t kChunkBytes = 256u << 10;

Status CannotRead(const std::string& path, int error) {
  return Error(ErrorCode::kConnectorIo, fmt::format("file \"{:.500}\" cannot be read: {}", path, std::strerror(error)));
}

}  // namespace

Result<LineReader> LineReader::Open(const std::string& path, std::int64_t position) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (file < 0) return CannotRead(path, errno);
  LineReader reader(file, path, position);
  struct stat about {};
  if (::fstat(file, &about) != 0) return CannotRead(path, errno);
  if (S_ISDIR(about.st_mode)) return CannotRead(path, EISDIR);
  if (!S_ISREG(about.st_mode))
    return Error(ErrorCode::kConnectorIo, fmt::format("\"{:.500}\" is not a file but a pipe, a socket or a device", path),
                 "A file source reads regular files. Write what comes over a pipe to a file or to Kafka.");
  if (position > 0 && ::lseek(file, position, SEEK_SET) < 0) return CannotRead(path, errno);
  return reader;
}

LineReader::LineReader(LineReader&& other) noexcept
    : file_(std::exchange(other.file_, -1)),
      path_(std::move(other.path_)),
      position_(other.position_),
      buffer_(std::move(other.buffer_)),
      start_(other.start_),
      scanned_(other.scanned_),
      passed_over_(other.passed_over_),
      at_end_(other.at_end_) {}

LineReader::~LineReader() {
  if (file_ >= 0) ::close(file_);
}

Result<bool> LineReader::Fill() {
  buffer_.erase(0, start_);
  scanned_ -= start_;
  start_ = 0;
  const std::size_t kept = buffer_.size();
  buffer_.resize(kept + kChunkBytes);
  ssize_t got;
  do got = ::read(file_, buffer_.data() + kept, kChunkBytes);
  while (got < 0 && errno == EINTR);
  buffer_.resize(kept + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return CannotRead(path_, errno);
  return got > 0;
}

Result<LineReader::Found> LineReader::Next(std::string_view* line) {
  while (true) {
    const std::size_t end = buffer_.find('\n', scanned_);
    if (end != std::string::npos || (at_end_ && (start_ < buffer_.size() || passed_over_ > 0))) {
      const bool terminated = end != std::string::npos;
      const std::size_t stop = terminated ? end : buffer_.size();
      *line = std::string_view(buffer_).substr(start_, stop - start_);
      start_ = scanned_ = terminated ? stop + 1 : stop;
      const bool too_long = passed_over_ > 0 || line->size() > kMaxLineBytes;
      position_ += std::exchange(passed_over_, 0) + static_cast<std::int64_t>(line->size()) + (terminated ? 1 : 0);
      if (line->ends_with('\r')) line->remove_suffix(1);
      return too_long ? Found::kTooLong : Found::kLine;
    }
    if (at_end_) return Found::kEnd;
    scanned_ = buffer_.size();
    const bool pass_over = passed_over_ > 0 || buffer_.size() - start_ > kMaxLineBytes;
    if (pass_over) {
      passed_over_ += static_cast<std::int64_t>(buffer_.size() - start_);
      start_ = scanned_ = buffer_.size();
    }
    HR_ASSIGN_OR_RAISE(const bool more, Fill());
    at_end_ = !more;
    if (pass_over) return Found::kUnfinished;
  }
}

}  // namespace headrace::data::connector
