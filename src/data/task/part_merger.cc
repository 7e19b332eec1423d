#include "data/task/part_merger.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <utility>

namespace headrace::data::task {
namespace {

constexpr std::size_t kMostSame = 4096;

}  // namespace

bool PartMerger::Takes(const exchange::BatchPart& part) {
  if (part.rows == 0 || part.rows > kSmallRows) return false;
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

void PartMerger::Add(exchange::BatchPart part) {
  rows_ += part.rows;
  bytes_ += part.size_bytes();
  parts_.push_back(std::move(part));
}

Result<columnar::DataBatch> PartMerger::Finish() {
  std::vector<exchange::BatchPart> parts;
  parts.swap(parts_);
  const std::int64_t rows = std::exchange(rows_, 0);
  bytes_ = 0;
  if (parts.size() == 1) return parts.front().ToBatch();
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  columns.reserve(columns_.size());
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    HR_RETURN_NOT_OK(columns_[c]->Reserve(rows));
    for (const exchange::BatchPart& part : parts)
      HR_RETURN_NOT_OK(columns_[c]->AppendRange(*part.batch.records()->column_data(static_cast<int>(c)), part.first, part.rows));
    HR_ASSIGN_OR_RAISE(auto data, columns_[c]->Finish());
    columns.push_back(std::move(data));
  }
  parts.clear();
  parts_.swap(parts);  // its memory
  return columnar::DataBatch(arrow::RecordBatch::Make(schema_, rows, std::move(columns)));
}

}  // namespace headrace::data::task
