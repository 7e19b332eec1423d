#pragma once
#include <arrow/io/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace headrace::data::connector {

/// Cuts one file into records, each behind its length as a varint, as Protobuf's writeDelimitedTo() writes them. Owns the file; one thread.
class DelimitedReader {
 public:
  static constexpr std::int64_t kMaxRecordBytes = 64 << 20;
  /// `position` is where a length starts. kConnectorIo when the file cannot be opened.
  static Result<DelimitedReader> Open(const std::string& path, std::int64_t position);
  ~DelimitedReader();
  DelimitedReader(DelimitedReader&&) noexcept;
  DelimitedReader& operator=(DelimitedReader&&) = delete;

  enum class Found { kRecord, kBroken, kEnd };
  /// The next record, valid until the next call. kBroken: a length that is none, over the bound or beyond the end of the file; `record` is
  /// what stands there, and kEnd follows.
  Result<Found> Next(std::string_view* record);
  /// Byte position behind the last record.
  std::int64_t position() const { return position_; }

 private:
  DelimitedReader(std::shared_ptr<arrow::io::InputStream> file, std::string path, std::int64_t position);
  Result<std::string_view> Peek(std::size_t size);

  std::shared_ptr<arrow::io::InputStream> file_;
  std::string path_;
  std::int64_t position_;
  std::string buffer_;
  std::size_t start_ = 0;  ///< of the next record in buffer_
  bool broken_ = false;
};

}  // namespace headrace::data::connector
