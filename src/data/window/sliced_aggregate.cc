#include "data/window/sliced_aggregate.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "columnar/int64_range.h"

namespace headrace::data::window {
namespace {

/// More changes of slice within a batch than this, and its rows are sorted instead.
constexpr std::size_t kMostRuns = 64;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kBegin = -4 * WindowSpec::kLatestMs;  // before every window; leaves room to subtract a size
constexpr std::size_t kSpareTables = 2;
constexpr std::int64_t kSpareBytes = 2 << 20;  // of more than those
/// Groups wait in the log where fewer than this stand behind each other in a slice, and this many do at most.
constexpr std::size_t kLeastRun = 64;
constexpr std::int64_t kMostLogged = 1 << 16;

bool HasShortRuns(const std::int64_t* times, std::size_t rows) {
  std::size_t runs = 1;
  for (std::size_t i = 1; i < rows; ++i) runs += times[i] != times[i - 1];
  return rows / runs < kLeastRun;
}

}  // namespace

SlicedAggregate::SlicedAggregate(WindowSpec spec, std::uint32_t key_words, Functions functions, Settings settings)
    : spec_(spec),
      settings_(settings),
      key_words_(key_words),
      functions_(std::move(functions)),
      merger_(spec.slices_per_window() == 1 ? nullptr : WindowMerger::Make(spec, key_words, functions_, settings.step_groups)),
      logs_(settings.lateness_ms == 0 && !settings.early && settings.trigger == nullptr && !OwnMemory(functions_)),
      log_(spec.slice_ms(), key_words, WordsOf(functions_)),
      fired_to_ms_(kBegin),
      trash_(WordsOf(functions_) + 1) {}

state::GroupTable SlicedAggregate::NewTable() {
  if (spare_.empty()) return state::GroupTable(key_words_, WordsOf(functions_));
  state::GroupTable table = std::move(spare_.back());
  spare_.pop_back();
  spare_bytes_ -= table.allocated_bytes();
  return table;
}

void SlicedAggregate::Recycle(state::GroupTable groups) {
  ReleaseAll(functions_, &groups);
  if (spare_.size() >= kSpareTables && spare_bytes_ + groups.allocated_bytes() > kSpareBytes) return;
  spare_bytes_ += groups.allocated_bytes();
  groups.Clear();
  spare_.push_back(std::move(groups));
}

Result<state::GroupTable*> SlicedAggregate::TableOf(std::int64_t start_ms) {
  if (last_table_ != nullptr && last_start_ms_ == start_ms) return last_table_;
  auto at = slices_.lower_bound(start_ms);
  if (at == slices_.end() || at->first != start_ms) {
    at = slices_.emplace_hint(at, start_ms, Slice{NewTable()});
    slices_bytes_ += at->second.groups.allocated_bytes();
  }
  bool in_slice = true;
  if (at->second.merged) {
    HR_ASSIGN_OR_RAISE(in_slice, merger_->Change(&at->second));
    if (in_slice) at->second.merged = false;
  }
  if (!in_slice) {
    auto behind = behind_.find(start_ms);
    if (behind == behind_.end()) {
      behind = behind_.emplace(start_ms, NewTable()).first;
      slices_bytes_ += behind->second.allocated_bytes();
    }
    return &behind->second;
  }
  last_table_ = &at->second.groups;
  last_start_ms_ = start_ms;
  return last_table_;
}

Status SlicedAggregate::ResolveRun(std::int64_t start_ms, std::span<const std::uint64_t* const> keys, std::int64_t first,
                                   std::int64_t count) {
  HR_ASSIGN_OR_RAISE(state::GroupTable * table, TableOf(start_ms));
  std::array<const std::uint64_t*, state::GroupTable::kMaxKeyWords> from{};
  for (std::size_t w = 0; w < keys.size(); ++w) from[w] = keys[w] + first;
  const std::span<const std::uint64_t* const> run(from.data(), keys.size());
  const std::int64_t bytes = table->allocated_bytes();
  HR_RETURN_NOT_OK(table->Resolve(run, count, groups_.data() + first));
  slices_bytes_ += table->allocated_bytes() - bytes;
  return NoteChanges(start_ms, run, count);
}

bool SlicedAggregate::FindRuns(const std::int64_t* times, std::int64_t rows) {
  runs_.clear();
  for (std::int64_t i = 0; i < rows;) {
    Run run{spec_.SliceStart(times[i]), i, 0};
    const std::int64_t end_ms = run.start_ms + spec_.slice_ms();
    if (!runs_.empty() && (run.start_ms < runs_.back().start_ms || runs_.size() == kMostRuns)) return false;
    while (i < rows && times[i] >= run.start_ms && times[i] < end_ms) ++i;
    run.rows = i - run.first;
    runs_.push_back(run);
  }
  return true;
}

Result<std::int64_t> SlicedAggregate::ResolveRuns(std::span<const std::uint64_t* const> keys, std::uint8_t* late) {
  std::int64_t dropped = 0;
  for (const Run& run : runs_) {
    if (!IsLate(run.start_ms)) {
      HR_RETURN_NOT_OK(ResolveRun(run.start_ms, keys, run.first, run.rows));
      continue;
    }
    std::fill_n(groups_.data() + run.first, run.rows, trash_.data());
    std::fill_n(late + run.first, run.rows, std::uint8_t{1});
    dropped += run.rows;
  }
  return dropped;
}

/// Rows of several slices in any order.
Status SlicedAggregate::ResolveMixed(std::span<const std::uint64_t* const> keys, const std::int64_t* times, std::int64_t rows,
                                     std::int64_t least_ms, std::int64_t greatest_ms, std::uint8_t* late, std::int64_t* dropped) {
  for (const RowsBySlice::Run& run : by_slice_.Sort(spec_, times, rows, least_ms, greatest_ms)) {
    if (IsLate(run.start_ms)) {
      for (const std::uint32_t row : run.rows) {
        groups_[row] = trash_.data();
        late[row] = 1;
      }
      *dropped += static_cast<std::int64_t>(run.rows.size());
      continue;
    }
    HR_ASSIGN_OR_RAISE(state::GroupTable * table, TableOf(run.start_ms));
    const auto words = by_slice_.Gather(keys, run);
    const auto count = static_cast<std::int64_t>(run.rows.size());
    const std::int64_t bytes = table->allocated_bytes();
    found_.resize(run.rows.size());
    HR_RETURN_NOT_OK(table->Resolve(words, count, found_.data()));
    slices_bytes_ += table->allocated_bytes() - bytes;
    for (std::size_t i = 0; i < run.rows.size(); ++i) groups_[run.rows[i]] = found_[i];
    HR_RETURN_NOT_OK(NoteChanges(run.start_ms, words, count));
  }
  return Status::OK();
}

Result<std::int64_t> SlicedAggregate::Resolve(std::span<const std::uint64_t* const> keys, const std::int64_t* times, std::int64_t rows,
                                              std::uint8_t* late) {
  groups_.resize(static_cast<std::size_t>(rows));
  const auto [least, greatest] = columnar::RangeOf(times, rows);
  HR_RETURN_NOT_OK(WindowSpec::CheckTimes(least, greatest));
  const std::int64_t start_ms = spec_.SliceStart(least);
  if (start_ms == spec_.SliceStart(greatest)) {
    runs_.assign(1, Run{start_ms, 0, rows});
    return ResolveRuns(keys, late);
  }
  if (FindRuns(times, rows)) return ResolveRuns(keys, late);
  std::int64_t dropped = 0;
  HR_RETURN_NOT_OK(ResolveMixed(keys, times, rows, start_ms, spec_.SliceStart(greatest), late, &dropped));
  return dropped;
}

Result<std::int64_t> SlicedAggregate::Add(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                                          std::span<const op::AggregateInput> inputs, std::int64_t rows, std::uint8_t* late) {
  if (rows == 0) return 0;
  if (late == nullptr) {
    late_rows_.assign(static_cast<std::size_t>(rows), 0);
    late = late_rows_.data();
  }
  HR_ASSIGN_OR_RAISE(const std::int64_t dropped, Resolve(keys, times, rows, late));
  if (dropped == rows) return dropped;
  if (dropped > 0) inputs = left_out_.Without(inputs, late, rows);
  for (std::size_t f = 0; f < functions_.size(); ++f) HR_RETURN_NOT_OK(functions_[f]->Add(inputs[f], groups_.data(), rows));
  if (dropped > 0) std::fill(trash_.begin(), trash_.end(), 0);
  if (!behind_.empty()) HR_RETURN_NOT_OK(TakeInBehind());
  return dropped;
}

Result<std::int64_t> SlicedAggregate::AddGroups(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                                                std::span<const std::uint64_t* const> states, std::uint8_t* late) {
  const auto rows = static_cast<std::int64_t>(states.size());
  if (rows == 0) return 0;
  if (logs_ && HasShortRuns(times, states.size())) return LogGroups(keys, times, states, late);
  HR_ASSIGN_OR_RAISE(const std::int64_t dropped, Resolve(keys, times, rows, late));
  std::vector<const std::uint64_t*> from;
  std::vector<std::uint64_t*> into;
  for (std::size_t i = 0; i < states.size(); ++i) {
    if (late[i] != 0) continue;
    from.push_back(states[i]);
    into.push_back(groups_[i]);
  }
  // A group may come twice; functions without memory of their own take one after the other.
  HR_RETURN_NOT_OK(MergeAll(functions_, into.data(), from.data(), static_cast<std::int64_t>(into.size())));
  if (!behind_.empty()) HR_RETURN_NOT_OK(TakeInBehind());
  return dropped;
}

Result<std::int64_t> SlicedAggregate::LogGroups(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                                                std::span<const std::uint64_t* const> states, std::uint8_t* late) {
  const auto [least, greatest] = columnar::RangeOf(times, static_cast<std::int64_t>(states.size()));
  HR_RETURN_NOT_OK(WindowSpec::CheckTimes(least, greatest));
  std::int64_t dropped = 0;
  for (std::size_t i = 0, end = 0; i < states.size(); i = end) {
    while (end < states.size() && times[end] == times[i]) ++end;
    const std::int64_t slice_ms = spec_.SliceStart(times[i]);
    const bool is_late = IsLate(slice_ms);
    std::fill(late + i, late + end, static_cast<std::uint8_t>(is_late));
    if (is_late)
      dropped += static_cast<std::int64_t>(end - i);
    else
      log_.Append(slice_ms, keys, states, i, end - i);
  }
  // All of them: taking in a few each time would order the others again and again.
  if (log_.num_rows() > kMostLogged)
    while (!log_.empty()) HR_RETURN_NOT_OK(TakeInOldest());
  return dropped;
}

Status SlicedAggregate::TakeInOldest() {
  const GroupLog::Slice slice = log_.TakeOldest();
  HR_ASSIGN_OR_RAISE(state::GroupTable * table, TableOf(slice.start_ms));
  const std::int64_t bytes = table->allocated_bytes();
  const auto rows = static_cast<std::int64_t>(slice.states.size());
  groups_.resize(slice.states.size());
  HR_RETURN_NOT_OK(table->Resolve(slice.keys, rows, groups_.data()));
  slices_bytes_ += table->allocated_bytes() - bytes;
  HR_RETURN_NOT_OK(MergeAll(functions_, groups_.data(), slice.states.data(), rows));
  return behind_.empty() ? Status::OK() : TakeInBehind();
}

std::int64_t SlicedAggregate::NextEndOf(std::int64_t slice_ms) const {
  const std::int64_t first_ms = spec_.FirstWindowEnd(slice_ms);
  return first_ms > fired_to_ms_ ? first_ms : spec_.EndAfter(fired_to_ms_);
}

Status SlicedAggregate::TakeInBehind() {
  for (auto& [start_ms, rows] : behind_) {
    state::GroupTable& groups = slices_.at(start_ms).groups;
    slices_bytes_ -= rows.allocated_bytes() + groups.allocated_bytes();
    HR_RETURN_NOT_OK(MergeTables(functions_, &groups, &rows, &gathered_));
    slices_bytes_ += groups.allocated_bytes();
    HR_RETURN_NOT_OK(merger_->AddTo(start_ms, &rows));
    Recycle(std::move(rows));
  }
  behind_.clear();
  return Status::OK();
}

Status SlicedAggregate::NoteChanges(std::int64_t start_ms, std::span<const std::uint64_t* const> keys, std::int64_t count) {
  std::int64_t end_ms = spec_.FirstWindowEnd(start_ms);
  const bool was_fired = settings_.lateness_ms > 0 && end_ms <= fired_to_ms_;
  if (!was_fired && !settings_.early) return Status::OK();
  const std::int64_t last_ms = spec_.LastWindowEnd(start_ms);
  for (; end_ms <= last_ms; end_ms = spec_.EndAfter(end_ms)) {
    if (end_ms + settings_.lateness_ms <= fired_to_ms_) continue;
    if (end_ms > fired_to_ms_ && !settings_.early) break;
    if (end_ms > fired_to_ms_ && settings_.trigger != nullptr)
      HR_RETURN_NOT_OK(NoteForTrigger(end_ms, keys, count));
    else
      HR_RETURN_NOT_OK(NoteChange(end_ms <= fired_to_ms_ ? &late_changes_ : &early_changes_, end_ms, keys, count));
  }
  return Status::OK();
}

/// Rows come one by one then: `count` is 1.
Status SlicedAggregate::NoteForTrigger(std::int64_t end_ms, std::span<const std::uint64_t* const> keys, std::int64_t count) {
  state::GroupTable& notes = early_changes_.try_emplace(end_ms, key_words_, settings_.trigger->words()).first->second;
  for (std::int64_t row = 0; row < count; ++row) {
    std::uint64_t* state = nullptr;
    HR_RETURN_NOT_OK(notes.Resolve(keys, 1, &state));
    if (!settings_.trigger->Counts(state)) continue;
    HR_RETURN_NOT_OK(due_.try_emplace(end_ms, key_words_, 1).first->second.Resolve(keys, 1, &state));
  }
  return Status::OK();
}

Result<std::optional<SlicedAggregate::Fired>> SlicedAggregate::TakeDue() {
  if (due_.empty()) return std::optional<Fired>();
  const std::int64_t end_ms = due_.begin()->first;
  state::GroupTable keys = std::move(due_.begin()->second);
  due_.erase(due_.begin());
  HR_ASSIGN_OR_RAISE(auto fired, ChangedGroups(end_ms, &keys));
  for (std::int64_t row = 0; settings_.trigger->purges() && row < keys.num_rows(); ++row)
    HR_RETURN_NOT_OK(Purge(fired->start_ms, keys.RowKey(row)));
  return fired;
}

/// Of windows that are a slice each.
Status SlicedAggregate::Purge(std::int64_t start_ms, const std::uint64_t* key) {
  std::uint64_t* values = slices_.at(start_ms).groups.Find(key);
  if (values == nullptr) return Status::OK();
  ReleaseAll(functions_, &values, 1);
  std::fill_n(values, WordsOf(functions_), 0);
  return Status::OK();
}

Status SlicedAggregate::NoteChange(Changes* changes, std::int64_t end_ms, std::span<const std::uint64_t* const> keys, std::int64_t count) {
  state::GroupTable& changed = changes->try_emplace(end_ms, key_words_, 1).first->second;
  std::vector<std::uint64_t*> rows(static_cast<std::size_t>(count));
  HR_RETURN_NOT_OK(changed.Resolve(keys, count, rows.data()));
  for (std::uint64_t* row : rows) ++*row;
  return Status::OK();
}

Result<std::optional<SlicedAggregate::Fired>> SlicedAggregate::TakeChanged(Changes* changes) {
  while (!changes->empty()) {
    const std::int64_t end_ms = changes->begin()->first;
    state::GroupTable keys = std::move(changes->begin()->second);
    changes->erase(changes->begin());
    if (settings_.trigger == nullptr || changes == &late_changes_) return ChangedGroups(end_ms, &keys);
    // By a trigger's notes: groups without a row since they came have not changed.
    state::GroupTable changed(key_words_, 1);
    std::array<const std::uint64_t*, state::GroupTable::kMaxKeyWords> key{};
    for (std::int64_t row = 0; row < keys.num_rows(); ++row) {
      if (*keys.RowValues(row) == 0) continue;
      for (std::uint32_t w = 0; w < key_words_; ++w) key[w] = keys.RowKey(row) + w;
      std::uint64_t* made = nullptr;
      HR_RETURN_NOT_OK(changed.Resolve({key.data(), key_words_}, 1, &made));
    }
    if (changed.num_rows() > 0) return ChangedGroups(end_ms, &changed);
  }
  return std::optional<Fired>();
}

/// The states of some groups in a window, merged from all its slices.
Result<std::optional<SlicedAggregate::Fired>> SlicedAggregate::ChangedGroups(std::int64_t end_ms, state::GroupTable* keys) {
  if (changed_) Recycle(std::move(*changed_));
  changed_.emplace(NewTable());
  const std::int64_t start_ms = spec_.StartOf(end_ms);
  std::vector<std::uint64_t*> rows(static_cast<std::size_t>(keys->num_rows()));
  std::array<const std::uint64_t*, state::GroupTable::kMaxKeyWords> key{};
  for (std::int64_t row = 0; row < keys->num_rows(); ++row) {
    for (std::uint32_t w = 0; w < key_words_; ++w) key[w] = keys->RowKey(row) + w;
    std::uint64_t* made = nullptr;
    HR_RETURN_NOT_OK(changed_->Resolve({key.data(), key_words_}, 1, &made));
  }
  for (auto slice = slices_.lower_bound(start_ms); slice != slices_.end() && slice->first < end_ms; ++slice) {
    for (std::int64_t row = 0; row < changed_->num_rows(); ++row) {
      const std::uint64_t* from = slice->second.groups.Find(changed_->RowKey(row));
      std::uint64_t* into = changed_->RowValues(row);
      if (from != nullptr) HR_RETURN_NOT_OK(MergeAll(functions_, &into, &from, 1));
    }
  }
  return Fired{start_ms, end_ms, &*changed_};
}

void SlicedAggregate::DropOver() {
  last_table_ = nullptr;
  while (!slices_.empty() && spec_.LastWindowEnd(slices_.begin()->first) + settings_.lateness_ms <= fired_to_ms_) {
    slices_bytes_ -= slices_.begin()->second.groups.allocated_bytes();
    Recycle(std::move(slices_.begin()->second.groups));
    slices_.erase(slices_.begin());
  }
}

std::int64_t SlicedAggregate::next_end_ms() const {
  const std::int64_t waiting_ms = log_.empty() ? kNever : NextEndOf(log_.OldestMs());
  for (auto at = slices_.lower_bound(fired_to_ms_ - spec_.size_ms); at != slices_.end(); ++at) {
    if (spec_.LastWindowEnd(at->first) > fired_to_ms_) return std::min(NextEndOf(at->first), waiting_ms);
  }
  return waiting_ms;
}

Result<bool> SlicedAggregate::LeaveTo(std::int64_t start_ms) {
  if (merger_ == nullptr) return true;
  return merger_->Leave(&slices_, start_ms);
}

Result<std::optional<SlicedAggregate::Fired>> SlicedAggregate::Fire(std::int64_t watermark_ms) {
  const Fired goes_on{0, 0, nullptr};
  if (firing_ == Firing::kNone) {
    const std::int64_t to_ms = std::min(watermark_ms, 2 * WindowSpec::kLatestMs) + 1;
    firing_end_ms_ = next_end_ms();
    // Its groups have waited for it.
    while (!log_.empty() && NextEndOf(log_.OldestMs()) <= std::min(firing_end_ms_, to_ms)) HR_RETURN_NOT_OK(TakeInOldest());
    if (firing_end_ms_ > to_ms) {
      firing_end_ms_ = kNever;
      fired_to_ms_ = std::max(fired_to_ms_, to_ms);
    }
    firing_ = Firing::kLeaving;
  }
  const bool fires = firing_end_ms_ != kNever;
  if (firing_ == Firing::kLeaving) {
    // What no later window holds goes now: the window before this call has been read.
    HR_ASSIGN_OR_RAISE(const bool left, LeaveTo(spec_.StartOf(fires ? firing_end_ms_ : spec_.EndAfter(fired_to_ms_))));
    if (!left) return goes_on;
    DropOver();
    firing_ = fires ? Firing::kMerging : Firing::kNone;
    if (!fires) return std::optional<Fired>();
    fired_to_ms_ = firing_end_ms_;
    fired_notes_.reset();
    const auto notes = early_changes_.find(firing_end_ms_);
    if (notes != early_changes_.end() && settings_.trigger != nullptr && settings_.trigger->purges())
      fired_notes_ = std::move(notes->second);
    early_changes_.erase(early_changes_.begin(), early_changes_.upper_bound(firing_end_ms_));
  }
  const std::int64_t start_ms = spec_.StartOf(firing_end_ms_);
  if (merger_ != nullptr) {
    HR_ASSIGN_OR_RAISE(const bool merged, merger_->Window(&slices_, start_ms, firing_end_ms_));
    if (!merged) return goes_on;
  }
  firing_ = Firing::kNone;
  return Fired{start_ms, firing_end_ms_, merger_ == nullptr ? &slices_.at(start_ms).groups : merger_->groups()};
}

std::int64_t SlicedAggregate::allocated_bytes() const {
  std::int64_t bytes =
      BytesOf(functions_) + (merger_ == nullptr ? 0 : merger_->allocated_bytes()) + slices_bytes_ + spare_bytes_ + log_.allocated_bytes();
  for (const auto* changes : {&late_changes_, &early_changes_})
    for (const auto& [end, keys] : *changes) bytes += keys.allocated_bytes();
  return bytes;
}

}  // namespace headrace::data::window
