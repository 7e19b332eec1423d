#include "data/window/window_aggregate.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "columnar/column_gatherer.h"
#include "data/window/count_window_aggregate.h"
#include "data/window/global_window_aggregate.h"
#include "data/window/local_groups.h"
#include "data/window/session_window_aggregate.h"
#include "data/window/sliced_window_aggregate.h"
#include "data/window/triggered_aggregate.h"

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

/// Inputs of the rows from `first` on.
void From(std::span<const op::AggregateInput> inputs, std::int64_t first, std::vector<op::AggregateInput>* out) {
  out->clear();
  for (const op::AggregateInput& input : inputs) out->push_back(input.From(first));
}

}  // namespace

Result<std::unique_ptr<op::Operator>> WindowAggregate::Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                            const std::shared_ptr<arrow::Schema>& output, op::FoldBook* folds) {
  if (spec.trigger.by_function) return TriggeredAggregate::Make(spec, input, output, folds);
  if (spec.window.kind == plan::Window::Kind::kCount) return CountWindowAggregate::Make(spec, input, output, folds);
  if (spec.window.kind == plan::Window::Kind::kGlobal) return GlobalWindowAggregate::Make(spec, input, output, folds);
  arrow::FieldVector fields = output->fields();
  fields.push_back(arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), /*nullable=*/false));
  HR_ASSIGN_OR_RAISE(KeyWords keys, KeyWords::Make(*input, spec.keys));
  HR_ASSIGN_OR_RAISE(AggregateCalls calls, AggregateCalls::Make(spec.calls, input, /*retractable=*/false, folds));
  HR_ASSIGN_OR_RAISE(auto by_row, RowTrigger::Make(spec.trigger, input));
  const RowTrigger* trigger = by_row.get();
  const PartialLayout partial = PartialLayout::Of(spec, calls.functions());
  Parts parts{std::move(calls), std::move(keys),   arrow::schema(std::move(fields)), spec.late_tag,
              spec.trigger,     std::move(by_row), spec.window.processing_time,      partial};
  const bool early = spec.trigger.early_every_ms > 0;
  const auto lateness_ms = static_cast<std::int64_t>(spec.allowed_lateness_ms);
  const plan::Window& window = spec.window;
  switch (window.kind) {
    case plan::Window::Kind::kTumbling:
    case plan::Window::Kind::kSliding:
    case plan::Window::Kind::kCumulate:
      return std::unique_ptr<op::Operator>(new SlicedWindowAggregate(std::move(parts), WindowSpec::Of(window),
                                                                     spec.trigger.purge && WindowSpec::Of(window).slices_per_window() > 1,
                                                                     {lateness_ms, early || trigger != nullptr, trigger}));
    case plan::Window::Kind::kSession:
      return std::unique_ptr<op::Operator>(
          new SessionWindowAggregate(std::move(parts), static_cast<std::int64_t>(window.gap_ms), {lateness_ms, early, trigger}));
    default:
      return Status::NotImplemented("this kind of window");
  }
}

WindowAggregate::WindowAggregate(Parts parts)
    : calls_(std::move(parts.calls)),
      keys_(std::move(parts.keys)),
      output_(std::move(parts.output)),
      late_tag_(std::move(parts.late_tag)),
      trigger_(parts.trigger),
      by_row_(std::move(parts.by_row)),
      processing_time_(parts.processing_time),
      partial_(parts.partial),
      watermark_ms_(std::numeric_limits<std::int64_t>::min()) {}

