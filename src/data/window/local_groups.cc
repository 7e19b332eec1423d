#include "data/window/local_groups.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <string>
#include <utility>

namespace headrace::data::window {
namespace {

constexpr std::size_t kPieceRows = 32768;
constexpr std::size_t kSpareTables = 64;

}  // namespace

PartialLayout PartialLayout::Of(const plan::AggregateSpec& spec, const Functions& functions) {
  std::uint32_t word = 0;
  bool counts_itself = true;
  PartialLayout layout{};
  for (std::size_t f = 0; f < functions.size(); ++f) {
    const plan::AggregateCall& call = spec.calls[f];
    if (counts_itself && call.function == "count" && call.arguments.empty() && !call.filter) {
      layout.count_word = word;
      counts_itself = false;
    }
    word += functions[f]->state_words();
  }
  if (counts_itself) layout.count_word = word++;
  layout.words = word;
  return layout;
}

LocalGroups::LocalGroups(AggregateCalls calls, KeyWords keys, const WindowSpec& windows, const arrow::Schema& input,
                         const plan::AggregateSpec& spec)
    : calls_(std::move(calls)), keys_(std::move(keys)), windows_(windows), layout_(PartialLayout::Of(spec, calls_.functions())) {
  arrow::FieldVector fields;
  for (const std::string& key : spec.keys) fields.push_back(input.GetFieldByName(key));
  fields.push_back(
      arrow::field(std::string(kPartialColumn), arrow::fixed_size_binary(static_cast<std::int32_t>(layout_.words * 8)), false));
  fields.push_back(arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), /*nullable=*/false));
  partial_ = arrow::schema(std::move(fields));
}

std::int64_t LocalGroups::num_groups() const {
  std::int64_t groups = 0;
  for (const Part& part : parts_) groups += part.groups.num_rows();
  return groups;
}

std::int64_t LocalGroups::allocated_bytes() const {
  std::int64_t bytes = keys_.allocated_bytes();
  for (const Part& part : parts_) bytes += part.groups.allocated_bytes();
  for (const state::GroupTable& table : spare_) bytes += table.allocated_bytes();
  return bytes;
}

state::GroupTable* LocalGroups::TableOf(std::int64_t start_ms) {
  for (std::size_t i = parts_.size(); i-- > 0;) {
    if (parts_[i].start_ms != start_ms) continue;
    if (i + 1 != parts_.size()) std::swap(parts_[i], parts_.back());
    return &parts_.back().groups;
  }
  if (spare_.empty()) spare_.emplace_back(keys_.words(), layout_.words);
  parts_.push_back({start_ms, std::move(spare_.back())});
  spare_.pop_back();
  return &parts_.back().groups;
}

Status LocalGroups::Add(const columnar::DataBatch& batch, const std::int64_t* times, std::int64_t least_ms, std::int64_t greatest_ms) {
  const std::int64_t rows = batch.num_rows();
  HR_ASSIGN_OR_RAISE(const std::vector<const std::uint64_t*> keys, keys_.Encode(*batch.records()));
  HR_ASSIGN_OR_RAISE(const std::vector<op::AggregateInput> inputs, calls_.Evaluate(*batch.records(), times));
  rows_.resize(static_cast<std::size_t>(rows));
  if (least_ms == greatest_ms) {
    HR_RETURN_NOT_OK(TableOf(least_ms)->Resolve(keys, rows, rows_.data()));
  } else {
    HR_RETURN_NOT_OK(ResolveSlices(keys, times, rows, least_ms, greatest_ms));
  }
  for (std::size_t f = 0; f < inputs.size(); ++f) HR_RETURN_NOT_OK(calls_.functions()[f]->Add(inputs[f], rows_.data(), rows));
  if (layout_.words > calls_.state_words())
    for (std::uint64_t* row : rows_) ++row[layout_.count_word];
  rows_in_ += rows;
  return Status::OK();
}

Status LocalGroups::ResolveSlices(std::span<const std::uint64_t* const> keys, const std::int64_t* times, std::int64_t rows,
                                  std::int64_t least_ms, std::int64_t greatest_ms) {
  for (const RowsBySlice::Run& run : by_slice_.Sort(windows_, times, rows, least_ms, greatest_ms)) {
    found_.resize(run.rows.size());
    const auto count = static_cast<std::int64_t>(run.rows.size());
    HR_RETURN_NOT_OK(TableOf(run.start_ms)->Resolve(by_slice_.Gather(keys, run), count, found_.data()));
    for (std::size_t i = 0; i < run.rows.size(); ++i) rows_[run.rows[i]] = found_[i];
  }
  return Status::OK();
}

bool LocalGroups::IsBetween(const Part& part, std::int64_t after_ms, std::int64_t to_ms) const {
  const std::int64_t last_ms = part.start_ms + windows_.slice_ms() - 1;
  return last_ms > after_ms && last_ms <= to_ms;
}

bool LocalGroups::HasBetween(std::int64_t after_ms, std::int64_t to_ms) const {
  return std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) { return IsBetween(part, after_ms, to_ms); });
}

Status LocalGroups::Emit(std::int64_t after_ms, std::int64_t to_ms, op::Collector* out) {
  // Slices share batches: behind a shuffle to many subtasks few rows of each would be left.
  const auto leaving =
      std::stable_partition(parts_.begin(), parts_.end(), [&](const Part& part) { return !IsBetween(part, after_ms, to_ms); });
  for (auto part = leaving; part != parts_.end(); ++part) {
    groups_out_ += part->groups.num_rows();
    for (std::int64_t row = 0; row < part->groups.num_rows(); ++row) {
      out_keys_.push_back(part->groups.RowKey(row));
      out_times_.push_back(part->start_ms);
      if (out_keys_.size() == kPieceRows) HR_RETURN_NOT_OK(EmitPiece(out));
    }
  }
  HR_RETURN_NOT_OK(EmitPiece(out));
  for (auto part = leaving; part != parts_.end() && spare_.size() < kSpareTables; ++part) {
    part->groups.Clear();
    spare_.push_back(std::move(part->groups));
  }
  parts_.erase(leaving, parts_.end());
  if (parts_.empty() && keys_.wants_sweep()) keys_.Sweep();
  return Status::OK();
}

Status LocalGroups::EmitPiece(op::Collector* out) {
  const auto rows = static_cast<std::int64_t>(out_keys_.size());
  if (rows == 0) return Status::OK();
  const std::uint32_t words = layout_.words;
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> states, arrow::AllocateBuffer(rows * words * 8));
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> times, arrow::AllocateBuffer(rows * 8));
  auto* state = reinterpret_cast<std::uint64_t*>(states->mutable_data());
  for (const std::uint64_t* key : out_keys_) state = std::copy_n(key + keys_.words(), words, state);
  std::copy(out_times_.begin(), out_times_.end(), reinterpret_cast<std::int64_t*>(times->mutable_data()));
  HR_ASSIGN_OR_RAISE(arrow::ArrayVector columns, keys_.Decode(out_keys_.data(), rows));
  const auto& type = partial_->field(static_cast<int>(columns.size()))->type();
  columns.push_back(arrow::MakeArray(arrow::ArrayData::Make(type, rows, {nullptr, std::move(states)}, 0)));
  columns.push_back(arrow::MakeArray(arrow::ArrayData::Make(arrow::int64(), rows, {nullptr, std::move(times)}, 0)));
  out_keys_.clear();
  out_times_.clear();
  return out->Emit(columnar::DataBatch(arrow::RecordBatch::Make(partial_, rows, std::move(columns))));
}

}  // namespace headrace::data::window
