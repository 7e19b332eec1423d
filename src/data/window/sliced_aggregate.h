#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "data/state/group_table.h"
#include "data/window/aggregate_calls.h"
#include "data/window/window_spec.h"

namespace headrace::data::window {

/// Keyed aggregates over tumbling and sliding event-time windows: one table a slice, and for many slices a window a running
/// table that takes each slice in and gives it back once. Knows no columns, only words; the operator around it does.
/// Owned by its operator, used on the task's thread only.
class SlicedAggregate {
 public:
  using Functions = AggregateCalls::Functions;
  /// `functions` have their words behind each other from word 0 of a group's values.
  SlicedAggregate(WindowSpec spec, std::uint32_t key_words, Functions functions);

  /// Adds `rows` rows: key words by column, event times, one input a function. Rows whose last window is over are left out;
  /// `late` (a byte a row, may be null) is set to 1 for them. Gives their number.
  Result<std::int64_t> Add(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                           std::span<const op::AggregateInput> inputs, std::int64_t rows, std::uint8_t* late);

  /// A window that is complete.
  struct Fired {
    std::int64_t start_ms, end_ms;
    state::GroupTable* groups;  ///< until the next call; rows with no row of input in the window are skipped by HasRows
  };
  /// The next window that ends at or before watermark + 1, oldest first; nothing when there is none. Windows without rows do not fire.
  Result<std::optional<Fired>> Fire(std::int64_t watermark_ms);
  /// Whether group values (of a fired window) hold rows; the word behind the functions' words counts them.
  bool HasRows(const std::uint64_t* values) const { return !counts_rows_ || values[state_words_] != 0; }

  /// Calls visit(key words) for every group held; a key may come more than once.
  template <typename Visit>
  void ForEachKey(Visit visit) const {
    const auto visit_all = [&visit](const state::GroupTable& groups) {
      for (std::int64_t row = 0; row < groups.num_rows(); ++row) visit(groups.RowKey(row));
    };
    for (const auto& [start_ms, slice] : slices_) visit_all(slice.groups);
    if (merged_) visit_all(*merged_);
  }

  const Functions& functions() const { return functions_; }
  std::int64_t allocated_bytes() const;
  std::size_t num_slices() const { return slices_.size(); }

 private:
  struct Slice {
    state::GroupTable groups;
    bool in_running = false;
  };
  state::GroupTable NewTable();
  /// The slice that is about to change.
  Result<Slice*> SliceAt(std::int64_t start_ms);
  Status ResolveRun(Slice* slice, std::span<const std::uint64_t* const> keys, std::int64_t first, std::int64_t count);
  Status ResolveMixed(std::span<const std::uint64_t* const> keys, const std::int64_t* times, std::int64_t rows, std::uint8_t* late,
                      std::int64_t* dropped);
  Status MergeInto(state::GroupTable* into, state::GroupTable* from);
  /// Takes the slice into the running table, or out of it again.
  Status TakeIn(Slice* slice);
  Status TakeOut(Slice* slice);
  /// Drops groups without rows from the running table once they are the greater part.
  Status DropEmptyGroups();
  /// Calls visit(targets, sources, count) for all groups of `from` in pieces, with their groups in `into`.
  template <typename Visit>
  Status ForGroups(state::GroupTable* into, state::GroupTable* from, Visit visit);
  Result<std::optional<Fired>> FireMerged(std::int64_t end_ms);
  void DropBefore(std::int64_t start_ms);

  const WindowSpec spec_;
  const std::uint32_t key_words_;
  const Functions functions_;
  std::uint32_t state_words_ = 0;
  bool counts_rows_ = false;              // a word counts the slices that hold a group, so that running groups can end
  std::map<std::int64_t, Slice> slices_;  // by start
  Slice* last_slice_ = nullptr;
  std::int64_t last_slice_start_ = 0;
  std::int64_t next_end_ms_;  // of the next window to fire; INT64_MAX while there are no slices
  std::int64_t fired_to_ms_;  // windows that end at or before it are over
  std::vector<state::GroupTable> spare_;
  std::optional<state::GroupTable> merged_;
  std::int64_t empty_groups_ = 0;     // of the running table
  std::vector<std::uint64_t> trash_;  // takes the rows that are late
  // Of the batch in hand.
  std::vector<std::uint64_t*> groups_;
  std::vector<std::uint64_t> gathered_;
  std::vector<std::uint32_t> order_;
};

}  // namespace headrace::data::window
