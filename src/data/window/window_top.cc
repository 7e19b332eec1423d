#include "data/window/window_top.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "columnar/column_gatherer.h"
#include "plan/row_schema.h"

namespace headrace::data::window {
namespace {

constexpr std::int64_t kPieceRows = 4096;

Result<std::shared_ptr<arrow::Array>> Numbers(const std::int64_t* values, std::int64_t rows) {
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(rows * 8));
  std::copy_n(values, rows, reinterpret_cast<std::int64_t*>(buffer->mutable_data()));
  return arrow::MakeArray(arrow::ArrayData::Make(arrow::int64(), rows, {nullptr, std::move(buffer)}, 0));
}

}  // namespace

Result<std::unique_ptr<op::Operator>> WindowTop::Make(const plan::TopSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                      const std::shared_ptr<arrow::Schema>& output) {
  std::optional<WindowAssigner> assigner;
  if (spec.window.kind != plan::Window::Kind::kNone) {
    HR_ASSIGN_OR_RAISE(assigner, WindowAssigner::Make(spec.window));
  }
  const int window_end = assigner ? output->GetFieldIndex(plan::kWindowEnd) : input->GetFieldIndex(plan::kWindowEnd);
  if (window_end < 0) return Status::NotImplemented("top over rows without windows");
  HR_ASSIGN_OR_RAISE(KeyWords keys, KeyWords::Make(*input, spec.keys));
  HR_ASSIGN_OR_RAISE(SortWords order, SortWords::Make(*input, spec.order));
  arrow::FieldVector fields = output->fields();
  fields.push_back(arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), /*nullable=*/false));
  return std::unique_ptr<op::Operator>(
      new WindowTop(spec, std::move(keys), std::move(order), arrow::schema(std::move(fields)), window_end, std::move(assigner)));
}

WindowTop::WindowTop(const plan::TopSpec& spec, KeyWords keys, SortWords order, std::shared_ptr<arrow::Schema> output, int window_end,
                     std::optional<WindowAssigner> assigner)
    : limit_(spec.limit),
      ties_(spec.ties),
      has_rank_(!spec.rank_name.empty()),
      keys_(std::move(keys)),
      order_(std::move(order)),
      output_(std::move(output)),
      window_end_(window_end),
      assigner_(std::move(assigner)),
      adds_bounds_(assigner_ && assigner_->one_window() && window_end_ == output_->num_fields() - 2 - (has_rank_ ? 1 : 0)),
      watermark_ms_(std::numeric_limits<std::int64_t>::min()) {}

WindowTop::~WindowTop() {
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status WindowTop::Open(const op::OperatorContext& context) {
  late_.Open(context);
  state_bytes_ = context.state_bytes;
  return Status::OK();
}

Status WindowTop::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  if (adds_bounds_) {
    HR_RETURN_NOT_OK(AddByTime(batch));
    AccountBytes();
    return Status::OK();
  }
  if (assigner_) {
    HR_ASSIGN_OR_RAISE(batch, assigner_->Assign(batch));
  }
  const auto& records = batch.records();
  if (records->num_rows() == 0) return Status::OK();
  const auto* ends = records->column_data(window_end_)->GetValues<std::int64_t>(1);
  const std::int64_t rows = records->num_rows();
  if (std::all_of(ends, ends + rows, [&](std::int64_t end) { return end == ends[0]; })) {
    HR_RETURN_NOT_OK(AddTo(ends[0], records));
  } else {
    std::map<std::int64_t, std::vector<std::uint32_t>> by_end;
    for (std::int64_t i = 0; i < rows; ++i) by_end[ends[i]].push_back(static_cast<std::uint32_t>(i));
    for (const auto& [end_ms, indices] : by_end) {
      HR_ASSIGN_OR_RAISE(auto part, columnar::GatherRows(*records, indices));
      HR_RETURN_NOT_OK(AddTo(end_ms, part));
    }
  }
  AccountBytes();
  return Status::OK();
}

