#pragma once
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "data/window/window_merger.h"

namespace headrace::data::window {

/// Sliding windows over functions that cannot subtract: for each group two stacks of the slices that hold it. The back stack has an
/// aggregate of all its slices and takes new ones; in the front stack each slice stands with the aggregate of it and all newer ones of
/// the stack, oldest on top. A window is front top + back; when the front runs out, the back is turned over. A slice of a group costs
/// three merges in all, however many windows hold it. Groups turn over at different windows, so that no window pays for all.
/// Source: Tangwongsan, Hirzel, Schneider, Low-Latency Sliding-Window Aggregation in Worst-Case Constant Time, DEBS 2017 (two stacks).
class TwoStacks final : public WindowMerger {
 public:
  TwoStacks(std::int64_t slices_per_window, std::uint32_t key_words, const Functions& functions, std::int64_t step_groups);

  Result<bool> Window(Slices* slices, std::int64_t start_ms, std::int64_t end_ms) override;
  state::GroupTable* groups() override { return &groups_; }
  bool HasRows(const std::uint64_t* values) const override { return (values[back_] | values[front_]) != 0; }
  Result<bool> Leave(Slices* slices, std::int64_t start_ms) override;
  Result<bool> Change(Slice*) override { return false; }
  Status AddTo(std::int64_t slice_start_ms, state::GroupTable* rows) override;
  std::int64_t allocated_bytes() const override;

 private:
  /// An entry of a stack: words start of the slice, the next entry's number (0 = none), then the functions' state.
  static constexpr std::uint32_t kEntriesAPage = 4096;
  static constexpr std::uint32_t kHeader = 2;
  std::uint64_t* Entry(std::uint64_t number) const {
    return pages_[(number - 1) / kEntriesAPage].get() + ((number - 1) % kEntriesAPage) * (kHeader + state_words_);
  }
  static std::int64_t SliceOf(const std::uint64_t* entry) { return static_cast<std::int64_t>(entry[0]); }
  Result<std::uint64_t> NewEntry(std::int64_t slice_start_ms);
  void FreeEntry(std::uint64_t number);
  Status Merge(std::uint64_t* into, const std::uint64_t* from) const { return MergeAll(functions_, &into, &from, 1); }
  void Release(std::uint64_t* state) const { ReleaseAll(functions_, &state, 1); }

  Status TakeIn(std::int64_t slice_start_ms, state::GroupTable* groups, std::int64_t* next, std::int64_t most);
  Status Push(std::uint64_t* row, std::int64_t slice_start_ms, const std::uint64_t* state);
  Status AddToBack(std::uint64_t* row, std::int64_t slice_start_ms, const std::uint64_t* state);
  Status AddToFront(std::uint64_t* row, std::int64_t slice_start_ms, const std::uint64_t* state);
  /// Drops slices before start_ms, turning the back over where needed.
  Status Expire(std::uint64_t* row, std::int64_t start_ms);
  Status TurnOver(std::uint64_t* row);
  /// Of rows [first, last).
  Status MakeResults(std::int64_t first, std::int64_t last);
  Status DropEmptyGroups();

  const std::int64_t slices_per_window_;
  const Functions& functions_;
  const std::uint32_t state_words_;
  // Words of a row: the window's state, the back's aggregate, then by these numbers: newest entry of the back, top of the front,
  // newest slice of the front, slices in the back, 1 once it has been turned over, oldest slice of the back.
  const std::uint32_t back_state_, back_, front_, front_newest_, back_size_, turned_, back_oldest_;
  state::GroupTable groups_;
  std::vector<std::unique_ptr<std::uint64_t[]>> pages_;
  std::uint64_t num_entries_ = 0, free_ = 0;
  std::int64_t first_ms_ = std::numeric_limits<std::int64_t>::min();
  const std::int64_t step_groups_;
  SliceSteps steps_;
  bool taken_in_ = false;      // all slices of the window in hand
  std::int64_t next_row_ = 0;  // of groups_, to get its result
  std::vector<std::uint64_t> space_;
};

}  // namespace headrace::data::window
