#include "data/window/sliced_window_aggregate.h"

#include <utility>

namespace headrace::data::window {

SlicedWindowAggregate::SlicedWindowAggregate(Parts parts, const WindowSpec& windows, SlicedAggregate::Settings settings)
    : SlicedWindowAggregate(std::move(parts), windows, settings, parts.keys.words(), parts.calls.TakeFunctions()) {}

SlicedWindowAggregate::SlicedWindowAggregate(Parts&& parts, const WindowSpec& windows, SlicedAggregate::Settings settings,
                                             std::uint32_t key_words, Functions functions)
    : WindowAggregate(std::move(parts)), windows_(windows, key_words, std::move(functions), settings) {}

Result<std::int64_t> SlicedWindowAggregate::AddRows(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                                                    std::span<const op::AggregateInput> inputs, std::int64_t rows, std::uint8_t* late) {
  return windows_.Add(keys, times, inputs, rows, late);
}

Result<std::optional<SlicedAggregate::Fired>> SlicedWindowAggregate::Next(Occasion occasion, std::int64_t watermark_ms) {
  if (occasion == Occasion::kLate) return windows_.TakeLate();
  if (occasion == Occasion::kEarly) return windows_.TakeEarly();
  if (occasion == Occasion::kDue) return windows_.TakeDue();
  return windows_.Fire(watermark_ms);
}

/// Windows without rows to show are passed over.
Result<bool> SlicedWindowAggregate::EmitPiece(Occasion occasion, std::int64_t watermark_ms, op::Collector* out) {
  for (;;) {
    if (!fired_) {
      HR_ASSIGN_OR_RAISE(fired_, Next(occasion, watermark_ms));
      in_hand_ = occasion;
      next_group_ = 0;
    }
    if (!fired_) return false;
    if (fired_->groups == nullptr) {  // there is more to merge
      fired_.reset();
      return true;
    }
    row_keys_.clear();
    row_values_.clear();
    state::GroupTable& groups = *fired_->groups;
    for (; next_group_ < groups.num_rows() && static_cast<std::int64_t>(row_keys_.size()) < kPieceRows; ++next_group_) {
      const std::uint64_t* values = groups.RowValues(next_group_);
      if (occasion == Occasion::kComplete && (!windows_.HasRows(values) || windows_.IsPurged(groups.RowKey(next_group_)))) continue;
      row_keys_.push_back(groups.RowKey(next_group_));
      row_values_.push_back(values);
    }
    HR_RETURN_NOT_OK(EmitRows(row_keys_, row_values_, {&fired_->start_ms, 1}, {&fired_->end_ms, 1}, out));
    if (next_group_ >= groups.num_rows()) fired_.reset();
    if (!row_keys_.empty()) return true;
  }
}

}  // namespace headrace::data::window
