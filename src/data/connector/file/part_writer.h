#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "columnar/data_batch.h"
#include "data/connector/file/part_files.h"
#include "data/format/parquet_writer.h"

namespace headrace::data::connector {

/// When a part file is complete, besides at a flush.
struct PartLimits {
  std::int64_t bytes = 64 << 20, rows = 0;  ///< rows 0: any number
  std::chrono::milliseconds age{10'000};    ///< after its first row
};

/// Text or Parquet rows of one sink subtask into part files that are cut by their limits. One thread: the sink's writing thread.
class PartWriter {
 public:
  /// `compression`: of Parquet; empty: text.
  PartWriter(std::unique_ptr<PartFiles> files, PartLimits limits, std::string compression);
  ~PartWriter();
  Status Prepare() { return files_->Prepare(); }
  /// `header` begins every file. Of text the rows of one call stay together.
  Status Write(std::string_view header, std::string_view text, std::int64_t rows);
  /// Parquet: a file has no more rows than its limit.
  Status Write(const columnar::DataBatch& batch);
  /// A file is open, and complete at this time.
  bool open() const { return rows_ > 0; }
  std::chrono::steady_clock::time_point due() const { return opened_at_ + limits_.age; }
  /// Makes what was written durable and visible.
  Status Publish();

 private:
  Status CountRows(std::int64_t rows);

  std::unique_ptr<PartFiles> files_;
  const PartLimits limits_;
  const std::string compression_;
  std::unique_ptr<format::ParquetWriter> parquet_;
  std::int64_t rows_ = 0;  ///< of the open file
  std::chrono::steady_clock::time_point opened_at_{};
};

}  // namespace headrace::data::connector
