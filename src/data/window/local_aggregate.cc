#include "data/window/local_aggregate.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "columnar/int64_range.h"
#include "data/window/batch_aggregate.h"

namespace headrace::data::window {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMostGroups = 1 << 15;  // held: they stay in the cache
constexpr std::size_t kPieceRows = 8192;
/// The decision: after so many rows, by the part of them that had a group of their own; and how long rows pass before the next trial.
constexpr std::int64_t kTrialRows = 1 << 14;
constexpr double kMostUnique = 0.6;
constexpr std::int64_t kPassRows = 1 << 20;
/// A batch over more slices than this passes as it is.
constexpr std::int64_t kMostSlices = 1024;
constexpr std::size_t kSpareTables = 64;

/// The word of a call that counts all rows, or none.
std::optional<std::uint32_t> WordThatCountsRows(const plan::AggregateSpec& spec, const Functions& functions) {
  std::uint32_t word = 0;
  for (std::size_t f = 0; f < functions.size(); ++f) {
    const plan::AggregateCall& call = spec.calls[f];
    if (call.function == "count" && call.arguments.empty() && !call.filter) return word;
    word += functions[f]->state_words();
  }
  return std::nullopt;
}

bool AddsUpApart(const plan::AggregateSpec& spec, const Functions& functions) {
  using Kind = plan::Window::Kind;
  const Kind kind = spec.window.kind;
  const bool sliced = kind == Kind::kTumbling || kind == Kind::kSliding || kind == Kind::kCumulate;
  if (!sliced || spec.window.processing_time || !spec.late_tag.empty() || spec.trigger.early_every_ms > 0 ||
      spec.trigger.early_every_rows > 0 || spec.trigger.late_every_row || spec.trigger.by_function ||
      spec.trigger.by_row.kind != plan::RowTrigger::Kind::kNone)
    return false;
  const bool by_time = std::any_of(spec.calls.begin(), spec.calls.end(),
                                   [](const auto& call) { return call.function == "first" || call.function == "last"; });
  return !by_time && !OwnMemory(functions);
}

}  // namespace

Result<std::unique_ptr<op::Operator>> LocalAggregate::Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input) {
  std::unique_ptr<op::Operator> none;
  if (input == nullptr) return none;
  if (spec.window.kind == plan::Window::Kind::kNone) return BatchAggregate::Make(spec, input);
  HR_ASSIGN_OR_RAISE(KeyWords keys, KeyWords::Make(*input, spec.keys));
  HR_ASSIGN_OR_RAISE(AggregateCalls calls, AggregateCalls::Make(spec.calls, input));
  if (!AddsUpApart(spec, calls.functions()) || keys.words() > state::GroupTable::kMaxKeyWords) return none;
  return std::unique_ptr<op::Operator>(new LocalAggregate(std::move(calls), std::move(keys), WindowSpec::Of(spec.window), *input, spec));
}

LocalAggregate::LocalAggregate(AggregateCalls calls, KeyWords keys, const WindowSpec& windows, const arrow::Schema& input,
                               const plan::AggregateSpec& spec)
    : calls_(std::move(calls)), keys_(std::move(keys)), windows_(windows), first_end_ms_(kNever) {
  const auto counted = WordThatCountsRows(spec, calls_.functions());
  count_word_ = counted.value_or(calls_.state_words());
  counts_itself_ = !counted;
  arrow::FieldVector fields;
  for (const std::string& key : spec.keys) fields.push_back(input.GetFieldByName(key));
  fields.push_back(arrow::field(std::string(kPartialColumn),
                                arrow::fixed_size_binary(static_cast<std::int32_t>((calls_.state_words() + 1) * 8)), false));
  fields.push_back(arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), /*nullable=*/false));
  partial_ = arrow::schema(std::move(fields));
}

LocalAggregate::~LocalAggregate() {
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status LocalAggregate::Open(const op::OperatorContext& context) {
  state_bytes_ = context.state_bytes;
  return Status::OK();
}

Status LocalAggregate::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  const std::int64_t rows = batch.num_rows();
  if (rows == 0) return Status::OK();
  const bool plain = batch.event_time_column() < 0 || batch.row_kind_column() >= 0;  // the operator behind it says what is wrong
  if (plain || rows_to_pass_ > 0) {
    rows_to_pass_ -= rows;
    return out->Emit(std::move(batch));
  }
  const auto* times = batch.records()->column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
  auto [least_ms, greatest_ms] = columnar::RangeOf(times, rows);
  if (least_ms < -WindowSpec::kLatestMs || greatest_ms > WindowSpec::kLatestMs) return out->Emit(std::move(batch));
  least_ms = windows_.SliceStart(least_ms);
  greatest_ms = windows_.SliceStart(greatest_ms);
  if ((greatest_ms - least_ms) / windows_.slice_ms() >= kMostSlices) return out->Emit(std::move(batch));
  HR_RETURN_NOT_OK(Add(batch, times, least_ms, greatest_ms));
  first_end_ms_ = std::min(first_end_ms_, least_ms + windows_.slice_ms());
  AccountBytes();
  const std::int64_t groups = num_groups();
  if (rows_in_ >= kTrialRows && static_cast<double>(groups_out_ + groups) > kMostUnique * static_cast<double>(rows_in_)) {
    rows_to_pass_ = kPassRows;
    return EmitAll(out);
  }
  return groups >= kMostGroups ? EmitAll(out) : Status::OK();
}

