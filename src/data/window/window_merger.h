#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "data/state/group_table.h"
#include "data/window/aggregate_states.h"
#include "data/window/window_spec.h"

namespace headrace::data::window {

/// The groups of a span of time that no window cuts.
struct Slice {
  state::GroupTable groups;
  bool merged = false;  ///< the merger has taken it in as it is
};
using Slices = std::map<std::int64_t, Slice>;  // by start

/// Makes the groups of a window from those of its slices; windows come in the order of their ends. Three ways: merging all slices of
/// each window (few slices, or states that grow when merged), a running table that takes slices in and out (all functions invertible), two
/// stacks a group (the others). Works in steps of some groups, so that a task with millions of them stays in its slice of time; slices do
/// not change between the steps of one window. Borrows the functions. Owned by a SlicedAggregate, its thread only.
class WindowMerger {
 public:
  /// `step_groups`: groups that one step goes through.
  static std::unique_ptr<WindowMerger> Make(const WindowSpec& spec, std::uint32_t key_words, const Functions& functions,
                                            std::int64_t step_groups);
  virtual ~WindowMerger() = default;

  /// A step towards the groups of window [start, end). True when they stand in groups().
  virtual Result<bool> Window(Slices* slices, std::int64_t start_ms, std::int64_t end_ms) = 0;
  /// Until the next call of any other function here; those without rows are told by HasRows().
  virtual state::GroupTable* groups() = 0;
  /// Whether group values of a window hold rows.
  virtual bool HasRows(const std::uint64_t* values) const { return true; }
  /// No later window holds slices before start_ms. A step; true when all is done.
  virtual Result<bool> Leave(Slices* slices, std::int64_t start_ms) { return true; }
  /// A merged slice is about to change. False: its new rows are wanted apart, by AddTo().
  virtual Result<bool> Change(Slice* slice) = 0;
  /// `rows`: the groups of rows that have come into a merged slice.
  virtual Status AddTo(std::int64_t slice_start_ms, state::GroupTable* rows) { return Status::OK(); }
  virtual std::int64_t allocated_bytes() const = 0;
};

/// Calls visit(targets, sources, count) for groups of `from`, in pieces, with their groups in `into`, made when they are new: from row
/// *next on, at most `most`; moves *next behind them. `space` is scratch memory.
template <typename Visit>
Status ForGroups(state::GroupTable* into, state::GroupTable* from, std::int64_t* next, std::int64_t most, std::vector<std::uint64_t>* space,
                 Visit visit) {
  constexpr std::int64_t kPiece = 1024;
  const std::uint32_t key_words = from->key_words();
  std::array<const std::uint64_t*, state::GroupTable::kMaxKeyWords> keys{};
  std::array<std::uint64_t*, kPiece> targets;
  std::array<const std::uint64_t*, kPiece> sources;
  space->resize(static_cast<std::size_t>(kPiece) * key_words);
  for (std::uint32_t w = 0; w < key_words; ++w) keys[w] = space->data() + w * kPiece;
  for (const std::int64_t end = std::min(from->num_rows(), *next + most); *next < end;) {
    const std::int64_t count = std::min(kPiece, end - *next);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint64_t* row = from->RowKey(*next + i);
      for (std::uint32_t w = 0; w < key_words; ++w) (*space)[static_cast<std::size_t>(w * kPiece + i)] = row[w];
      sources[static_cast<std::size_t>(i)] = row + key_words;
    }
    HR_RETURN_NOT_OK(into->Resolve({keys.data(), key_words}, count, targets.data()));
    HR_RETURN_NOT_OK(visit(targets.data(), sources.data(), count));
    *next += count;
  }
  return Status::OK();
}

/// Slices of a span, one after the other, in steps of some groups.
class SliceSteps {
 public:
  explicit SliceSteps(std::int64_t step_groups) : step_groups_(step_groups) {}
  bool working() const { return working_; }
  void Start(std::int64_t from_ms) {
    working_ = true;
    at_ms_ = from_ms;
    row_ = 0;
  }
  /// For slices that wanted(slice) chooses, before to_ms: part(groups, &row, most) goes on with the slice's groups, done(slice) follows
  /// behind them. True when all are done.
  template <typename Wanted, typename Part, typename Done>
  Result<bool> Go(Slices* slices, std::int64_t to_ms, Wanted wanted, Part part, Done done) {
    std::int64_t left = step_groups_;
    for (auto at = slices->lower_bound(at_ms_); at != slices->end() && at->first < to_ms; ++at) {
      if (!wanted(at->second)) continue;
      if (left <= 0) return false;
      const std::int64_t before = row_;
      at_ms_ = at->first;
      HR_RETURN_NOT_OK(part(at->first, &at->second.groups, &row_, left));
      left -= row_ - before + 1;
      if (row_ < at->second.groups.num_rows()) return false;
      row_ = 0;
      at_ms_ = at->first + 1;
      done(&at->second);
    }
    working_ = false;
    return true;
  }

 private:
  const std::int64_t step_groups_;
  bool working_ = false;
  std::int64_t at_ms_ = 0, row_ = 0;
};

/// into += from, group by group.
Status MergeTables(const Functions& functions, state::GroupTable* into, state::GroupTable* from, std::vector<std::uint64_t>* space);

/// A table of the rows of `from` for which keep(values) is true, moved as they are.
template <typename Keep>
Result<state::GroupTable> MoveRows(state::GroupTable* from, Keep keep) {
  state::GroupTable kept(from->key_words(), from->value_words());
  std::array<const std::uint64_t*, state::GroupTable::kMaxKeyWords> keys{};
  for (std::int64_t row = 0; row < from->num_rows(); ++row) {
    const std::uint64_t* values = from->RowValues(row);
    if (!keep(values)) continue;
    for (std::uint32_t w = 0; w < from->key_words(); ++w) keys[w] = from->RowKey(row) + w;
    std::uint64_t* to = nullptr;
    HR_RETURN_NOT_OK(kept.Resolve({keys.data(), from->key_words()}, 1, &to));
    std::copy_n(values, from->value_words(), to);
  }
  return kept;
}

}  // namespace headrace::data::window
