#include "data/join/window_join.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "columnar/column_gatherer.h"
#include "columnar/data_batch.h"
#include "plan/row_schema.h"

namespace headrace::data::join {

Result<std::unique_ptr<op::Operator>> WindowJoin::Make(const plan::JoinSpec& spec, const plan::JoinColumns& columns,
                                                       const std::array<std::shared_ptr<arrow::Schema>, 2>& inputs) {
  HR_ASSIGN_OR_RAISE(JoinKeys keys, JoinKeys::Make(inputs, {spec.left_keys, spec.right_keys}));
  arrow::FieldVector fields = columns.schema->fields();
  fields.push_back(arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), /*nullable=*/false));
  std::optional<window::WindowSpec> windows;
  std::array<int, 2> window_end = {-1, -1};
  if (columns.by_window_columns) {
    window_end = {inputs[0]->GetFieldIndex(plan::kWindowEnd), inputs[1]->GetFieldIndex(plan::kWindowEnd)};
  } else {
    const auto size_ms = static_cast<std::int64_t>(spec.window.size_ms);
    const bool sliding = spec.window.kind == plan::Window::Kind::kSliding;
    windows = window::WindowSpec{size_ms, sliding ? static_cast<std::int64_t>(spec.window.slide_ms) : size_ms, spec.window.offset_ms};
  }
  WindowProbe::Output output{arrow::schema(std::move(fields)), columns.columns, 0, 0};
  return std::unique_ptr<op::Operator>(new WindowJoin(spec, std::move(keys), std::move(output), windows, window_end));
}

WindowJoin::WindowJoin(const plan::JoinSpec& spec, JoinKeys keys, WindowProbe::Output output, std::optional<window::WindowSpec> windows,
                       std::array<int, 2> window_end)
    : kind_(spec.kind),
      late_tags_(spec.late_tags),
      keys_(std::move(keys)),
      output_(std::move(output)),
      windows_(windows),
      window_end_(window_end) {}

WindowJoin::~WindowJoin() {
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status WindowJoin::Open(const op::OperatorContext& context) {
  late_.Open(context);
  state_bytes_ = context.state_bytes;
  return Status::OK();
}

Status WindowJoin::Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) {
  const std::size_t side = input;
  const int column = windows_ ? batch.event_time_column() : window_end_[side];
  if (column < 0)
    return Error(ErrorCode::kBadRecord, "rows without event times reached a join in windows of event time",
                 "Put with_watermarks() in front of both streams.");
  const auto& records = batch.records();
  const auto* times = records->column_data(column)->GetValues<std::int64_t>(1);
  const std::int64_t rows = records->num_rows();
  const std::int64_t first = SliceOf(times[0]);
  bool one = true;
  for (std::int64_t i = 1; one && i < rows; ++i) one = SliceOf(times[i]) == first;
  if (one) {
    HR_RETURN_NOT_OK(AddTo(first, side, records, out));
  } else {
    std::map<std::int64_t, std::vector<std::uint32_t>> by_slice;
    for (std::int64_t i = 0; i < rows; ++i) by_slice[SliceOf(times[i])].push_back(static_cast<std::uint32_t>(i));
    for (const auto& [slice, indices] : by_slice) {
      HR_ASSIGN_OR_RAISE(auto part, columnar::GatherRows(*records, indices));
      HR_RETURN_NOT_OK(AddTo(slice, side, std::move(part), out));
    }
  }
  AccountBytes();
  return Status::OK();
}

Status WindowJoin::AddTo(std::int64_t slice, std::size_t side, std::shared_ptr<arrow::RecordBatch> rows, op::Collector* out) {
  if (IsLate(slice)) {
    late_.Add(static_cast<std::uint64_t>(rows->num_rows()));
    return late_tags_[side].empty() ? Status::OK() : out->EmitSide(late_tags_[side], columnar::DataBatch(std::move(rows)));
  }
  Slice& into = slices_[slice];
  const std::int64_t bytes = columnar::DataBatch(rows).size_bytes();
  into.rows[side].push_back(std::move(rows));
  into.bytes += bytes;
  bytes_ += bytes;
  return Status::OK();
}

std::optional<std::int64_t> WindowJoin::NextEnd() const {
  if (slices_.empty()) return std::nullopt;
  std::int64_t end_ms = slices_.begin()->first;
  if (windows_) {
    end_ms = windows_->FirstWindowEnd(end_ms);
    // The first window that has not been given out yet.
    if (closed_ms_ != kNever) end_ms = std::max(end_ms, windows_->LastWindowEnd(closed_ms_ + 1 - windows_->size_ms) + windows_->slide_ms);
  }
  if (end_ms - 1 > watermark_ms_) return std::nullopt;
  return end_ms;
}

Status WindowJoin::Start(std::int64_t end_ms) {
  std::array<WindowProbe::Batches, 2> sides;
  const std::int64_t first = windows_ ? end_ms - windows_->size_ms : end_ms, last = windows_ ? end_ms - 1 : end_ms;
  for (auto slice = slices_.lower_bound(first); slice != slices_.end() && slice->first <= last; ++slice)
    for (const std::size_t side : {0, 1})
      sides[side].insert(sides[side].end(), slice->second.rows[side].begin(), slice->second.rows[side].end());
  firing_end_ms_ = end_ms;
  output_.end_ms = end_ms;
  output_.start_ms = windows_ ? end_ms - windows_->size_ms : 0;
  HR_ASSIGN_OR_RAISE(probe_, WindowProbe::Make(kind_, &keys_, std::move(sides), output_));
  return Status::OK();
}

/// Forgets what no window behind the one that ends at `end_ms` needs.
void WindowJoin::DropBefore(std::int64_t end_ms) {
  while (!slices_.empty()) {
    const auto slice = slices_.begin();
    if ((windows_ ? windows_->LastWindowEnd(slice->first) : slice->first) > end_ms) return;
    bytes_ -= slice->second.bytes;
    slices_.erase(slice);
  }
}

/// One piece, or the end of it all: windows without a result are passed over.
Status WindowJoin::FirePiece(op::Collector* out) {
  for (;;) {
    if (probe_ == nullptr) {
      const auto end_ms = NextEnd();
      if (!end_ms) break;
      HR_RETURN_NOT_OK(Start(*end_ms));
    }
    HR_ASSIGN_OR_RAISE(const bool emitted, probe_->EmitPiece(out));
    if (emitted) return Status::OK();
    probe_.reset();
    closed_ms_ = firing_end_ms_ - 1;
    DropBefore(firing_end_ms_);
    if (keys_.wants_sweep()) keys_.Sweep();  // no table holds keys between two windows
  }
  firing_ = false;
  closed_ms_ = std::max(closed_ms_, watermark_ms_);
  AccountBytes();
  return Status::OK();
}

Status WindowJoin::OnWatermark(const columnar::Watermark& watermark, op::Collector* out) {
  firing_ = true;
  watermark_ms_ = watermark.event_time_ms;
  return FirePiece(out);
}

Status WindowJoin::Finish(op::Collector* out) {
  firing_ = true;
  watermark_ms_ = std::numeric_limits<std::int64_t>::max() - 1;
  return FirePiece(out);
}

void WindowJoin::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = bytes_ + keys_.allocated_bytes();
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::join
