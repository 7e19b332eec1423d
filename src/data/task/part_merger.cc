#include "data/task/part_merger.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <numeric>
#include <utility>

namespace headrace::data::task {
namespace {

constexpr std::size_t kMostIndices = 1 << 16;
constexpr std::size_t kMostSame = 4096;

/// 0, 1, 2, …: rows that stand behind each other, as indices.
const std::uint32_t* Indices() {
  static const std::vector<std::uint32_t> indices = [] {
    std::vector<std::uint32_t> made(kMostIndices);
    std::iota(made.begin(), made.end(), 0);
    return made;
  }();
  return indices.data();
}

}  // namespace

bool PartMerger::Takes(const exchange::BatchPart& part) {
  if (part.rows == 0 || part.rows > kSmallRows || part.first + part.rows > static_cast<std::int64_t>(kMostIndices)) return false;
  return part.size_bytes() <= kSmallBytes && UseSchema(part.batch.records()->schema());
}

/// Each producer has a schema object of its own: those found equal are known by their address from then on.
bool PartMerger::UseSchema(const std::shared_ptr<arrow::Schema>& schema) {
  if (schema == schema_ || same_.contains(schema)) return gathers_;
  if (schema_ != nullptr && schema->Equals(*schema_, /*check_metadata=*/true)) {
    if (same_.size() >= kMostSame) same_.clear();
    same_.insert(schema);
    return gathers_;
  }
  if (rows_ > 0) return false;
  schema_ = schema;
  same_.clear();
  columns_.clear();
  gathers_ = true;
  for (const auto& field : schema->fields()) {
    auto gatherer = columnar::ColumnGatherer::Make(field->type());
    gathers_ = gathers_ && gatherer.ok();
    if (gatherer.ok()) columns_.push_back(std::move(*gatherer));
  }
  return gathers_;
}

Status PartMerger::Add(exchange::BatchPart part) {
  rows_ += part.rows;
  bytes_ += part.size_bytes();
  if (rows_ == part.rows) {
    alone_ = std::move(part);
    return Status::OK();
  }
  if (alone_) HR_RETURN_NOT_OK(Gather(*std::exchange(alone_, std::nullopt)));
  return Gather(part);
}

Status PartMerger::Gather(const exchange::BatchPart& part) {
  const arrow::RecordBatch& records = *part.batch.records();
  for (std::size_t c = 0; c < columns_.size(); ++c)
    HR_RETURN_NOT_OK(columns_[c]->Append(*records.column_data(static_cast<int>(c)), Indices() + part.first, part.rows));
  return Status::OK();
}

Result<columnar::DataBatch> PartMerger::Finish() {
  const std::int64_t rows = std::exchange(rows_, 0);
  bytes_ = 0;
  if (alone_) return std::exchange(alone_, std::nullopt)->ToBatch();
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  columns.reserve(columns_.size());
  for (const auto& column : columns_) {
    HR_ASSIGN_OR_RAISE(auto data, column->Finish());
    columns.push_back(std::move(data));
  }
  return columnar::DataBatch(arrow::RecordBatch::Make(schema_, rows, std::move(columns)));
}

}  // namespace headrace::data::task
