#pragma once
#include <arrow/io/type_fwd.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/status.h"
#include "columnar/data_batch.h"

namespace headrace::data::format {

/// Rows into one Parquet file. Columns are those of the rows, without the reserved ones but for __row_kind, a text; the Arrow schema goes
/// along, so that types that Parquet does not have (duration) read back as they were. Rows are collected into row groups.
/// Errors:  what the stream says; NotImplemented for types that Parquet cannot hold.
/// Thread:  its owner's.
class ParquetWriter {
 public:
  static constexpr std::int64_t kGroupRows = 128 << 10;
  static constexpr std::int64_t kGroupBytes = 32 << 20;

  /// `compression`: none, snappy, zstd, gzip or lz4. `group_bytes`: of rows in memory, at most kGroupBytes.
  static Result<std::unique_ptr<ParquetWriter>> Open(const arrow::Schema& rows, std::string_view compression, std::int64_t group_bytes,
                                                     std::shared_ptr<arrow::io::OutputStream> out);
  ~ParquetWriter();
  Status Write(const arrow::RecordBatch& rows);
  /// Writes what is collected, and the footer. Nothing follows.
  Status Close();

 private:
  struct State;
  explicit ParquetWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace headrace::data::format
