#include "data/window/window_assigner.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <string>
#include <utility>

#include "columnar/column_gatherer.h"
#include "plan/row_schema.h"

namespace headrace::data::window {
namespace {

const std::shared_ptr<arrow::DataType>& BoundType() {
  static const auto type = arrow::timestamp(arrow::TimeUnit::MILLI, "UTC");
  return type;
}

/// The times, each moved by `by`.
Result<std::shared_ptr<arrow::Array>> Bounds(const std::vector<std::int64_t>& times, std::int64_t by) {
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(static_cast<std::int64_t>(times.size() * 8)));
  std::transform(times.begin(), times.end(), reinterpret_cast<std::int64_t*>(buffer->mutable_data()),
                 [by](std::int64_t t) { return t + by; });
  return arrow::MakeArray(arrow::ArrayData::Make(BoundType(), static_cast<std::int64_t>(times.size()), {nullptr, std::move(buffer)}, 0));
}

}  // namespace

Result<WindowAssigner> WindowAssigner::Make(const plan::Window& window) {
  using Kind = plan::Window::Kind;
  if ((window.kind != Kind::kTumbling && window.kind != Kind::kSliding) || window.processing_time)
    return Status::NotImplemented("rows by their windows, but for tumbling and sliding windows of event time; aggregate them first");
  WindowSpec spec;
  spec.size_ms = static_cast<std::int64_t>(window.size_ms);
  spec.slide_ms = window.kind == Kind::kTumbling ? spec.size_ms : static_cast<std::int64_t>(window.slide_ms);
  spec.offset_ms = window.offset_ms;
  if (spec.size_ms / spec.slide_ms > kMostWindows)
    return Status::NotImplemented("rows that are in more than ", kMostWindows, " windows each; aggregate them first");
  return WindowAssigner(spec);
}

bool WindowAssigner::Expand(const std::int64_t* times, std::int64_t rows) {
  rows_.clear();
  ends_.clear();
  bool once = true;
  const std::int64_t slice_ms = spec_.slice_ms();
  std::int64_t slice = rows > 0 ? spec_.SliceStart(times[0]) : 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    if (times[i] < slice || times[i] - slice >= slice_ms) slice = spec_.SliceStart(times[i]);
    std::int64_t end = spec_.FirstWindowEnd(slice);
    const std::int64_t last = spec_.LastWindowEnd(slice);
    once = once && end == last;
    for (; end <= last; end += spec_.slide_ms) {
      rows_.push_back(static_cast<std::uint32_t>(i));
      ends_.push_back(end);
    }
  }
  return once;
}

Status WindowAssigner::CheckTimes(const columnar::DataBatch& batch) {
  if (batch.event_time_column() >= 0) return Status::OK();
  return Error(ErrorCode::kBadRecord, "rows without event times reached an event-time window",
               "Put with_watermarks() in front of it, behind the source.");
}

Result<columnar::DataBatch> WindowAssigner::Assign(const columnar::DataBatch& batch) {
  HR_RETURN_NOT_OK(CheckTimes(batch));
  std::shared_ptr<arrow::RecordBatch> records = batch.records();
  const bool once = Expand(records->column_data(batch.event_time_column())->GetValues<std::int64_t>(1), records->num_rows());
  if (!once) {
    HR_ASSIGN_OR_RAISE(records, columnar::GatherRows(*records, rows_));
  }
  int named = 0;
  while (named < records->num_columns() && !records->schema()->field(named)->name().starts_with("__")) ++named;
  HR_ASSIGN_OR_RAISE(auto starts, Bounds(ends_, -spec_.size_ms));
  HR_ASSIGN_OR_RAISE(auto ends, Bounds(ends_, 0));
  HR_ASSIGN_OR_RAISE(records, records->AddColumn(named, arrow::field(plan::kWindowStart, BoundType(), false), std::move(starts)));
  HR_ASSIGN_OR_RAISE(records, records->AddColumn(named + 1, arrow::field(plan::kWindowEnd, BoundType(), false), std::move(ends)));
  return columnar::DataBatch(std::move(records));
}

}  // namespace headrace::data::window
