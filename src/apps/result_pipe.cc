#include "apps/result_pipe.h"

#include <unistd.h>
#include <cerrno>
#include <cstring>

#include "base/logging.h"
#include "columnar/value_column.h"
#include "columnar/value_encoding.h"

namespace headrace::apps {

void ResultPipe::Write(const std::string& uid, const columnar::DataBatch& batch) {
  auto reader = columnar::ValueRowReader::Make(batch);
  if (!reader.ok()) return LogError("results", reader.status().message());
  std::string frame(4, '\0');
  columnar::ValueWriter writer(&frame);
  writer.TupleHeader(2);
  writer.String(uid);
  writer.ListHeader(static_cast<std::uint64_t>(batch.num_rows()));
  for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
    if (Status appended = reader->AppendRowEncoded(row, &frame); !appended.ok()) return LogError("results", appended.message());
  }
  const auto length = static_cast<std::uint32_t>(frame.size() - 4);
  std::memcpy(frame.data(), &length, 4);
  std::lock_guard lock(mutex_);
  const char* at = frame.data();
  std::size_t left = frame.size();
  while (left > 0 && fd_ >= 0) {
    const ssize_t written = ::write(fd_, at, left);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      ::close(fd_);
      fd_ = -1;
      return;
    }
    at += written;
    left -= static_cast<std::size_t>(written);
  }
}

void ResultPipe::Close() {
  std::lock_guard lock(mutex_);
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace headrace::apps
