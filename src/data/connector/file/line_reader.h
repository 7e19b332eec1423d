#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace headrace::data::connector {

/// Cuts one file into lines, chunk by chunk. Owns the file descriptor; one thread.
class LineReader {
 public:
  static constexpr std::size_t kMaxLineBytes = 16u << 20;
  /// `position` is where a line starts. kConnectorIo when the file cannot be opened or is none: a pipe or a device could keep
  /// the reading thread for ever.
  static Result<LineReader> Open(const std::string& path, std::int64_t position);
  LineReader(LineReader&& other) noexcept;
  LineReader& operator=(LineReader&&) = delete;
  ~LineReader();

  enum class Found { kLine, kTooLong, kUnfinished, kEnd };
  /// The next line without its end; valid until the next call. kTooLong: the line was passed over, `line` is its last part.
  /// kUnfinished: a line that is too long goes on; ask again unless you have to stop.
  Result<Found> Next(std::string_view* line);
  /// Byte position behind the last line, whole ones only.
  std::int64_t position() const { return position_; }

 private:
  LineReader(int file, std::string path, std::int64_t position) : file_(file), path_(std::move(path)), position_(position) {}
  Result<bool> Fill();

  int file_;
  std::string path_;
  std::int64_t position_;
  std::string buffer_;
  std::size_t start_ = 0;         ///< of the next line in buffer_
  std::size_t scanned_ = 0;       ///< no line end before this place
  std::int64_t passed_over_ = 0;  ///< bytes of a line that is too long
  bool at_end_ = false;
};

}  // namespace headrace::data::connector