std::int64_t LocalAggregate::num_groups() const {
  std::int64_t groups = 0;
  for (const Part& part : parts_) groups += part.groups.num_rows();
  return groups;
}

state::GroupTable* LocalAggregate::TableOf(std::int64_t start_ms) {
  for (std::size_t i = parts_.size(); i-- > 0;) {
    if (parts_[i].start_ms != start_ms) continue;
    if (i + 1 != parts_.size()) std::swap(parts_[i], parts_.back());
    return &parts_.back().groups;
  }
  if (spare_.empty()) spare_.emplace_back(keys_.words(), calls_.state_words() + (counts_itself_ ? 1 : 0));
  parts_.push_back({start_ms, std::move(spare_.back())});
  spare_.pop_back();
  return &parts_.back().groups;
}

Status LocalAggregate::Add(const columnar::DataBatch& batch, const std::int64_t* times, std::int64_t least_ms, std::int64_t greatest_ms) {
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
  if (counts_itself_)
    for (std::uint64_t* row : rows_) ++row[count_word_];
  rows_in_ += rows;
  return Status::OK();
}

Status LocalAggregate::ResolveSlices(std::span<const std::uint64_t* const> keys, const std::int64_t* times, std::int64_t rows,
                                     std::int64_t least_ms, std::int64_t greatest_ms) {
  for (const RowsBySlice::Run& run : by_slice_.Sort(windows_, times, rows, least_ms, greatest_ms)) {
    found_.resize(run.rows.size());
    const auto count = static_cast<std::int64_t>(run.rows.size());
    HR_RETURN_NOT_OK(TableOf(run.start_ms)->Resolve(by_slice_.Gather(keys, run), count, found_.data()));
    for (std::size_t i = 0; i < run.rows.size(); ++i) rows_[run.rows[i]] = found_[i];
  }
  return Status::OK();
}

/// Windows of a slice end at its end at the earliest: what is held until then comes in time.
Status LocalAggregate::OnWatermark(const columnar::Watermark& watermark, op::Collector* out) {
  const bool due = first_end_ms_ != kNever && watermark.event_time_ms >= first_end_ms_ - 1;
  return due ? EmitAll(out) : Status::OK();
}

Status LocalAggregate::OnBarrier(const columnar::Barrier&) {
  emits_ = !parts_.empty();
  return Status::OK();
}

Status LocalAggregate::Poll(op::Collector* out) { return emits_ ? EmitAll(out) : Status::OK(); }

Status LocalAggregate::EmitAll(op::Collector* out) {
  emits_ = false;
  groups_out_ += num_groups();
  // Slices share batches: behind a shuffle to many subtasks few rows of each would be left.
  for (const Part& part : parts_) {
    for (std::int64_t row = 0; row < part.groups.num_rows(); ++row) {
      out_keys_.push_back(part.groups.RowKey(row));
      out_times_.push_back(part.start_ms);
      if (out_keys_.size() == kPieceRows) HR_RETURN_NOT_OK(EmitPiece(out));
    }
  }
  HR_RETURN_NOT_OK(EmitPiece(out));
  for (Part& part : parts_) {
    if (spare_.size() >= kSpareTables) break;
    part.groups.Clear();
    spare_.push_back(std::move(part.groups));
  }
  parts_.clear();
  if (rows_in_ >= kTrialRows) rows_in_ = groups_out_ = 0;
  first_end_ms_ = kNever;
  if (keys_.wants_sweep()) keys_.Sweep();
  AccountBytes();
  return Status::OK();
}

Status LocalAggregate::EmitPiece(op::Collector* out) {
  const auto rows = static_cast<std::int64_t>(out_keys_.size());
  if (rows == 0) return Status::OK();
  const std::uint32_t words = calls_.state_words();
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> states, arrow::AllocateBuffer(rows * (words + 1) * 8));
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> times, arrow::AllocateBuffer(rows * 8));
  auto* state = reinterpret_cast<std::uint64_t*>(states->mutable_data());
  for (const std::uint64_t* key : out_keys_) {
    const std::uint64_t* values = key + keys_.words();
    std::copy_n(values, words, state);
    state[words] = values[count_word_];
    state += words + 1;
  }
  std::copy(out_times_.begin(), out_times_.end(), reinterpret_cast<std::int64_t*>(times->mutable_data()));
  HR_ASSIGN_OR_RAISE(arrow::ArrayVector columns, keys_.Decode(out_keys_.data(), rows));
  const auto& type = partial_->field(static_cast<int>(columns.size()))->type();
  columns.push_back(arrow::MakeArray(arrow::ArrayData::Make(type, rows, {nullptr, std::move(states)}, 0)));
  columns.push_back(arrow::MakeArray(arrow::ArrayData::Make(arrow::int64(), rows, {nullptr, std::move(times)}, 0)));
  out_keys_.clear();
  out_times_.clear();
  return out->Emit(columnar::DataBatch(arrow::RecordBatch::Make(partial_, rows, std::move(columns))));
}

void LocalAggregate::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  std::int64_t bytes = keys_.allocated_bytes();
  for (const Part& part : parts_) bytes += part.groups.allocated_bytes();
  for (const state::GroupTable& table : spare_) bytes += table.allocated_bytes();
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::window
