#include "data/join/join_output.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "columnar/column_gatherer.h"
#include "columnar/data_batch.h"

namespace headrace::data::join {

Result<std::shared_ptr<arrow::Array>> CopyColumn(const std::shared_ptr<arrow::DataType>& type, const void* values, std::int64_t rows) {
  const std::int64_t bytes = rows * type->bit_width() / 8;
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(bytes));
  if (bytes > 0) std::memcpy(buffer->mutable_data(), values, static_cast<std::size_t>(bytes));
  return arrow::MakeArray(arrow::ArrayData::Make(type, rows, {nullptr, std::move(buffer)}, 0));
}

Result<std::shared_ptr<arrow::Array>> GatherOrNull(const std::shared_ptr<arrow::ArrayData>& column, std::span<const std::uint32_t> rows) {
  const auto count = static_cast<std::int64_t>(rows.size());
  HR_ASSIGN_OR_RAISE(auto gatherer, columnar::ColumnGatherer::Make(column->type));
  const bool any_null = std::find(rows.begin(), rows.end(), state::RowStore::kNone) != rows.end();
  if (!any_null) {
    HR_RETURN_NOT_OK(gatherer->Append(*column, rows.data(), count));
  } else {
    // A row of nulls behind the column, taken where there is none.
    HR_ASSIGN_OR_RAISE(auto null, arrow::MakeArrayOfNull(column->type, 1));
    const auto null_row = static_cast<std::uint32_t>(0);
    for (std::size_t at = 0; at < rows.size();) {
      std::size_t end = at;
      const bool none = rows[at] == state::RowStore::kNone;
      while (end < rows.size() && (rows[end] == state::RowStore::kNone) == none && (!none || end == at)) ++end;
      HR_RETURN_NOT_OK(none ? gatherer->Append(*null->data(), &null_row, 1)
                            : gatherer->Append(*column, rows.data() + at, static_cast<std::int64_t>(end - at)));
      at = end;
    }
  }
  HR_ASSIGN_OR_RAISE(auto data, gatherer->Finish());
  return arrow::MakeArray(data);
}

JoinOutput::JoinOutput(const plan::JoinColumns& columns, bool times, bool kinds)
    : columns_(columns.columns), has_times_(times), has_kinds_(kinds) {
  arrow::FieldVector fields = columns.schema->fields();
  if (times) fields.push_back(arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), /*nullable=*/false));
  if (kinds) fields.push_back(arrow::field(std::string(columnar::kRowKindColumn), arrow::uint8(), /*nullable=*/false));
  schema_ = arrow::schema(std::move(fields));
}

/// A key that stands once comes from the side that has a row.
Result<std::shared_ptr<arrow::Array>> JoinOutput::KeyColumn(const plan::JoinColumns::Column& column, std::span<const std::uint32_t> mine,
                                                            std::span<const std::uint32_t> others) const {
  const int here = side_ == 0 ? column.left : column.right, there = side_ == 0 ? column.right : column.left;
  if (batch_ == nullptr) return others_->Gather(there, others);
  if (std::find(mine.begin(), mine.end(), kNone) == mine.end()) return GatherOrNull(batch_->column_data(here), mine);
  HR_ASSIGN_OR_RAISE(auto first, GatherOrNull(batch_->column_data(here), mine));
  HR_ASSIGN_OR_RAISE(auto second, others_->Gather(there, others));
  HR_ASSIGN_OR_RAISE(auto both, arrow::Concatenate({first, second}));
  std::vector<std::uint32_t> rows(mine.size());
  for (std::size_t i = 0; i < mine.size(); ++i) rows[i] = static_cast<std::uint32_t>(mine[i] == kNone ? i + mine.size() : i);
  return GatherOrNull(both->data(), rows);
}

Status JoinOutput::EmitPart(std::size_t first, std::size_t count, op::Collector* out) {
  const std::span<const std::uint32_t> mine(mine_.data() + first, count), others(others_rows_.data() + first, count);
  const std::int64_t bytes = static_cast<std::int64_t>(count) * row_bytes_ + (others_ == nullptr ? 0 : others_->TextBytes(others));
  if (count > 1 && bytes > kPieceBytes) {
    HR_RETURN_NOT_OK(EmitPart(first, count / 2, out));
    return EmitPart(first + count / 2, count - count / 2, out);
  }
  const auto rows = static_cast<std::int64_t>(count);
  arrow::ArrayVector arrays;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const auto& column = columns_[c];
    const int here = side_ == 0 ? column.left : column.right, there = side_ == 0 ? column.right : column.left;
    std::shared_ptr<arrow::Array> array;
    if (here >= 0 && there >= 0) {
      HR_ASSIGN_OR_RAISE(array, KeyColumn(column, mine, others));
    } else if (here >= 0 && batch_ == nullptr) {
      HR_ASSIGN_OR_RAISE(array, arrow::MakeArrayOfNull(schema_->field(static_cast<int>(c))->type(), rows));
    } else if (here >= 0) {
      HR_ASSIGN_OR_RAISE(array, GatherOrNull(batch_->column_data(here), mine));
    } else {
      HR_ASSIGN_OR_RAISE(array, others_->Gather(there, others));
    }
    arrays.push_back(std::move(array));
  }
  if (has_times_) {
    HR_ASSIGN_OR_RAISE(auto times, CopyColumn(arrow::int64(), times_.data() + first, rows));
    arrays.push_back(std::move(times));
  }
  if (has_kinds_) {
    HR_ASSIGN_OR_RAISE(auto kinds, CopyColumn(arrow::uint8(), kinds_.data() + first, rows));
    arrays.push_back(std::move(kinds));
  }
  return out->Emit(columnar::DataBatch(arrow::RecordBatch::Make(schema_, rows, std::move(arrays))));
}

Status JoinOutput::Flush(op::Collector* out) {
  const std::size_t rows = mine_.size();
  if (rows > 0) HR_RETURN_NOT_OK(EmitPart(0, rows, out));
  mine_.clear();
  others_rows_.clear();
  kinds_.clear();
  times_.clear();
  return Status::OK();
}

Status EmitLate(const std::string& tag, const arrow::RecordBatch& batch, const std::vector<std::uint32_t>& rows, op::Collector* out) {
  if (tag.empty() || rows.empty()) return Status::OK();
  HR_ASSIGN_OR_RAISE(auto late, columnar::GatherRows(batch, rows));
  return out->EmitSide(tag, columnar::DataBatch(std::move(late)));
}

}  // namespace headrace::data::join
