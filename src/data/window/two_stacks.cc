#include "data/window/two_stacks.h"

#include <algorithm>
#include <array>
#include <utility>

namespace headrace::data::window {
namespace {

constexpr std::int64_t kFewGroups = 1024;
constexpr std::int64_t kPiece = 512;

}  // namespace

TwoStacks::TwoStacks(std::int64_t slices_per_window, std::uint32_t key_words, const Functions& functions, std::int64_t step_groups)
    : slices_per_window_(slices_per_window),
      functions_(functions),
      state_words_(WordsOf(functions)),
      back_state_(state_words_),
      back_(2 * state_words_),
      front_(back_ + 1),
      front_newest_(back_ + 2),
      back_size_(back_ + 3),
      turned_(back_ + 4),
      back_oldest_(back_ + 5),
      groups_(key_words, 2 * state_words_ + 6),
      step_groups_(step_groups),
      steps_(step_groups) {}

Result<std::uint64_t> TwoStacks::NewEntry(std::int64_t slice_start_ms) {
  std::uint64_t number = free_;
  if (number != 0) {
    free_ = Entry(number)[1];
  } else {
    if (num_entries_ % kEntriesAPage == 0)
      pages_.push_back(std::make_unique<std::uint64_t[]>(std::size_t{kEntriesAPage} * (kHeader + state_words_)));
    number = ++num_entries_;
  }
  std::uint64_t* entry = Entry(number);
  entry[0] = static_cast<std::uint64_t>(slice_start_ms);
  entry[1] = 0;
  std::fill_n(entry + kHeader, state_words_, 0);
  return number;
}

void TwoStacks::FreeEntry(std::uint64_t number) {
  std::uint64_t* entry = Entry(number);
  Release(entry + kHeader);
  entry[1] = std::exchange(free_, number);
}

Result<bool> TwoStacks::Window(Slices* slices, std::int64_t start_ms, std::int64_t end_ms) {
  if (!taken_in_) {
    if (!steps_.working()) steps_.Start(std::max(first_ms_, start_ms));
    HR_ASSIGN_OR_RAISE(taken_in_, steps_.Go(
                                      slices, end_ms, [](const Slice& slice) { return !slice.merged; },
                                      [this](std::int64_t slice_start_ms, state::GroupTable* groups, std::int64_t* next,
                                             std::int64_t most) { return TakeIn(slice_start_ms, groups, next, most); },
                                      [](Slice* slice) { slice->merged = true; }));
    if (!taken_in_) return false;
    first_ms_ = std::max(first_ms_, start_ms);
    next_row_ = 0;
  }
  const std::int64_t last = std::min(groups_.num_rows(), next_row_ + step_groups_);
  for (std::int64_t row = next_row_; row < last; ++row) HR_RETURN_NOT_OK(Expire(groups_.RowValues(row), start_ms));
  HR_RETURN_NOT_OK(MakeResults(next_row_, last));
  next_row_ = last;
  if (last < groups_.num_rows()) return false;
  taken_in_ = false;
  return true;
}

Status TwoStacks::TakeIn(std::int64_t slice_start_ms, state::GroupTable* groups, std::int64_t* next, std::int64_t most) {
  return ForGroups(&groups_, groups, next, most, &space_,
                   [&](std::uint64_t* const* rows, const std::uint64_t* const* states, std::int64_t count) {
                     for (std::int64_t i = 0; i < count; ++i) HR_RETURN_NOT_OK(Push(rows[i], slice_start_ms, states[i]));
                     return Status::OK();
                   });
}

Status TwoStacks::AddTo(std::int64_t slice_start_ms, state::GroupTable* rows) {
  // Slices that have left count in no window any more.
  std::int64_t next = 0;
  return slice_start_ms < first_ms_ ? Status::OK() : TakeIn(slice_start_ms, rows, &next, rows->num_rows());
}

Status TwoStacks::Push(std::uint64_t* row, std::int64_t slice_start_ms, const std::uint64_t* state) {
  const bool in_front = row[front_] != 0 && slice_start_ms <= static_cast<std::int64_t>(row[front_newest_]);
  return in_front ? AddToFront(row, slice_start_ms, state) : AddToBack(row, slice_start_ms, state);
}

Status TwoStacks::AddToBack(std::uint64_t* row, std::int64_t slice_start_ms, const std::uint64_t* state) {
  HR_RETURN_NOT_OK(Merge(row + back_state_, state));
  std::uint64_t newer = 0, at = row[back_];  // newest first
  while (at != 0 && SliceOf(Entry(at)) > slice_start_ms) newer = std::exchange(at, Entry(at)[1]);
  if (at != 0 && SliceOf(Entry(at)) == slice_start_ms) return Merge(Entry(at) + kHeader, state);
  HR_ASSIGN_OR_RAISE(const std::uint64_t made, NewEntry(slice_start_ms));
  Entry(made)[1] = at;
  (newer == 0 ? row[back_] : Entry(newer)[1]) = made;
  if (at == 0) row[back_oldest_] = static_cast<std::uint64_t>(slice_start_ms);
  ++row[back_size_];
  return Merge(Entry(made) + kHeader, state);
}

Status TwoStacks::AddToFront(std::uint64_t* row, std::int64_t slice_start_ms, const std::uint64_t* state) {
  std::uint64_t older = 0, at = row[front_];  // oldest first
  while (at != 0 && SliceOf(Entry(at)) <= slice_start_ms) {
    HR_RETURN_NOT_OK(Merge(Entry(at) + kHeader, state));
    older = std::exchange(at, Entry(at)[1]);
  }
  if (older != 0 && SliceOf(Entry(older)) == slice_start_ms) return Status::OK();
  HR_ASSIGN_OR_RAISE(const std::uint64_t made, NewEntry(slice_start_ms));
  Entry(made)[1] = at;
  (older == 0 ? row[front_] : Entry(older)[1]) = made;
  HR_RETURN_NOT_OK(Merge(Entry(made) + kHeader, state));
  return at == 0 ? Status::OK() : Merge(Entry(made) + kHeader, Entry(at) + kHeader);
}

Status TwoStacks::Expire(std::uint64_t* row, std::int64_t start_ms) {
  for (;;) {
    while (row[front_] != 0 && SliceOf(Entry(row[front_])) < start_ms) {
      const std::uint64_t top = row[front_];
      row[front_] = Entry(top)[1];
      FreeEntry(top);
    }
    if (row[front_] != 0 || row[back_] == 0) return Status::OK();
    // Each group is turned over for the first time at a size of its own.
    const auto size = static_cast<std::int64_t>(row[back_size_]);
    const bool early = row[turned_] == 0 && size > static_cast<std::int64_t>(state::MixWord(*(row - groups_.key_words())) %
                                                                             static_cast<std::uint64_t>(slices_per_window_));
    if (!early && static_cast<std::int64_t>(row[back_oldest_]) >= start_ms) return Status::OK();
    HR_RETURN_NOT_OK(TurnOver(row));
  }
}

Status TwoStacks::TurnOver(std::uint64_t* row) {
  std::uint64_t newer = 0, at = row[back_];
  row[front_newest_] = static_cast<std::uint64_t>(SliceOf(Entry(at)));
  while (at != 0) {
    std::uint64_t* entry = Entry(at);
    if (newer != 0) HR_RETURN_NOT_OK(Merge(entry + kHeader, Entry(newer) + kHeader));
    const std::uint64_t older = std::exchange(entry[1], newer);
    newer = std::exchange(at, older);
  }
  row[front_] = newer;
  row[back_] = row[back_size_] = 0;
  row[turned_] = 1;
  Release(row + back_state_);
  std::fill_n(row + back_state_, state_words_, 0);
  return Status::OK();
}

/// Window state = top of the front + back, in pieces, function by function.
Status TwoStacks::MakeResults(std::int64_t from, std::int64_t to) {
  const bool own = OwnMemory(functions_);
  std::array<std::uint64_t*, kPiece> into, with_front;
  std::array<const std::uint64_t*, kPiece> backs, fronts;
  for (std::int64_t first = from; first < to; first += kPiece) {
    const std::int64_t count = std::min(kPiece, to - first);
    std::int64_t fronted = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      std::uint64_t* row = groups_.RowValues(first + i);
      into[static_cast<std::size_t>(i)] = row;
      backs[static_cast<std::size_t>(i)] = row + back_state_;
      if (row[front_] == 0) continue;
      with_front[static_cast<std::size_t>(fronted)] = row;
      fronts[static_cast<std::size_t>(fronted++)] = Entry(row[front_]) + kHeader;
    }
    if (own) ReleaseAll(functions_, into.data(), count);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (own)
        std::fill_n(into[at], state_words_, 0);
      else
        std::copy_n(backs[at], state_words_, into[at]);
    }
    // Front first: its slices are older, which lists keep.
    HR_RETURN_NOT_OK(MergeAll(functions_, with_front.data(), fronts.data(), fronted));
    if (own) HR_RETURN_NOT_OK(MergeAll(functions_, into.data(), backs.data(), count));
  }
  return Status::OK();
}

Result<bool> TwoStacks::Leave(Slices*, std::int64_t start_ms) {
  first_ms_ = std::max(first_ms_, start_ms);
  std::int64_t empty = 0;
  for (std::int64_t row = 0; row < groups_.num_rows(); ++row) empty += HasRows(groups_.RowValues(row)) ? 0 : 1;
  if (empty < kFewGroups || empty * 2 < groups_.num_rows()) return true;
  HR_RETURN_NOT_OK(DropEmptyGroups());
  return true;
}

Status TwoStacks::DropEmptyGroups() {
  for (std::int64_t row = 0; row < groups_.num_rows(); ++row) {
    std::uint64_t* values = groups_.RowValues(row);
    if (HasRows(values)) continue;
    Release(values);
    Release(values + back_state_);
  }
  HR_ASSIGN_OR_RAISE(groups_, MoveRows(&groups_, [this](const std::uint64_t* values) { return HasRows(values); }));
  return Status::OK();
}

std::int64_t TwoStacks::allocated_bytes() const {
  return groups_.allocated_bytes() + static_cast<std::int64_t>(pages_.size() * kEntriesAPage * (kHeader + state_words_) * 8);
}

}  // namespace headrace::data::window
