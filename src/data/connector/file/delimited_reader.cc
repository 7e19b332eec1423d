#include "data/connector/file/delimited_reader.h"

#include <arrow/io/file.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace headrace::data::connector {
namespace {

constexpr std::size_t kChunkBytes = 256u << 10;

Status CannotRead(const std::string& path, const Status& status) {
  return Error(ErrorCode::kConnectorIo, fmt::format("file \"{:.500}\" cannot be read: {:.500}", path, status.message()));
}

}  // namespace

DelimitedReader::DelimitedReader(std::shared_ptr<arrow::io::InputStream> file, std::string path, std::int64_t position)
    : file_(std::move(file)), path_(std::move(path)), position_(position) {}
DelimitedReader::DelimitedReader(DelimitedReader&&) noexcept = default;
DelimitedReader::~DelimitedReader() = default;

Result<DelimitedReader> DelimitedReader::Open(const std::string& path, std::int64_t position) {
  auto file = arrow::io::ReadableFile::Open(path);
  if (!file.ok()) return CannotRead(path, file.status());
  if (const Status moved = (*file)->Seek(position); !moved.ok()) return CannotRead(path, moved);
  return DelimitedReader(std::move(*file), path, position);
}

/// Up to `size` bytes from the next record on; fewer at the end of the file. Large records are read piece by piece, so that a length
/// that lies asks for no memory.
Result<std::string_view> DelimitedReader::Peek(std::size_t size) {
  while (buffer_.size() - start_ < size) {
    buffer_.erase(0, std::exchange(start_, 0));
    const std::size_t kept = buffer_.size();
    buffer_.resize(kept + kChunkBytes);
    const auto got = file_->Read(static_cast<std::int64_t>(kChunkBytes), buffer_.data() + kept);
    buffer_.resize(kept + static_cast<std::size_t>(got.ok() ? *got : 0));
    if (!got.ok()) return CannotRead(path_, got.status());
    if (*got == 0) break;
  }
  return std::string_view(buffer_).substr(start_, size);
}

Result<DelimitedReader::Found> DelimitedReader::Next(std::string_view* record) {
  if (broken_) return Found::kEnd;
  HR_ASSIGN_OR_RAISE(const std::string_view head, Peek(10));
  if (head.empty()) return Found::kEnd;
  std::uint64_t length = 0;
  std::size_t size = 0;
  while (size < head.size() && (head[size] & 0x80) != 0 && size < 9) {
    length |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(head[size]) & 0x7F) << (7 * size);
    ++size;
  }
  const bool whole = size < head.size() && (head[size] & 0x80) == 0;
  if (whole) length |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(head[size])) << (7 * size);
  ++size;
  if (whole && length <= static_cast<std::uint64_t>(kMaxRecordBytes)) {
    HR_ASSIGN_OR_RAISE(const std::string_view bytes, Peek(size + static_cast<std::size_t>(length)));
    if (bytes.size() == size + static_cast<std::size_t>(length)) {
      *record = bytes.substr(size);
      start_ += bytes.size();
      position_ += static_cast<std::int64_t>(bytes.size());
      return Found::kRecord;
    }
  }
  broken_ = true;
  *record = std::string_view(buffer_).substr(start_);
  return Found::kBroken;
}

}  // namespace headrace::data::connector
