#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/python/resident_keys.h"
#include "data/python/table_block.h"
#include "data/state/expiry_sweep.h"
#include "data/state/keyed_states.h"
#include "plan/process.h"

namespace headrace::data::python {

/// The states of keys on their way to a worker and back. States of one value go with each batch that has their key and come back where
/// they changed. Lists and maps stay in the worker, as far as ResidentKeys allows; what comes back is one change an element, so that a
/// batch moves what it changes, however many elements the key has. Those of a key that the worker has not go whole.
/// Broadcast states, which have one key, go once.
/// Owned by KeyedProcess with the states it borrows; task's thread. Errors: Invalid for an answer that does not fit.
class TripStates {
 public:
  TripStates(state::KeyedStates* states, const std::vector<plan::StateDeclaration>& declared, bool broadcast);

  /// The wall clock for a trip; it never goes back, so that worker and engine agree on what is over.
  std::int64_t Now(std::int64_t wall_ms) { return now_ms_ = std::max(now_ms_, wall_ms); }
  /// Whether states of one value go with the next trip.
  bool sends_values() const { return !broadcast_ || !sent_; }
  /// What the states of a key add to a trip.
  std::int64_t SentBytes(state::EntryId entry) const;
  /// Adds the columns of a trip: keys, 1 where the worker has the key's lists and maps, keys that it is to forget, each state.
  /// `outstanding`: keys of this trip and others, by entry. The columns refer to this object until the next call.
  void Write(const std::vector<state::EntryId>& entries, const std::vector<bool>& outstanding, TableWriter* table);
  std::size_t columns_back() const { return columns_back_; }
  /// What an answer says of the states, at its columns for them.
  Status Read(const std::vector<state::EntryId>& entries, std::int64_t now_ms, std::span<const TableColumn> columns);

  /// Whether a key's maps, which are full of holes, should go anew.
  bool wants_tidying(const std::vector<state::EntryId>& entries) const;
  /// Looks at a few keys that are in no trip: state that is over and that nobody asks for goes.
  void SweepExpired(std::int64_t wall_ms, const std::vector<bool>& outstanding);
  bool resident(state::EntryId entry) const { return resident_.Has(entry); }
  /// Keys have other entries now.
  void Move(const std::vector<state::EntryId>& moved);

 private:
  bool HasSparse(state::EntryId entry) const;
  std::int64_t KeptBytes(state::EntryId entry) const;
  Status ReadValues(std::size_t state, const std::vector<state::EntryId>& entries, const TableColumn& groups, const TableColumn& values);
  Status ReadElements(std::size_t state, const std::vector<state::EntryId>& entries, std::int64_t now_ms,
                      std::span<const TableColumn> columns);

  state::KeyedStates* states_;
  std::vector<plan::StateDeclaration> declared_;
  bool broadcast_, has_elements_ = false, sent_ = false;
  std::size_t columns_back_ = 0;
  std::int64_t now_ms_ = 0;
  ResidentKeys resident_;
  std::vector<std::int64_t> ttl_ms_;  // by state
  state::ExpirySweep sweep_;
  // Of the trip that is being written.
  std::vector<std::vector<std::string_view>> views_;
  std::deque<std::string> whole_;
  std::vector<std::string> forgotten_;
};

}  // namespace headrace::data::python