WindowAggregate::~WindowAggregate() {
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status WindowAggregate::Open(const op::OperatorContext& context) {
  late_.Open(context);
  state_bytes_ = context.state_bytes;
  clock_ = context.clock;
  if (clock_ == nullptr && (processing_time_ || trigger_.early_every_ms > 0)) return Status::Invalid("windows by the clock need one");
  return Status::OK();
}

Result<const std::int64_t*> WindowAggregate::TimesOf(const columnar::DataBatch& batch) {
  if (processing_time_) {
    // The machine's clock may be set back; windows that were given stay over.
    const std::int64_t now_ms = std::max(clock_->WallTimeMs(), watermark_ms_ + 1);
    clock_times_.assign(static_cast<std::size_t>(batch.num_rows()), now_ms);
    return clock_times_.data();
  }
  if (batch.event_time_column() < 0)
    return Error(ErrorCode::kBadRecord, "rows without event times reached an event-time window",
                 "Put with_watermarks() in front of the window.");
  return batch.records()->column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
}

Status WindowAggregate::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  const arrow::RecordBatch& records = *batch.records();
  const std::int64_t rows = records.num_rows();
  if (rows == 0) return Status::OK();
  HR_ASSIGN_OR_RAISE(const std::int64_t* times, TimesOf(batch));
  if (const int partial = records.schema()->GetFieldIndex(std::string(kPartialColumn)); partial >= 0) {
    HR_ASSIGN_OR_RAISE(const std::vector<const std::uint64_t*> keys, keys_.EncodeLeading(records));
    return AddPartialGroups(keys, times, *records.column_data(partial), out);
  }
  HR_ASSIGN_OR_RAISE(const std::vector<const std::uint64_t*> keys, keys_.Encode(records));
  HR_ASSIGN_OR_RAISE(const std::vector<op::AggregateInput> inputs, calls_.Evaluate(records, times));
  std::uint8_t* late = nullptr;
  if (!late_tag_.empty()) {
    late_rows_.assign(static_cast<std::size_t>(rows), 0);
    late = late_rows_.data();
  }
  std::int64_t dropped = 0;
  // What comes of a single row must not depend on how rows are cut into batches.
  const bool has_late = trigger_.late_every_row && *std::min_element(times, times + rows) <= watermark_ms_;
  if (by_row_ != nullptr) HR_RETURN_NOT_OK(by_row_->Evaluate(records));
  if (has_late || by_row_ != nullptr) {
    HR_RETURN_NOT_OK(AddOneByOne(keys, times, inputs, rows, late, &dropped, out));
  } else {
    HR_ASSIGN_OR_RAISE(dropped, AddRows(keys, times, inputs, rows, late));
  }
  if (++batches_ % 16 == 1) AccountBytes();
  if (dropped > 0) HR_RETURN_NOT_OK(CountLate(batch, dropped, out));
  return AfterRows(out);
}

Status WindowAggregate::AddOneByOne(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                                    std::span<const op::AggregateInput> inputs, std::int64_t rows, std::uint8_t* late,
                                    std::int64_t* dropped, op::Collector* out) {
  std::vector<const std::uint64_t*> key(keys.begin(), keys.end());
  std::vector<op::AggregateInput> input;
  for (std::int64_t row = 0; row < rows; ++row) {
    From(inputs, row, &input);
    if (by_row_ != nullptr) by_row_->GoTo(row);
    HR_ASSIGN_OR_RAISE(const std::int64_t is_late, AddRows(key, times + row, input, 1, late == nullptr ? nullptr : late + row));
    *dropped += is_late;
    for (const std::uint64_t*& word : key) ++word;
    for (bool more = has_changes(Occasion::kLate); more;) {
      HR_ASSIGN_OR_RAISE(more, EmitPiece(Occasion::kLate, watermark_ms_, out));
    }
    for (bool more = has_changes(Occasion::kDue); more;) {
      HR_ASSIGN_OR_RAISE(more, EmitPiece(Occasion::kDue, watermark_ms_, out));
    }
  }
  return Status::OK();
}

/// Groups that a LocalAggregate in front of the shuffle has added up.
Status WindowAggregate::AddPartialGroups(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                                         const arrow::ArrayData& groups, op::Collector* out) {
  const auto rows = static_cast<std::size_t>(groups.length);
  const std::size_t words = partial_.words;
  if (groups.type->id() != arrow::Type::FIXED_SIZE_BINARY || groups.type->bit_width() != static_cast<int>(words * 64))
    return Status::Invalid("partial groups of another aggregate");
  const auto* states = reinterpret_cast<const std::uint64_t*>(groups.buffers[1]->data()) + static_cast<std::size_t>(groups.offset) * words;
  std::vector<const std::uint64_t*> pointers(rows);
  for (std::size_t i = 0; i < rows; ++i) pointers[i] = states + i * words;
  late_rows_.assign(rows, 0);
  HR_ASSIGN_OR_RAISE(const std::int64_t dropped, AddGroups(keys, times, pointers, late_rows_.data()));
  if (++batches_ % 16 == 1) AccountBytes();
  std::uint64_t late = 0;
  for (std::size_t i = 0; dropped > 0 && i < rows; ++i) late += late_rows_[i] != 0 ? pointers[i][partial_.count_word] : 0;
  late_.Add(late);
  return AfterRows(out);
}

