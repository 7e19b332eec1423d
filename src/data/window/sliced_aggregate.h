#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "data/state/group_table.h"
#include "data/window/aggregate_states.h"
#include "data/window/group_log.h"
#include "data/window/row_trigger.h"
#include "data/window/rows_by_slice.h"
#include "data/window/window_merger.h"
#include "data/window/window_spec.h"

namespace headrace::data::window {

/// Keyed aggregates over tumbling, sliding and cumulating windows: one table a slice, a row touches one of them. Windows come complete,
/// once each; and before (early) or after that (within the lateness) with the groups that have changed. Knows no columns, only words.
/// Owned by its operator, used on the task's thread only.
class SlicedAggregate {
 public:
  using Functions = window::Functions;
  struct Settings {
    std::int64_t lateness_ms = 0;         ///< rows of windows that ended so long ago still count, and make them change
    bool early = false;                   ///< changes of windows that are not complete are kept for TakeEarly() and `trigger`
    const RowTrigger* trigger = nullptr;  ///< rows are added one by one, and those at which it fires make groups due
    std::int64_t step_groups = 1 << 15;   ///< groups that one call of Fire() goes through
  };
  /// `functions` have their words behind each other from word 0 of a group's values.
  SlicedAggregate(WindowSpec spec, std::uint32_t key_words, Functions functions, Settings settings);
  SlicedAggregate(WindowSpec spec, std::uint32_t key_words, Functions functions)
      : SlicedAggregate(spec, key_words, std::move(functions), Settings()) {}
  SlicedAggregate(const SlicedAggregate&) = delete;
  SlicedAggregate& operator=(const SlicedAggregate&) = delete;

  /// Adds `rows` rows: key words by column, event times, one input a function. Rows whose windows are all over are left out;
  /// `late` (a byte a row, may be null) is set to 1 for them. Gives their number. kExpressionFailed for a time beyond
  /// WindowSpec::kLatestMs.
  Result<std::int64_t> Add(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                           std::span<const op::AggregateInput> inputs, std::int64_t rows, std::uint8_t* late);

  /// Adds groups that were added up elsewhere: key words by column, a time in each one's slice, pointers to the functions' words (which may
  /// hold no memory of their own). Else as Add(); `late` is not null.
  Result<std::int64_t> AddGroups(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                                 std::span<const std::uint64_t* const> states, std::uint8_t* late);

  /// A window with its groups. `groups` holds until the next call here.
  struct Fired {
    std::int64_t start_ms, end_ms;
    state::GroupTable* groups;  ///< rows without input are told by HasRows(); null: call Fire() again, it has more to do
  };
  /// The next window that ends at or before watermark + 1, oldest first; nothing when there is none. Windows without rows do not fire.
  /// No rows may be added until nothing is given.
  Result<std::optional<Fired>> Fire(std::int64_t watermark_ms);
  /// Whether group values of a window that Fire() gave hold rows.
  bool HasRows(const std::uint64_t* values) const { return merger_ == nullptr || merger_->HasRows(values); }
  /// Whether a group of the window that Fire() gave has had no row since it was purged.
  bool IsPurged(const std::uint64_t* key) const {
    if (!fired_notes_) return false;
    const std::uint64_t* rows = fired_notes_->Find(key);
    return rows != nullptr && *rows == 0;
  }

  /// The groups that have changed in one window since it was given out, all with rows; oldest window first, nothing when there is none.
  /// Late: windows that Fire() had given. Early: windows that it will give. Due: those of them for whose groups the trigger has fired; when
  /// it purges they begin anew.
  Result<std::optional<Fired>> TakeLate() { return TakeChanged(&late_changes_); }
  Result<std::optional<Fired>> TakeEarly() { return TakeChanged(&early_changes_); }
  Result<std::optional<Fired>> TakeDue();
  bool has_due() const { return !due_.empty(); }
  bool has_late() const { return !late_changes_.empty(); }
  bool has_early() const { return !early_changes_.empty(); }

  /// End of the next window that Fire() will give; INT64_MAX while there is none.
  std::int64_t next_end_ms() const;

  /// Calls visit(key words) for groups held, a key may come more than once: from row *row of slice *slice_ms on, for `most` of them, and
  /// moves both; begins where *slice_ms is the least number; true when all have been visited. Rows may be added and windows fire between
  /// two calls.
  template <typename Visit>
  bool VisitKeys(std::int64_t* slice_ms, std::int64_t* row, std::int64_t most, Visit visit) const {
    if (*slice_ms == std::numeric_limits<std::int64_t>::min()) log_.VisitKeys(visit);  // at once: they are few
    for (auto at = slices_.lower_bound(*slice_ms); at != slices_.end(); ++at, *row = 0) {
      if (at->first != *slice_ms) *row = 0;  // the slice in hand has gone
      *slice_ms = at->first;
      for (; *row < at->second.groups.num_rows(); ++*row, --most) {
        if (most <= 0) return false;
        visit(at->second.groups.RowKey(*row));
      }
    }
    return true;
  }

