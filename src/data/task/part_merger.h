#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <unordered_set>
#include <vector>

#include "base/status.h"
#include "columnar/column_gatherer.h"
#include "data/exchange/batch_part.h"

namespace headrace::data::task {

/// Makes one batch of small parts, in the order in which they come. A part that stays alone is passed on without a copy.
/// Owned by an input gate, its thread only.
class PartMerger {
 public:
  /// Whether Add() may follow: the part is small, of the schema of those that wait, and of columns that can be gathered.
  bool Takes(const exchange::BatchPart& part);
  void Add(exchange::BatchPart part);
  bool empty() const { return rows_ == 0; }
  /// Enough for a batch.
  bool full() const { return rows_ >= kFullRows || bytes_ >= kFullBytes; }
  /// All rows that wait, which must be some.
  Result<columnar::DataBatch> Finish();

 private:
  static constexpr std::int64_t kSmallRows = 1024, kSmallBytes = 64 << 10;
  static constexpr std::int64_t kFullRows = 4096, kFullBytes = 256 << 10;

  bool UseSchema(const std::shared_ptr<arrow::Schema>& schema);

  std::shared_ptr<arrow::Schema> schema_;
  std::unordered_set<std::shared_ptr<arrow::Schema>> same_;  // found to equal schema_
  std::vector<std::unique_ptr<columnar::ColumnGatherer>> columns_;
  bool gathers_ = false;  // columns of schema_ can be gathered
  std::vector<exchange::BatchPart> parts_;
  std::int64_t rows_ = 0, bytes_ = 0;
};

}  // namespace headrace::data::task