/// Early timer and late changes, once rows have been added.
Status WindowAggregate::AfterRows(op::Collector* out) {
  if (trigger_.early_every_ms > 0 && early_at_ == MonotonicTime::max() && has_changes(Occasion::kEarly))
    early_at_ = clock_->Now() + std::chrono::milliseconds(trigger_.early_every_ms);
  return has_changes(Occasion::kLate) ? StartFiring(out) : Status::OK();
}

Status WindowAggregate::CountLate(const columnar::DataBatch& batch, std::int64_t late, op::Collector* out) {
  late_.Add(static_cast<std::uint64_t>(late));
  if (late_tag_.empty()) return Status::OK();
  std::vector<std::uint32_t> rows;
  for (std::uint32_t i = 0; i < late_rows_.size(); ++i)
    if (late_rows_[i] != 0) rows.push_back(i);
  HR_ASSIGN_OR_RAISE(auto records, columnar::GatherRows(*batch.records(), rows));
  return out->EmitSide(late_tag_, columnar::DataBatch(std::move(records)));
}

Status WindowAggregate::OnWatermark(const columnar::Watermark& watermark, op::Collector* out) {
  if (processing_time_) return Status::OK();
  watermark_ms_ = watermark.event_time_ms;
  return StartFiring(out);
}

Status WindowAggregate::Finish(op::Collector* out) {
  // The end of the input completes all windows.
  watermark_ms_ = std::numeric_limits<std::int64_t>::max() - 1;
  return StartFiring(out);
}

Status WindowAggregate::Poll(op::Collector* out) {
  if (firing_) return FirePiece(out);
  if (sweeping_ != Sweeping::kNone) SweepPiece();
  if (processing_time_) {
    const std::int64_t now_ms = clock_->WallTimeMs();
    if (next_end_ms() <= now_ms) {
      watermark_ms_ = std::max(watermark_ms_, now_ms - 1);
      return StartFiring(out);
    }
  }
  if (early_at_ == MonotonicTime::max() || clock_->Now() < early_at_) return Status::OK();
  early_at_ = MonotonicTime::max();
  fires_early_ = true;
  return StartFiring(out);
}

MonotonicTime WindowAggregate::next_poll() const {
  if (firing_ || sweeping_ != Sweeping::kNone) return MonotonicTime();
  const MonotonicTime next = early_at_;
  if (!processing_time_ || clock_ == nullptr) return next;
  const std::int64_t end_ms = next_end_ms();
  if (end_ms == std::numeric_limits<std::int64_t>::max()) return next;
  return std::min(next, clock_->Now() + std::chrono::milliseconds(std::max<std::int64_t>(end_ms - clock_->WallTimeMs(), 0)));
}

Status WindowAggregate::StartFiring(op::Collector* out) {
  firing_ = true;
  return FirePiece(out);
}

Status WindowAggregate::FirePiece(op::Collector* out) {
  if (has_changes(Occasion::kLate)) return EmitPiece(Occasion::kLate, watermark_ms_, out).status();
  if (fires_early_) {
    HR_ASSIGN_OR_RAISE(fires_early_, EmitPiece(Occasion::kEarly, watermark_ms_, out));
    if (fires_early_) return Status::OK();
  }
  HR_ASSIGN_OR_RAISE(firing_, EmitPiece(Occasion::kComplete, watermark_ms_, out));
  if (firing_) return Status::OK();
  if (sweeping_ == Sweeping::kNone && keys_.wants_sweep()) {
    keys_.StartMarking();
    marked_to_ = {};
    sweeping_ = Sweeping::kMarking;
  }
  AccountBytes();
  return Status::OK();
}

/// A little of the work, between batches.
void WindowAggregate::SweepPiece() {
  constexpr std::int64_t kSteps = 1 << 15;
  if (sweeping_ == Sweeping::kMarking && MarkKeys(&keys_, &marked_to_, kSteps)) {
    sweeping_ = Sweeping::kSweeping;
  } else if (sweeping_ == Sweeping::kSweeping && keys_.SweepSome(kSteps)) {
    sweeping_ = Sweeping::kNone;
    AccountBytes();
  }
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