/// Each row is in one window: runs of rows of one go there as they are, and get its bounds when it comes.
Status WindowTop::AddByTime(const columnar::DataBatch& batch) {
  HR_RETURN_NOT_OK(WindowAssigner::CheckTimes(batch));
  const auto& records = batch.records();
  const auto* times = records->column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
  const WindowSpec& spec = assigner_->spec();
  const std::int64_t rows = records->num_rows();
  for (std::int64_t first = 0; first < rows;) {
    const std::int64_t start_ms = spec.SliceStart(times[first]);
    const auto is_outside = [&](std::int64_t time) {
      return static_cast<std::uint64_t>(time) - static_cast<std::uint64_t>(start_ms) >= static_cast<std::uint64_t>(spec.size_ms);
    };
    const std::int64_t last = std::find_if(times + first, times + rows, is_outside) - times;
    HR_RETURN_NOT_OK(AddTo(start_ms + spec.size_ms, last - first == rows ? records : records->Slice(first, last - first)));
    first = last;
  }
  return Status::OK();
}

Status WindowTop::AddTo(std::int64_t end_ms, const std::shared_ptr<arrow::RecordBatch>& rows) {
  if (end_ms - 1 <= watermark_ms_) {
    late_.Add(static_cast<std::uint64_t>(rows->num_rows()));
    return Status::OK();
  }
  auto window = windows_.find(end_ms);
  if (window == windows_.end()) window = windows_.try_emplace(end_ms, &keys_, &order_, limit_, ties_).first;
  return window->second.Add(rows);
}

Status WindowTop::OnWatermark(const columnar::Watermark& watermark, op::Collector* out) {
  firing_ = true;
  watermark_ms_ = watermark.event_time_ms;
  return FirePiece(out);
}

Status WindowTop::Finish(op::Collector* out) {
  firing_ = true;
  watermark_ms_ = std::numeric_limits<std::int64_t>::max() - 1;
  return FirePiece(out);
}

Status WindowTop::FirePiece(op::Collector* out) {
  if (ranked_.rows == nullptr) {
    if (windows_.empty() || windows_.begin()->first - 1 > watermark_ms_) {
      firing_ = false;
      if (keys_.wants_sweep()) {
        for (const auto& [end_ms, window] : windows_) window.MarkKeys();
        keys_.Sweep();
      }
      AccountBytes();
      return Status::OK();
    }
    ranked_end_ms_ = windows_.begin()->first;
    HR_ASSIGN_OR_RAISE(ranked_, windows_.begin()->second.Take());
    windows_.erase(windows_.begin());
    next_row_ = 0;
  }
  return ranked_.rows == nullptr ? Status::OK() : EmitPiece(out);
}

Status WindowTop::EmitPiece(op::Collector* out) {
  const std::int64_t rows = std::min(kPieceRows, ranked_.rows->num_rows() - next_row_);
  const auto piece = ranked_.rows->Slice(next_row_, rows);
  arrow::ArrayVector columns;
  // The columns that the plan names; an event time of the input stands behind them and is made anew.
  const int named = output_->num_fields() - 1 - (has_rank_ ? 1 : 0);
  if (adds_bounds_) {
    for (int c = 0; c < named - 2; ++c) columns.push_back(piece->column(c));
    for (const std::int64_t bound_ms : {ranked_end_ms_ - assigner_->spec().size_ms, ranked_end_ms_}) {
      const std::vector<std::int64_t> bounds(static_cast<std::size_t>(rows), bound_ms);
      HR_ASSIGN_OR_RAISE(auto numbers, Numbers(bounds.data(), rows));
      HR_ASSIGN_OR_RAISE(auto column, numbers->View(output_->field(window_end_)->type()));
      columns.insert(columns.begin() + (bound_ms == ranked_end_ms_ ? window_end_ : window_end_ - 1), std::move(column));
    }
  } else {
    for (int c = 0; c < named; ++c) columns.push_back(piece->column(c));
  }
  if (has_rank_) {
    HR_ASSIGN_OR_RAISE(auto ranks, Numbers(ranked_.ranks.data() + next_row_, rows));
    columns.push_back(std::move(ranks));
  }
  const std::vector<std::int64_t> times(static_cast<std::size_t>(rows), ranked_end_ms_ - 1);
  HR_ASSIGN_OR_RAISE(auto event_times, Numbers(times.data(), rows));
  columns.push_back(std::move(event_times));
  next_row_ += rows;
  if (next_row_ == ranked_.rows->num_rows()) ranked_ = {};
  return out->Emit(columnar::DataBatch(arrow::RecordBatch::Make(output_, rows, std::move(columns))));
}

void WindowTop::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  std::int64_t bytes = keys_.allocated_bytes();
  for (const auto& [end_ms, window] : windows_) bytes += window.allocated_bytes();
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::window
