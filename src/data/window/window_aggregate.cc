#include "data/window/window_aggregate.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "columnar/column_gatherer.h"
#include "data/window/session_window_aggregate.h"
#include "data/window/sliced_window_aggregate.h"

namespace headrace::data::window {
namespace {

/// `rows` numbers of 8 bytes: those given, or the one for all, each plus `add`.
Result<std::shared_ptr<arrow::Array>> Times(const std::shared_ptr<arrow::DataType>& type, std::span<const std::int64_t> values,
                                            std::int64_t add, std::size_t rows) {
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(static_cast<std::int64_t>(rows * 8)));
  auto* out = reinterpret_cast<std::int64_t*>(buffer->mutable_data());
  if (values.size() == 1) {
    std::fill_n(out, rows, values[0] + add);
  } else {
    for (std::size_t i = 0; i < rows; ++i) out[i] = values[i] + add;
  }
  return arrow::MakeArray(arrow::ArrayData::Make(type, static_cast<std::int64_t>(rows), {nullptr, std::move(buffer)}, 0));
}

}  // namespace

Result<std::unique_ptr<op::Operator>> WindowAggregate::Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                            const std::shared_ptr<arrow::Schema>& output) {
  arrow::FieldVector fields = output->fields();
  fields.push_back(arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), /*nullable=*/false));
  HR_ASSIGN_OR_RAISE(KeyWords keys, KeyWords::Make(*input, spec.keys));
  HR_ASSIGN_OR_RAISE(AggregateCalls calls, AggregateCalls::Make(spec.calls, input));
  Parts parts{std::move(calls), std::move(keys), arrow::schema(std::move(fields)), spec.late_tag};
  const plan::Window& window = spec.window;
  switch (window.kind) {
    case plan::Window::Kind::kTumbling:
    case plan::Window::Kind::kSliding: {
      const std::uint64_t slide_ms = window.kind == plan::Window::Kind::kTumbling ? window.size_ms : window.slide_ms;
      const WindowSpec windows{static_cast<std::int64_t>(window.size_ms), static_cast<std::int64_t>(slide_ms), window.offset_ms};
      return std::unique_ptr<op::Operator>(new SlicedWindowAggregate(std::move(parts), windows));
    }
    case plan::Window::Kind::kSession:
      return std::unique_ptr<op::Operator>(new SessionWindowAggregate(std::move(parts), static_cast<std::int64_t>(window.gap_ms)));
    default:
      return Status::NotImplemented("this kind of window");
  }
}

WindowAggregate::WindowAggregate(Parts parts)
    : calls_(std::move(parts.calls)),
      keys_(std::move(parts.keys)),
      output_(std::move(parts.output)),
      late_tag_(std::move(parts.late_tag)) {}

WindowAggregate::~WindowAggregate() {
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status WindowAggregate::Open(const op::OperatorContext& context) {
  if (context.metrics != nullptr)
    late_ = context.metrics->GetCounter("headrace_late_records_total", "Records behind the watermark that no window took", context.labels);
  state_bytes_ = context.state_bytes;
  return Status::OK();
}

Status WindowAggregate::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  if (batch.event_time_column() < 0)
    return Error(ErrorCode::kBadRecord, "rows without event times reached an event-time window",
                 "Put with_watermarks() in front of the window.");
  const arrow::RecordBatch& records = *batch.records();
  HR_ASSIGN_OR_RAISE(const std::vector<const std::uint64_t*> keys, keys_.Encode(records));
  HR_ASSIGN_OR_RAISE(const std::vector<op::AggregateInput> inputs, calls_.Evaluate(records));
  const auto* times = records.column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
  HR_ASSIGN_OR_RAISE(const std::int64_t late, AddRows(keys, times, inputs, records.num_rows(), MarkLate(records.num_rows())));
  AccountBytes();
  if (late == 0) return Status::OK();
  if (late_ != nullptr) late_->Add(static_cast<std::uint64_t>(late));
  return late_tag_.empty() ? Status::OK() : EmitLate(batch, out);
}

std::uint8_t* WindowAggregate::MarkLate(std::int64_t rows) {
  if (late_tag_.empty()) return nullptr;
  late_rows_.assign(static_cast<std::size_t>(rows), 0);
  return late_rows_.data();
}

Status WindowAggregate::EmitLate(const columnar::DataBatch& batch, op::Collector* out) {
  std::vector<std::uint32_t> rows;
  for (std::uint32_t i = 0; i < late_rows_.size(); ++i)
    if (late_rows_[i] != 0) rows.push_back(i);
  HR_ASSIGN_OR_RAISE(auto records, columnar::GatherRows(*batch.records(), rows));
  return out->EmitSide(late_tag_, columnar::DataBatch(std::move(records)));
}

Status WindowAggregate::OnWatermark(const columnar::Watermark& watermark, op::Collector* out) {
  firing_ = true;
  watermark_ms_ = watermark.event_time_ms;
  return FirePiece(out);
}

Status WindowAggregate::Finish(op::Collector* out) {
  // The end of the input completes all windows.
  firing_ = true;
  watermark_ms_ = std::numeric_limits<std::int64_t>::max() - 1;
  return FirePiece(out);
}

Status WindowAggregate::Poll(op::Collector* out) { return firing_ ? FirePiece(out) : Status::OK(); }

Status WindowAggregate::FirePiece(op::Collector* out) {
  HR_ASSIGN_OR_RAISE(firing_, EmitPiece(watermark_ms_, out));
  if (firing_) return Status::OK();
  if (keys_.wants_sweep()) {
    MarkKeys(&keys_);
    keys_.Sweep();
  }
  AccountBytes();
  return Status::OK();
}

Status WindowAggregate::EmitRows(std::span<const std::uint64_t* const> keys, std::span<const std::uint64_t* const> values,
                                 std::span<const std::int64_t> starts_ms, std::span<const std::int64_t> ends_ms, op::Collector* out) {
  const auto rows = static_cast<std::int64_t>(keys.size());
  if (rows == 0) return Status::OK();
  HR_ASSIGN_OR_RAISE(arrow::ArrayVector columns, keys_.Decode(keys.data(), rows));
  const auto& bounds = output_->field(static_cast<int>(columns.size()))->type();
  HR_ASSIGN_OR_RAISE(auto starts, Times(bounds, starts_ms, 0, keys.size()));
  HR_ASSIGN_OR_RAISE(auto ends, Times(bounds, ends_ms, 0, keys.size()));
  columns.push_back(std::move(starts));
  columns.push_back(std::move(ends));
  for (const auto& function : functions()) {
    HR_ASSIGN_OR_RAISE(auto column, function->Results(values.data(), rows));
    columns.push_back(std::move(column));
  }
  HR_ASSIGN_OR_RAISE(auto times, Times(arrow::int64(), ends_ms, -1, keys.size()));
  columns.push_back(std::move(times));
  return out->Emit(columnar::DataBatch(arrow::RecordBatch::Make(output_, rows, std::move(columns))));
}

void WindowAggregate::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = allocated_bytes() + keys_.allocated_bytes();
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::window