  const Functions& functions() const { return functions_; }
  std::int64_t allocated_bytes() const;
  /// Those with a table.
  std::size_t num_slices() const { return slices_.size(); }
  /// Of the slices' tables, without what is kept for later ones.
  std::int64_t slices_bytes() const { return slices_bytes_; }

 private:
  /// Changed groups by window end: keys, with the number of rows that came, or the trigger's state.
  using Changes = std::map<std::int64_t, state::GroupTable>;

  state::GroupTable NewTable();
  /// The table that takes rows of the slice: its own, or one for what comes behind its merging.
  Result<state::GroupTable*> TableOf(std::int64_t start_ms);
  /// The rows' groups, in groups_; those of late rows are trash_. Gives the number of late ones.
  Result<std::int64_t> Resolve(std::span<const std::uint64_t* const> keys, const std::int64_t* times, std::int64_t rows,
                               std::uint8_t* late);
  Status ResolveRun(std::int64_t start_ms, std::span<const std::uint64_t* const> keys, std::int64_t first, std::int64_t count);
  /// Rows of one slice that stand behind each other in the batch.
  struct Run {
    std::int64_t start_ms, first, rows;
  };
  /// Whether slices come in their order, and in a few runs, which are then in runs_.
  bool FindRuns(const std::int64_t* times, std::int64_t rows);
  Result<std::int64_t> ResolveRuns(std::span<const std::uint64_t* const> keys, std::uint8_t* late);
  Status ResolveMixed(std::span<const std::uint64_t* const> keys, const std::int64_t* times, std::int64_t rows, std::int64_t least_ms,
                      std::int64_t greatest_ms, std::uint8_t* late, std::int64_t* dropped);
  Status NoteChanges(std::int64_t start_ms, std::span<const std::uint64_t* const> keys, std::int64_t count);
  Status NoteChange(Changes* changes, std::int64_t end_ms, std::span<const std::uint64_t* const> keys, std::int64_t count);
  Status TakeInBehind();
  /// AddGroups() into the log.
  Result<std::int64_t> LogGroups(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                                 std::span<const std::uint64_t* const> states, std::uint8_t* late);
  Status TakeInOldest();
  /// End of the next window of a slice.
  std::int64_t NextEndOf(std::int64_t slice_ms) const;
  bool IsLate(std::int64_t slice_ms) const {
    return slice_ms < fired_to_ms_ && spec_.LastWindowEnd(slice_ms) + settings_.lateness_ms <= fired_to_ms_;
  }
  Status NoteForTrigger(std::int64_t end_ms, std::span<const std::uint64_t* const> keys, std::int64_t count);
  Status Purge(std::int64_t start_ms, const std::uint64_t* key);
  Result<std::optional<Fired>> TakeChanged(Changes* changes);
  Result<std::optional<Fired>> ChangedGroups(std::int64_t end_ms, state::GroupTable* keys);
  /// What no window from `start_ms` on holds goes, in steps; true when it has gone.
  Result<bool> LeaveTo(std::int64_t start_ms);
  void DropOver();
  void Recycle(state::GroupTable groups);

  const WindowSpec spec_;
  const Settings settings_;
  const std::uint32_t key_words_;
  const Functions functions_;
  const std::unique_ptr<WindowMerger> merger_;  // null: a window is a slice
  Slices slices_;
  const bool logs_;
  GroupLog log_;
  std::map<std::int64_t, state::GroupTable>
      behind_;  // rows of the batch in hand for slices that were merged, when the merger wants them apart
  state::GroupTable* last_table_ = nullptr;
  std::int64_t last_start_ms_ = 0;
  std::int64_t fired_to_ms_;  // windows that end at or before it have been given
  enum class Firing { kNone, kLeaving, kMerging };
  Firing firing_ = Firing::kNone;
  std::int64_t firing_end_ms_ = 0;  // of the window in hand; INT64_MAX: none, the watermark only moves on
  Changes late_changes_, early_changes_;
  std::map<std::int64_t, state::GroupTable> due_;  // groups for which the trigger has fired, by window end
  std::optional<state::GroupTable> fired_notes_;   // of the window that Fire() gave, when the trigger purges
  std::vector<state::GroupTable> spare_;
  std::int64_t spare_bytes_ = 0;
  std::int64_t slices_bytes_ = 0;             // of the tables in slices_
  std::optional<state::GroupTable> changed_;  // what TakeChanged() gave last
  std::vector<Run> runs_;                     // of the batch in hand
  std::vector<std::uint64_t> trash_;          // takes the rows that are late
  // Of the batch in hand.
  std::vector<std::uint64_t*> groups_, found_;
  RowsBySlice by_slice_;
  std::vector<std::uint64_t> gathered_;
  std::vector<std::uint8_t> late_rows_;
  LeftOut left_out_;
};

}  // namespace headrace::data::window
