#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "columnar/data_batch.h"
#include "columnar/row_kind.h"
#include "data/operator/operator.h"
#include "data/state/row_store.h"
#include "plan/join.h"

namespace headrace::data::join {

/// Builds output rows of a join from rows of a batch in hand and kept rows of the other side, and emits them in pieces.
/// Shape:  out the columns of plan::JoinColumns; then __event_time with `times`, __row_kind with `kinds`.
/// Owned by its operator, used on the task's thread only.
class JoinOutput {
 public:
  static constexpr std::uint32_t kNone = state::RowStore::kNone;

  JoinOutput(const plan::JoinColumns& columns, bool times, bool kinds);
  /// What follows is about rows of `batch` (may be null) of `side`, and rows kept of the other side.
  void Begin(std::size_t side, const columnar::DataBatch* batch, const state::RowStore* others) {
    side_ = side;
    batch_ = batch == nullptr ? nullptr : batch->records().get();
    row_bytes_ = batch == nullptr || batch->num_rows() == 0 ? 0 : batch->size_bytes() / batch->num_rows();
    others_ = others;
  }
  /// One output row: row `mine` of the batch, `other` of the store; kNone = nulls in its place. Ends in Flush().
  Status Add(std::uint32_t mine, std::uint32_t other, columnar::RowKind kind, std::int64_t time_ms, op::Collector* out) {
    mine_.push_back(mine);
    others_rows_.push_back(other);
    kinds_.push_back(static_cast<std::uint8_t>(kind));
    if (has_times_) times_.push_back(time_ms);
    return mine_.size() < kPieceRows ? Status::OK() : Flush(out);
  }
  /// Emits what was added. Before the batch or kept rows that were named go away.
  Status Flush(op::Collector* out);
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }

 private:
  static constexpr std::size_t kPieceRows = 4096;
  static constexpr std::int64_t kPieceBytes = 16 << 20;
  Status EmitPart(std::size_t first, std::size_t count, op::Collector* out);
  Result<std::shared_ptr<arrow::Array>> KeyColumn(const plan::JoinColumns::Column& column, std::span<const std::uint32_t> mine,
                                                  std::span<const std::uint32_t> others) const;

  const std::vector<plan::JoinColumns::Column> columns_;
  std::shared_ptr<arrow::Schema> schema_;
  const bool has_times_, has_kinds_;
  std::size_t side_ = 0;
  const arrow::RecordBatch* batch_ = nullptr;
  std::int64_t row_bytes_ = 0;  // of the batch's rows, on average
  const state::RowStore* others_ = nullptr;
  std::vector<std::uint32_t> mine_, others_rows_;
  std::vector<std::uint8_t> kinds_;
  std::vector<std::int64_t> times_;
};

/// Gives rows of a batch to the side output `tag`, if it has a name.
Status EmitLate(const std::string& tag, const arrow::RecordBatch& batch, const std::vector<std::uint32_t>& rows, op::Collector* out);
/// Rows of a column of a batch, kNone for nulls.
Result<std::shared_ptr<arrow::Array>> GatherOrNull(const std::shared_ptr<arrow::ArrayData>& column, std::span<const std::uint32_t> rows);
/// A column of numbers of 8 bytes, or of one byte, copied.
Result<std::shared_ptr<arrow::Array>> CopyColumn(const std::shared_ptr<arrow::DataType>& type, const void* values, std::int64_t rows);

}  // namespace headrace::data::join
