#include "data/window/sliced_window_aggregate.h"

#include <utility>

namespace headrace::data::window {
namespace {

/// A window with more groups than this comes in batches of its own.
constexpr std::int64_t kFewGroups = 512;
constexpr std::size_t kEnoughRows = 4096;
constexpr int kMostWindows = 256;  // one piece goes through

}  // namespace

SlicedWindowAggregate::SlicedWindowAggregate(Parts parts, const WindowSpec& windows, bool apart, SlicedAggregate::Settings settings)
    : SlicedWindowAggregate(std::move(parts), windows, apart, settings, parts.keys.words(), parts.calls.TakeFunctions()) {}

SlicedWindowAggregate::SlicedWindowAggregate(Parts&& parts, const WindowSpec& windows, bool apart, SlicedAggregate::Settings settings,
                                             std::uint32_t key_words, Functions functions)
    : WindowAggregate(std::move(parts)),
      spec_(windows),
      apart_(apart),
      windows_(apart ? windows.Ends() : windows, key_words, std::move(functions), settings) {}

Result<std::int64_t> SlicedWindowAggregate::AddRows(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                                                    std::span<const op::AggregateInput> inputs, std::int64_t rows, std::uint8_t* late) {
  if (!apart_) return windows_.Add(keys, times, inputs, rows, late);
  HR_CHECK(rows == 1, "rows of windows that share nothing come one by one");
  return AddApart(keys, *times, inputs, late);
}

Result<std::int64_t> SlicedWindowAggregate::AddApart(std::span<const std::uint64_t* const> key, std::int64_t time_ms,
                                                     std::span<const op::AggregateInput> inputs, std::uint8_t* late) {
  if (time_ms < -WindowSpec::kLatestMs || time_ms > WindowSpec::kLatestMs) return windows_.Add(key, &time_ms, inputs, 1, late);
  const std::int64_t slice_ms = spec_.SliceStart(time_ms), last_ms = spec_.LastWindowEnd(slice_ms);
  // It is late when its last window is over; the others are then too.
  std::int64_t dropped = 0;
  for (std::int64_t end_ms = spec_.FirstWindowEnd(slice_ms); end_ms <= last_ms; end_ms += spec_.slide_ms) {
    const std::int64_t inside_ms = end_ms - 1;
    std::uint8_t over = 0;
    HR_ASSIGN_OR_RAISE(dropped, windows_.Add(key, &inside_ms, inputs, 1, &over));
  }
  if (late != nullptr) *late = static_cast<std::uint8_t>(dropped);
  return dropped;
}

Result<std::optional<SlicedAggregate::Fired>> SlicedWindowAggregate::Next(Occasion occasion, std::int64_t watermark_ms) {
  Result<std::optional<SlicedAggregate::Fired>> next = std::optional<SlicedAggregate::Fired>();
  if (occasion == Occasion::kLate) next = windows_.TakeLate();
  if (occasion == Occasion::kEarly) next = windows_.TakeEarly();
  if (occasion == Occasion::kDue) next = windows_.TakeDue();
  if (occasion == Occasion::kComplete) next = windows_.Fire(watermark_ms);
  if (apart_ && next.ok() && next->has_value()) (**next).start_ms = spec_.StartOf((**next).end_ms);
  return next;
}

void SlicedWindowAggregate::TakeGroups() {
  state::GroupTable& groups = *fired_->groups;
  const std::uint32_t row_words = groups.key_words() + groups.value_words();
  for (std::int64_t row = 0; row < groups.num_rows(); ++row) {
    const std::uint64_t* words = groups.RowKey(row);
    if (!windows_.HasRows(groups.RowValues(row)) || windows_.IsPurged(words)) continue;
    words_.insert(words_.end(), words, words + row_words);
    starts_ms_.push_back(fired_->start_ms);
    ends_ms_.push_back(fired_->end_ms);
  }
  fired_.reset();
}

Result<bool> SlicedWindowAggregate::EmitSmallWindows(std::int64_t watermark_ms, op::Collector* out) {
  std::uint32_t key_words = 0, row_words = 0;
  bool more = true;
  for (int windows = 0; windows < kMostWindows && starts_ms_.size() < kEnoughRows; ++windows) {
    if (!fired_) {
      HR_ASSIGN_OR_RAISE(fired_, Next(Occasion::kComplete, watermark_ms));
      in_hand_ = Occasion::kComplete;
      next_group_ = 0;
    }
    more = fired_.has_value();
    if (!fired_ || fired_->groups == nullptr || fired_->groups->num_rows() > kFewGroups) break;
    key_words = fired_->groups->key_words();
    row_words = key_words + fired_->groups->value_words();
    TakeGroups();
  }
  if (fired_ && fired_->groups == nullptr) fired_.reset();  // there is more to merge
  row_keys_.clear();
  row_values_.clear();
  for (std::size_t row = 0; row < starts_ms_.size(); ++row) {
    row_keys_.push_back(words_.data() + row * row_words);
    row_values_.push_back(row_keys_.back() + key_words);
  }
  HR_RETURN_NOT_OK(EmitRows(row_keys_, row_values_, starts_ms_, ends_ms_, out));
  words_.clear();
  starts_ms_.clear();
  ends_ms_.clear();
  return more;
}

/// Windows without rows to show are passed over.
Result<bool> SlicedWindowAggregate::EmitPiece(Occasion occasion, std::int64_t watermark_ms, op::Collector* out) {
  const bool few = !fired_ || (next_group_ == 0 && fired_->groups->num_rows() <= kFewGroups);
  if (occasion == Occasion::kComplete && few && !OwnMemory(windows_.functions())) {
    HR_ASSIGN_OR_RAISE(const bool more, EmitSmallWindows(watermark_ms, out));
    if (!more || !fired_ || row_keys_.size() > 0) return more;
  }
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
