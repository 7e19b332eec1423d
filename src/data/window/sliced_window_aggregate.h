#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "data/window/sliced_aggregate.h"
#include "data/window/window_aggregate.h"

namespace headrace::data::window {

/// Tumbling, sliding and cumulating windows: a row touches one slice, whatever the overlap. But overlapping windows that a trigger purges
/// have contents of their own: then a row is added to each window that holds it, and no window knows of the others.
class SlicedWindowAggregate final : public WindowAggregate {
 public:
  /// `apart`: windows share no slices.
  SlicedWindowAggregate(Parts parts, const WindowSpec& windows, bool apart, SlicedAggregate::Settings settings);

 protected:
  Result<std::int64_t> AddRows(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                               std::span<const op::AggregateInput> inputs, std::int64_t rows, std::uint8_t* late) override;
  Result<std::int64_t> AddGroups(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                                 std::span<const std::uint64_t* const> states, std::uint8_t* late) override {
    return windows_.AddGroups(keys, times, states, late);
  }
  Result<bool> EmitPiece(Occasion occasion, std::int64_t watermark_ms, op::Collector* out) override;
  bool has_changes(Occasion occasion) const override {
    if (in_hand_ == occasion && fired_) return true;
    if (occasion == Occasion::kDue) return windows_.has_due();
    return occasion == Occasion::kLate ? windows_.has_late() : windows_.has_early();
  }
  std::int64_t next_end_ms() const override { return windows_.next_end_ms(); }
  std::int64_t allocated_bytes() const override { return windows_.allocated_bytes(); }
  const Functions& functions() const override { return windows_.functions(); }
  bool MarkKeys(KeyWords* keys, MarkPlace* place, std::int64_t most) const override {
    return windows_.VisitKeys(&place->slice_ms, &place->row, most, [keys](const std::uint64_t* key) { keys->Mark(key); });
  }

 private:
  SlicedWindowAggregate(Parts&& parts, const WindowSpec& windows, bool apart, SlicedAggregate::Settings settings, std::uint32_t key_words,
                        Functions functions);
  /// A row by its windows, one after the other. Rows come one by one, as there is a trigger.
  Result<std::int64_t> AddApart(std::span<const std::uint64_t* const> key, std::int64_t time_ms, std::span<const op::AggregateInput> inputs,
                                std::uint8_t* late);
  /// Complete windows with few groups, many in one batch; one with many groups alone.
  Result<bool> EmitSmallWindows(std::int64_t watermark_ms, op::Collector* out);
  /// Copies the groups of the window in hand behind those that wait.
  void TakeGroups();
  Result<std::optional<SlicedAggregate::Fired>> Next(Occasion occasion, std::int64_t watermark_ms);

  const WindowSpec spec_;
  const bool apart_;
  SlicedAggregate windows_;                      // of spec_, or of its ends
  std::optional<SlicedAggregate::Fired> fired_;  // the window in hand, and the next of its groups
  Occasion in_hand_ = Occasion::kComplete;
  std::int64_t next_group_ = 0;
  std::vector<const std::uint64_t*> row_keys_, row_values_;
  // Groups of windows that are not held any more, one row of words each.
  std::vector<std::uint64_t> words_;
  std::vector<std::int64_t> starts_ms_, ends_ms_;
};

}  // namespace headrace::data::window
