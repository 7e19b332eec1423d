#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <queue>
#include <span>
#include <utility>
#include <vector>

#include "base/status.h"
#include "data/state/group_table.h"
#include "data/window/aggregate_states.h"
#include "data/window/row_trigger.h"

namespace headrace::data::window {

/// Keyed aggregates over sessions: rows of one key that follow each other by at most the gap share a window, which ends one gap behind the
/// last of them. Rows may come in any order; a row between two sessions makes them one. Sessions come complete, and before (early) or
/// after that (within the lateness) when they have changed, with the bounds they have then. Knows no columns, only words.
/// Owned by its operator, used on the task's thread only. At most 2^32 - 2 open sessions.
class SessionTable {
 public:
  struct Settings {
    std::int64_t lateness_ms = 0;         ///< sessions that ended so long ago still take rows
    bool early = false;                   ///< changes of sessions that are not complete are kept for TakeEarly()
    const RowTrigger* trigger = nullptr;  ///< rows are added one by one, and those at which it fires make sessions due
  };
  SessionTable(std::int64_t gap_ms, std::uint32_t key_words, Functions functions, Settings settings);
  SessionTable(std::int64_t gap_ms, std::uint32_t key_words, Functions functions)
      : SessionTable(gap_ms, key_words, std::move(functions), Settings()) {}

  /// Adds `rows` rows: key words by column, event times, one input a function. A row is left out when no session takes it and its
  /// own would be over already; `late` (a byte a row, may be null) is set to 1 for it. Gives their number.
  Result<std::int64_t> Add(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                           std::span<const op::AggregateInput> inputs, std::int64_t rows, std::uint8_t* late);
  /// A session that is complete: pointers hold until the next call of Add() or Release().
  struct Fired {
    const std::uint64_t* key;
    const std::uint64_t* values;
    std::int64_t start_ms, end_ms;
  };
  /// Appends sessions that end at or before watermark + 1, oldest end first, at most `most`. True when there may be more.
  bool Fire(std::int64_t watermark_ms, std::int64_t most, std::vector<Fired>* fired);
  /// Gives the room of fired sessions back, once they have been read.
  void Release();
  /// Appends the sessions that have changed since they were given last: late those that Fire() has given, early those that it will
  /// give. Due are those for which the trigger has fired; when it purges, Purge() makes them begin anew once they have been read.
  void TakeLate(std::vector<Fired>* fired);
  void TakeEarly(std::vector<Fired>* fired);
  void TakeDue(std::vector<Fired>* fired);
  void Purge();
  bool has_due() const { return !due_by_trigger_.empty(); }
  bool has_late() const { return !late_changes_.empty(); }
  bool has_early() const { return !early_changes_.empty(); }
  /// No session ends before; INT64_MAX when there is none.
  std::int64_t next_end_ms() const { return due_.empty() ? std::numeric_limits<std::int64_t>::max() : due_.top().end_ms; }

  /// Calls visit(key words) for keys held: from row *row of the table with number *table on, for `most` of them, and moves both; true when
  /// all have been visited. Rows may be added and sessions fire between two calls; a table made anew is gone through anew.
  template <typename Visit>
  bool VisitKeys(std::uint64_t* table, std::int64_t* row, std::int64_t most, Visit visit) const {
    if (std::exchange(*table, table_) != table_) *row = 0;
    for (; *row < keys_.num_rows(); ++*row, --most) {
      if (most <= 0) return false;
      visit(keys_.RowKey(*row));
    }
    return true;
  }

  const Functions& functions() const { return functions_; }
  std::int64_t allocated_bytes() const;
  std::int64_t num_open() const { return num_open_; }

 private:
  struct Session {
    std::int64_t start_ms, last_ms;  // of its first and last row
    std::uint32_t next;              // the next older session of the key; of a free place: the next free one
    std::uint32_t merged_into;       // kNone, or the session that took it in within the batch in hand
    std::uint32_t generation;        // counts the uses of this place, so that old entries of the heap are known
    bool given;                      // Fire() has given it as it is by its end
    bool noted;                      // among the changes
    std::uint32_t new_rows;          // since it was given
  };
  /// A session that was among the changes; it may have gone since, or have been given out.
  struct Noted {
    std::uint32_t session, generation;
  };
  bool IsNoted(const Noted& noted) const {
    return sessions_[noted.session].generation == noted.generation && sessions_[noted.session].noted;
  }
  struct Due {
    std::int64_t end_ms;
    std::uint32_t session, generation;
    bool operator>(const Due& other) const { return end_ms > other.end_ms; }
  };
  std::uint64_t* KeyOf(std::uint32_t session) {
    return words_.data() + static_cast<std::size_t>(session) * (key_words_ + state_words_ + trigger_words_);
  }
  std::uint64_t* ValuesOf(std::uint32_t session) { return KeyOf(session) + key_words_; }
  std::uint64_t* TriggerOf(std::uint32_t session) { return ValuesOf(session) + state_words_; }
  std::uint32_t RootOf(std::uint32_t session) const;
  Fired At(std::uint32_t session) {
    return {KeyOf(session), ValuesOf(session), sessions_[session].start_ms, sessions_[session].last_ms + gap_ms_};
  }
  bool IsOver(std::int64_t end_ms) const { return end_ms + settings_.lateness_ms - 1 <= watermark_ms_; }
  void NoteChange(std::uint32_t session);
  /// The session that takes the row, made or widened; kNone when the row is late. `head`: of the key's list, newest first.
  Result<std::uint32_t> Place(std::uint64_t* head, std::span<const std::uint64_t* const> keys, std::int64_t row, std::int64_t time_ms);
  Result<std::uint32_t> Make(std::span<const std::uint64_t* const> keys, std::int64_t row, std::int64_t time_ms);
  void FreePlace(std::uint32_t session);
  Status MergeMarked();
  void Unlink(std::uint32_t session);
  Status DropEmptyKeys();

  const std::int64_t gap_ms_;
  const Settings settings_;
  const std::uint32_t key_words_;
  const Functions functions_;
  const std::uint32_t state_words_, trigger_words_;
  state::GroupTable keys_;       // one value word: the list's head
  std::uint64_t table_ = 1;      // counts the tables
  std::int64_t empty_keys_ = 0;  // keys that have lost their last session
  std::vector<Session> sessions_;
  std::vector<std::uint64_t> words_;  // of each session: key, state, then that of the trigger
  std::uint32_t free_;
  std::int64_t num_open_ = 0;
  std::int64_t watermark_ms_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::vector<std::uint32_t> fired_;  // to be released
  std::vector<Noted> late_changes_, early_changes_;
  std::vector<std::uint32_t> due_by_trigger_, purged_;  // within the row in hand
  // Of the batch in hand.
  std::vector<std::uint64_t*> groups_;
  std::vector<std::uint32_t> session_of_row_, merged_;
  std::vector<std::uint64_t> trash_;
  std::vector<std::uint8_t> late_rows_;
  LeftOut left_out_;
};

}  // namespace headrace::data::window
