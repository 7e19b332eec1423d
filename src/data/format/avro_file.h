#pragma once
#include <arrow/io/type_fwd.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace headrace::data::format {

/// Reads an Avro object container file into typed columns: fields go into columns by name, by the schema in the file's header. Blocks may
/// be compressed with null, deflate, snappy or zstandard, and hold up to 64 MiB. Shape:   out batches of whole blocks, at least 4,096 rows
/// or 256 KiB while there are as many. Errors:  kBadRecord for a file that is none, is cut off or whose schema does not go into the
/// columns; kConnectorIo when it cannot
///          be read. A record that is refused goes to `on_bad` with what is known of its bytes: all of them, or when its end cannot be
///          found the rest of its block.
/// Thread:  its owner's.
class AvroFileRows {
 public:
  /// `where`: the byte at which the record's block begins.
  using OnBad = std::function<Status(std::int64_t where, const std::string& why, std::string_view bytes)>;

  /// `position`: 0, or what position() was.
  static Result<std::unique_ptr<AvroFileRows>> Open(const std::string& path, std::int64_t position, std::shared_ptr<arrow::Schema> schema);
  static Result<std::unique_ptr<AvroFileRows>> Open(std::shared_ptr<arrow::io::RandomAccessFile> file, const std::string& path,
                                                    std::int64_t position, std::shared_ptr<arrow::Schema> schema);
  ~AvroFileRows();
  /// Null at the end.
  Result<std::shared_ptr<arrow::RecordBatch>> Next(const OnBad& on_bad);
  /// The byte behind the last block that was read.
  std::int64_t position() const;

 private:
  struct State;
  explicit AvroFileRows(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace headrace::data::format
