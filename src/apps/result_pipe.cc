#include "apps/result_pipe.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "columnar/value_column.h"
#include "columnar/value_encoding.h"

namespace headrace::apps {

namespace {

/// Frames end behind so many bytes of rows; the reader takes up to a GiB at a time.
constexpr std::size_t kFrameBytes = 16 << 20, kMostBytes = 1 << 30;

Status BadRow(const std::string& uid, std::int64_t row, std::string_view why) {
  return Error(ErrorCode::kBadOption, fmt::format("row {} of a batch that the sink {} collects cannot be handed over: {}", row, uid, why),
               "Leave the column out with select(), or make text or numbers of it.");
}

}  // namespace

bool ResultPipe::Write(const std::string& uid, const columnar::DataBatch& batch) {
  if (!failure().ok()) return false;
  Status written = WriteRows(uid, batch);
  if (written.ok()) return true;
  std::lock_guard lock(mutex_);
  if (failure_.ok()) failure_ = std::move(written);
  return false;
}

Status ResultPipe::failure() {
  std::lock_guard lock(mutex_);
  return failure_;
}

Status ResultPipe::WriteRows(const std::string& uid, const columnar::DataBatch& batch) {
  auto reader = columnar::ValueRowReader::Make(batch);
  if (!reader.ok()) return BadRow(uid, 0, reader.status().message());
  std::string encoded;
  std::uint64_t rows = 0;
  for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
    const std::size_t before = encoded.size();
    if (Status appended = reader->AppendRowEncoded(row, &encoded); !appended.ok()) return BadRow(uid, row, appended.message());
    if (encoded.size() - before > kMostBytes - kFrameBytes - 1024)
      return BadRow(uid, row, fmt::format("it has {} bytes", encoded.size() - before));
    ++rows;
    if (encoded.size() < kFrameBytes) continue;
    HR_RETURN_NOT_OK(WriteFrame(uid, rows, encoded));
    encoded.clear();
    rows = 0;
  }
  return rows == 0 ? Status::OK() : WriteFrame(uid, rows, encoded);
}

Status ResultPipe::WriteFrame(const std::string& uid, std::uint64_t rows, const std::string& encoded) {
  std::string frame(4, '\0');
  columnar::ValueWriter writer(&frame);
  writer.TupleHeader(2);
  writer.String(uid);
  writer.ListHeader(rows);
  frame += encoded;
  const auto length = static_cast<std::uint32_t>(frame.size() - 4);
  std::memcpy(frame.data(), &length, 4);
  std::lock_guard lock(mutex_);
  const char* at = frame.data();
  std::size_t left = frame.size();
  while (left > 0 && fd_ >= 0) {
    const ssize_t written = ::write(fd_, at, left);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int why = errno;
      ::close(fd_);
      fd_ = -1;
      if (why == EPIPE) return Status::OK();
      return Error(ErrorCode::kConnectorIo, fmt::format("collected rows cannot be handed over: {}", std::strerror(why)));
    }
    at += written;
    left -= static_cast<std::size_t>(written);
  }
  return Status::OK();
}

void ResultPipe::Close() {
  std::lock_guard lock(mutex_);
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace headrace::apps
