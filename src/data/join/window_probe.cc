#include "data/join/window_probe.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "data/join/join_output.h"

namespace headrace::data::join {
namespace {

std::int64_t RowsOf(const WindowProbe::Batches& batches) {
  std::int64_t rows = 0;
  for (const auto& batch : batches) rows += batch->num_rows();
  return rows;
}

Result<std::shared_ptr<arrow::RecordBatch>> AsOne(const WindowProbe::Batches& batches) {
  if (batches.empty()) return nullptr;
  if (batches.size() == 1) return batches[0];
  std::vector<std::shared_ptr<arrow::Array>> columns;
  int shared = batches[0]->num_columns();  // reserved columns stand last, and not every batch has them
  for (const auto& batch : batches) shared = std::min(shared, batch->num_columns());
  for (int c = 0; c < shared; ++c) {
    arrow::ArrayVector parts;
    for (const auto& batch : batches) parts.push_back(batch->column(c));
    HR_ASSIGN_OR_RAISE(auto column, arrow::Concatenate(parts));
    columns.push_back(std::move(column));
  }
  const auto& fields = batches[0]->schema()->fields();
  return arrow::RecordBatch::Make(arrow::schema({fields.begin(), fields.begin() + shared}), RowsOf(batches), std::move(columns));
}

Result<std::shared_ptr<arrow::Array>> Repeat(const std::shared_ptr<arrow::DataType>& type, std::int64_t value, std::int64_t rows) {
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(rows * 8));
  std::fill_n(reinterpret_cast<std::int64_t*>(buffer->mutable_data()), rows, value);
  return arrow::MakeArray(arrow::ArrayData::Make(type, rows, {nullptr, std::move(buffer)}, 0));
}

}  // namespace

Result<std::unique_ptr<WindowProbe>> WindowProbe::Make(Kind kind, JoinKeys* keys, std::array<Batches, 2> sides, Output output) {
  std::unique_ptr<WindowProbe> probe(new WindowProbe(kind, keys, std::move(output)));
  probe->build_ = RowsOf(sides[0]) < RowsOf(sides[1]) ? 0 : 1;
  probe->probe_ = 1 - probe->build_;
  HR_ASSIGN_OR_RAISE(probe->built_, AsOne(sides[probe->build_]));
  probe->probes_ = std::move(sides[probe->probe_]);
  HR_RETURN_NOT_OK(probe->Build());
  return probe;
}

bool WindowProbe::Preserved(std::size_t side) const {
  if (side == 1) return kind_ == Kind::kRight || kind_ == Kind::kFull;
  return kind_ == Kind::kLeft || kind_ == Kind::kFull || kind_ == Kind::kAnti;
}

Status WindowProbe::Build() {
  if (built_ == nullptr) return Status::OK();
  const auto rows = static_cast<std::size_t>(built_->num_rows());
  HR_ASSIGN_OR_RAISE(const auto words, keys_->Encode(build_, *built_));
  group_of_.resize(rows);
  next_.assign(rows, kNone);
  HR_RETURN_NOT_OK(groups_.Resolve(words, built_->num_rows(), group_of_.data()));
  for (std::size_t at = rows; at-- > 0;) {  // from behind, so that chains are in the order of the rows
    if (keys_->nulls() != nullptr && keys_->nulls()[at] != 0) {
      group_of_[at] = nullptr;
      continue;
    }
    next_[at] = static_cast<std::uint32_t>(group_of_[at][0]) - 1;
    group_of_[at][0] = at + 1;
  }
  return Status::OK();
}

Status WindowProbe::NextBatch() {
  batch_ = probes_[next_batch_++];
  row_ = 0;
  HR_ASSIGN_OR_RAISE(const auto words, keys_->Encode(probe_, *batch_));
  found_.resize(static_cast<std::size_t>(batch_->num_rows()));
  groups_.Lookup(words, batch_->num_rows(), found_.data());
  for (std::size_t i = 0; i < found_.size(); ++i)  // a group of null keys has no rows
    if (found_[i] != nullptr && found_[i][0] == 0) found_[i] = nullptr;
  return Status::OK();
}

