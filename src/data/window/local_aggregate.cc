#include "data/window/local_aggregate.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

namespace headrace::data::window {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMostGroups = 1 << 15;  // held: they stay in the cache
constexpr std::int64_t kPieceRows = 8192;
/// The decision: after so many rows, by the part of them that had a group of their own; and how long rows pass before the next trial.
constexpr std::int64_t kTrialRows = 1 << 14;
constexpr double kMostUnique = 0.6;
constexpr std::int64_t kPassRows = 1 << 20;

bool AddsUpApart(const plan::AggregateSpec& spec, const Functions& functions) {
  using Kind = plan::Window::Kind;
  const Kind kind = spec.window.kind;
  const bool sliced = kind == Kind::kTumbling || kind == Kind::kSliding || kind == Kind::kCumulate;
  if (!sliced || spec.window.processing_time || !spec.late_tag.empty() || spec.trigger.early_every_rows > 0 || spec.trigger.late_every_row)
    return false;
  const bool by_time = std::any_of(spec.calls.begin(), spec.calls.end(),
                                   [](const auto& call) { return call.function == "first" || call.function == "last"; });
  return !by_time && !OwnMemory(functions);
}

}  // namespace

Result<std::unique_ptr<op::Operator>> LocalAggregate::Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input) {
  std::unique_ptr<op::Operator> none;
  if (spec.window.kind == plan::Window::Kind::kNone || input == nullptr) return none;
  HR_ASSIGN_OR_RAISE(KeyWords keys, KeyWords::Make(*input, spec.keys));
  HR_ASSIGN_OR_RAISE(AggregateCalls calls, AggregateCalls::Make(spec.calls, input));
  if (!AddsUpApart(spec, calls.functions()) || keys.words() >= state::GroupTable::kMaxKeyWords) return none;
  return std::unique_ptr<op::Operator>(new LocalAggregate(std::move(calls), std::move(keys), WindowSpec::Of(spec.window), *input, spec));
}

LocalAggregate::LocalAggregate(AggregateCalls calls, KeyWords keys, const WindowSpec& windows, const arrow::Schema& input,
                               const plan::AggregateSpec& spec)
    : calls_(std::move(calls)),
      keys_(std::move(keys)),
      windows_(windows),
      groups_(keys_.words() + 1, calls_.state_words() + 1),
      first_end_ms_(kNever) {
  arrow::FieldVector fields;
  for (const std::string& key : spec.keys) fields.push_back(input.GetFieldByName(key));
  fields.push_back(
      arrow::field(std::string(kPartialColumn), arrow::fixed_size_binary(static_cast<std::int32_t>(groups_.value_words() * 8)), false));
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
  const auto [least, greatest] = std::minmax_element(times, times + rows);
  if (*least < -WindowSpec::kLatestMs || *greatest > WindowSpec::kLatestMs) return out->Emit(std::move(batch));
  HR_RETURN_NOT_OK(Add(batch, times));
  first_end_ms_ = std::min(first_end_ms_, windows_.SliceStart(*least) + windows_.slice_ms());
  AccountBytes();
  if (rows_in_ >= kTrialRows && static_cast<double>(groups_out_ + groups_.num_rows()) > kMostUnique * static_cast<double>(rows_in_)) {
    rows_to_pass_ = kPassRows;
    return EmitAll(out);
  }
  return groups_.num_rows() >= kMostGroups ? EmitAll(out) : Status::OK();
}

Status LocalAggregate::Add(const columnar::DataBatch& batch, const std::int64_t* times) {
  const std::int64_t rows = batch.num_rows();
  HR_ASSIGN_OR_RAISE(std::vector<const std::uint64_t*> keys, keys_.Encode(*batch.records()));
  HR_ASSIGN_OR_RAISE(const std::vector<op::AggregateInput> inputs, calls_.Evaluate(*batch.records(), times));
  slices_.resize(static_cast<std::size_t>(rows));
  rows_.resize(static_cast<std::size_t>(rows));
  std::int64_t start_ms = windows_.SliceStart(times[0]);
  const std::int64_t slice_ms = windows_.slice_ms();
  for (std::int64_t i = 0; i < rows; ++i) {
    if (times[i] < start_ms || times[i] >= start_ms + slice_ms) start_ms = windows_.SliceStart(times[i]);
    slices_[static_cast<std::size_t>(i)] = static_cast<std::uint64_t>(start_ms);
  }
  keys.push_back(slices_.data());
  HR_RETURN_NOT_OK(groups_.Resolve(keys, rows, rows_.data()));
  for (std::size_t f = 0; f < inputs.size(); ++f) HR_RETURN_NOT_OK(calls_.functions()[f]->Add(inputs[f], rows_.data(), rows));
  const std::uint32_t count = calls_.state_words();
  for (std::uint64_t* row : rows_) ++row[count];
  rows_in_ += rows;
  return Status::OK();
}

/// Windows of a slice end at its end at the earliest: what is held until then comes in time.
Status LocalAggregate::OnWatermark(const columnar::Watermark& watermark, op::Collector* out) {
  const bool due = first_end_ms_ != kNever && watermark.event_time_ms >= first_end_ms_ - 1;
  return due ? EmitAll(out) : Status::OK();
}

Status LocalAggregate::OnBarrier(const columnar::Barrier&) {
  emits_ = groups_.num_rows() > 0;
  return Status::OK();
}

Status LocalAggregate::Poll(op::Collector* out) { return emits_ ? EmitAll(out) : Status::OK(); }

Status LocalAggregate::EmitAll(op::Collector* out) {
  emits_ = false;
  for (std::int64_t first = 0; first < groups_.num_rows(); first += kPieceRows)
    HR_RETURN_NOT_OK(EmitPiece(first, std::min(kPieceRows, groups_.num_rows() - first), out));
  groups_out_ += groups_.num_rows();
  if (rows_in_ >= kTrialRows) rows_in_ = groups_out_ = 0;
  groups_.Clear();
  first_end_ms_ = kNever;
  if (keys_.wants_sweep()) keys_.Sweep();
  AccountBytes();
  return Status::OK();
}

Status LocalAggregate::EmitPiece(std::int64_t first, std::int64_t rows, op::Collector* out) {
  const std::size_t bytes = groups_.value_words() * 8;
  std::vector<const std::uint64_t*> keys(static_cast<std::size_t>(rows));
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> states, arrow::AllocateBuffer(rows * static_cast<std::int64_t>(bytes)));
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> times, arrow::AllocateBuffer(rows * 8));
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::uint64_t* key = keys[static_cast<std::size_t>(i)] = groups_.RowKey(first + i);
    reinterpret_cast<std::uint64_t*>(times->mutable_data())[i] = key[keys_.words()];
    std::memcpy(states->mutable_data() + static_cast<std::size_t>(i) * bytes, groups_.RowValues(first + i), bytes);
  }
  HR_ASSIGN_OR_RAISE(arrow::ArrayVector columns, keys_.Decode(keys.data(), rows));
  const auto& type = partial_->field(static_cast<int>(columns.size()))->type();
  columns.push_back(arrow::MakeArray(arrow::ArrayData::Make(type, rows, {nullptr, std::move(states)}, 0)));
  columns.push_back(arrow::MakeArray(arrow::ArrayData::Make(arrow::int64(), rows, {nullptr, std::move(times)}, 0)));
  return out->Emit(columnar::DataBatch(arrow::RecordBatch::Make(partial_, rows, std::move(columns))));
}

void LocalAggregate::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = groups_.allocated_bytes() + keys_.allocated_bytes();
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::window
