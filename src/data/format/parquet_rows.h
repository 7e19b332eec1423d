#pragma once
#include <arrow/io/type_fwd.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"

namespace headrace::data::format {

/// A part of a Parquet file as typed rows: the row groups whose data begin within a range of bytes. Ranges that cover a file give each of
/// its row groups once. Only the columns of the schema are read, by their names; one that the file does not have is null.
/// Shape:   batches of up to 4096 rows and about 256 KiB, in the file's order.
/// Errors:  kConnectorIo for a file that cannot be read or is no Parquet file; kBadRecord, naming file and column, for a column that does
///          not go into the schema (format::GoesInto), is missing without being nullable, or holds a value that does not fit.
/// Thread:  its owner's; reads block.
class ParquetRows {
 public:
  static constexpr std::int64_t kBatchRows = 4096;
  static constexpr std::int64_t kBatchBytes = 256 << 10;

  /// `file`: its bytes, of any kind; null: they are opened by `path`. `end` -1: to the end of the file. `skip` rows of the part were read
  /// before.
  static Result<std::unique_ptr<ParquetRows>> Open(const std::string& path, std::int64_t begin, std::int64_t end, std::int64_t skip,
                                                   std::shared_ptr<arrow::Schema> schema);
  static Result<std::unique_ptr<ParquetRows>> Open(std::shared_ptr<arrow::io::RandomAccessFile> file, const std::string& path,
                                                   std::int64_t begin, std::int64_t end, std::int64_t skip,
                                                   std::shared_ptr<arrow::Schema> schema);
  ~ParquetRows();
  /// Null at the end.
  Result<std::shared_ptr<arrow::RecordBatch>> Next();

 private:
  struct State;
  explicit ParquetRows(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace headrace::data::format