/// From where the last piece ended to the end of the batch, or of the piece.
void WindowProbe::CollectPairs() {
  const bool built_is_left = left_only() && build_ == 0;
  for (; row_ < found_.size() && probed_.size() < kPieceRows; ++row_) {
    std::uint64_t* group = found_[row_];
    if (group == nullptr) {
      if (Preserved(probe_)) alone_.push_back(static_cast<std::uint32_t>(row_));
      continue;
    }
    group[kMatched] = 1;
    if (left_only()) {
      if (!built_is_left && kind_ == Kind::kSemi) alone_.push_back(static_cast<std::uint32_t>(row_));
      continue;
    }
    std::uint32_t at = in_chain_ ? chain_ : static_cast<std::uint32_t>(group[0]) - 1;
    in_chain_ = false;
    for (; at != kNone && probed_.size() < kPieceRows; at = next_[at]) {
      probed_.push_back(static_cast<std::uint32_t>(row_));
      matched_.push_back(at);
    }
    if (at == kNone) continue;
    chain_ = at;
    in_chain_ = true;
    return;
  }
}

/// Rows of the built side that come for themselves: left ones of a semi or anti join, or preserved ones that met nothing.
void WindowProbe::CollectBuilt() {
  const bool wanted = kind_ == Kind::kSemi ? build_ == 0 : Preserved(build_);
  const auto rows = built_ == nullptr || !wanted ? std::size_t{0} : group_of_.size();
  for (; built_row_ < rows && matched_.size() < kPieceRows; ++built_row_) {
    const bool met = group_of_[built_row_] != nullptr && group_of_[built_row_][kMatched] != 0;
    if (met == (kind_ == Kind::kSemi)) matched_.push_back(static_cast<std::uint32_t>(built_row_));
  }
}

Result<bool> WindowProbe::EmitPiece(op::Collector* out) {
  while (batch_ != nullptr || next_batch_ < probes_.size()) {
    if (batch_ == nullptr) HR_RETURN_NOT_OK(NextBatch());
    probed_.clear();
    matched_.clear();
    alone_.clear();
    CollectPairs();
    if (!probed_.empty()) HR_RETURN_NOT_OK(Emit(probed_, matched_, out));
    if (!alone_.empty()) HR_RETURN_NOT_OK(Emit(alone_, {}, out));
    if (row_ == found_.size()) batch_ = nullptr;
    if (!probed_.empty() || !alone_.empty()) return true;
  }
  matched_.clear();
  CollectBuilt();
  if (matched_.empty()) return false;
  HR_RETURN_NOT_OK(Emit({}, matched_, out));
  return true;
}

Status WindowProbe::Emit(std::span<const std::uint32_t> probed, std::span<const std::uint32_t> built, op::Collector* out) const {
  const auto rows = static_cast<std::int64_t>(std::max(probed.size(), built.size()));
  arrow::ArrayVector arrays;
  bool start = true;
  for (std::size_t c = 0; c < output_.columns.size(); ++c) {
    const auto& column = output_.columns[c];
    const auto& type = output_.schema->field(static_cast<int>(c))->type();
    const int from_probe = probe_ == 0 ? column.left : column.right, from_build = build_ == 0 ? column.left : column.right;
    std::shared_ptr<arrow::Array> array;
    if (column.left < 0 && column.right < 0) {
      HR_ASSIGN_OR_RAISE(array, Repeat(type, std::exchange(start, false) ? output_.start_ms : output_.end_ms, rows));
    } else if (from_probe >= 0 && !probed.empty()) {
      HR_ASSIGN_OR_RAISE(array, GatherOrNull(batch_->column_data(from_probe), probed));
    } else if (from_build >= 0 && !built.empty()) {
      HR_ASSIGN_OR_RAISE(array, GatherOrNull(built_->column_data(from_build), built));
    } else {
      HR_ASSIGN_OR_RAISE(array, arrow::MakeArrayOfNull(type, rows));
    }
    arrays.push_back(std::move(array));
  }
  HR_ASSIGN_OR_RAISE(auto times, Repeat(arrow::int64(), output_.end_ms - 1, rows));
  arrays.push_back(std::move(times));
  return out->Emit(columnar::DataBatch(arrow::RecordBatch::Make(output_.schema, rows, std::move(arrays))));
}

}  // namespace headrace::data::join
