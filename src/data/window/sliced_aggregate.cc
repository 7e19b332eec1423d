#include "data/window/sliced_aggregate.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace headrace::data::window {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kSpareTables = 8;
/// Up to so many slices a window, merging them when it fires costs less than keeping a running table.
constexpr std::int64_t kMergedSlices = 6;
constexpr std::int64_t kMergeRows = 1024;

std::uint32_t WordsOf(const SlicedAggregate::Functions& functions) {
  std::uint32_t words = 0;
  for (const auto& function : functions) words += function->state_words();
  return words;
}

}  // namespace

SlicedAggregate::SlicedAggregate(WindowSpec spec, std::uint32_t key_words, Functions functions)
    : spec_(spec),
      key_words_(key_words),
      functions_(std::move(functions)),
      state_words_(WordsOf(functions_)),
      counts_rows_(spec.slices_per_window() > kMergedSlices &&
                   std::all_of(functions_.begin(), functions_.end(), [](const auto& function) { return function->invertible(); })),
      next_end_ms_(kNever),
      fired_to_ms_(std::numeric_limits<std::int64_t>::min()),
      trash_(state_words_ + 1) {}

state::GroupTable SlicedAggregate::NewTable() {
  if (spare_.empty()) return state::GroupTable(key_words_, state_words_ + (counts_rows_ ? 1 : 0));
  state::GroupTable table = std::move(spare_.back());
  spare_.pop_back();
  return table;
}

Result<SlicedAggregate::Slice*> SlicedAggregate::SliceAt(std::int64_t start_ms) {
  if (last_slice_ != nullptr && last_slice_start_ == start_ms && !last_slice_->in_running) return last_slice_;
  auto at = slices_.lower_bound(start_ms);
  if (at == slices_.end() || at->first != start_ms) {
    at = slices_.emplace_hint(at, start_ms, Slice{NewTable()});
    // The oldest window with rows that is not over yet.
    std::int64_t end_ms = spec_.FirstWindowEnd(start_ms);
    while (end_ms <= fired_to_ms_) end_ms += spec_.slide_ms;
    next_end_ms_ = std::min(next_end_ms_, end_ms);
  }
  if (at->second.in_running) HR_RETURN_NOT_OK(TakeOut(&at->second));  // the next window that fires takes it in as it is then
  last_slice_ = &at->second;
  last_slice_start_ = start_ms;
  return last_slice_;
}

Status SlicedAggregate::ResolveRun(Slice* slice, std::span<const std::uint64_t* const> keys, std::int64_t first, std::int64_t count) {
  std::array<const std::uint64_t*, state::GroupTable::kMaxKeyWords> from{};
  for (std::size_t w = 0; w < keys.size(); ++w) from[w] = keys[w] + first;
  return slice->groups.Resolve({from.data(), keys.size()}, count, groups_.data() + first);
}

/// Rows of several slices in any order: those of one slice are gathered, so that each table is asked once.
Status SlicedAggregate::ResolveMixed(std::span<const std::uint64_t* const> keys, const std::int64_t* times, std::int64_t rows,
                                     std::uint8_t* late, std::int64_t* dropped) {
  order_.resize(static_cast<std::size_t>(rows));
  std::vector<std::pair<std::int64_t, std::uint32_t>> by_slice(static_cast<std::size_t>(rows));
  for (std::int64_t i = 0; i < rows; ++i)
    by_slice[static_cast<std::size_t>(i)] = {spec_.SliceStart(times[i]), static_cast<std::uint32_t>(i)};
  if (!std::is_sorted(by_slice.begin(), by_slice.end())) std::sort(by_slice.begin(), by_slice.end());
  std::vector<std::uint64_t*> found(static_cast<std::size_t>(rows));
  for (std::size_t first = 0; first < by_slice.size();) {
    std::size_t last = first;
    while (last < by_slice.size() && by_slice[last].first == by_slice[first].first) ++last;
    const std::int64_t start_ms = by_slice[first].first;
    const std::size_t count = last - first;
    if (spec_.LastWindowEnd(start_ms) <= fired_to_ms_) {
      for (std::size_t i = first; i < last; ++i) {
        groups_[by_slice[i].second] = trash_.data();
        if (late != nullptr) late[by_slice[i].second] = 1;
      }
      *dropped += static_cast<std::int64_t>(count);
    } else {
      HR_ASSIGN_OR_RAISE(Slice * slice, SliceAt(start_ms));
      gathered_.resize(count * keys.size());
      std::array<const std::uint64_t*, state::GroupTable::kMaxKeyWords> from{};
      for (std::size_t w = 0; w < keys.size(); ++w) {
        std::uint64_t* column = gathered_.data() + w * count;
        for (std::size_t i = 0; i < count; ++i) column[i] = keys[w][by_slice[first + i].second];
        from[w] = column;
      }
      HR_RETURN_NOT_OK(slice->groups.Resolve({from.data(), keys.size()}, static_cast<std::int64_t>(count), found.data()));
      for (std::size_t i = 0; i < count; ++i) groups_[by_slice[first + i].second] = found[i];
    }
    first = last;
  }
  return Status::OK();
}

Result<std::int64_t> SlicedAggregate::Add(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                                          std::span<const op::AggregateInput> inputs, std::int64_t rows, std::uint8_t* late) {
  if (rows == 0) return 0;
  groups_.resize(static_cast<std::size_t>(rows));
  std::int64_t least = times[0], greatest = times[0];
  for (std::int64_t i = 1; i < rows; ++i) {
    least = std::min(least, times[i]);
    greatest = std::max(greatest, times[i]);
  }
  const std::int64_t start_ms = spec_.SliceStart(least);
  std::int64_t dropped = 0;
  if (start_ms == spec_.SliceStart(greatest) && spec_.LastWindowEnd(start_ms) > fired_to_ms_) {
    HR_ASSIGN_OR_RAISE(Slice * slice, SliceAt(start_ms));
    HR_RETURN_NOT_OK(ResolveRun(slice, keys, 0, rows));
  } else {
    HR_RETURN_NOT_OK(ResolveMixed(keys, times, rows, late, &dropped));
  }
  for (std::size_t f = 0; f < functions_.size(); ++f) HR_RETURN_NOT_OK(functions_[f]->Add(inputs[f], groups_.data(), rows));
  return dropped;
}

template <typename Visit>
Status SlicedAggregate::ForGroups(state::GroupTable* into, state::GroupTable* from, Visit visit) {
  std::array<const std::uint64_t*, state::GroupTable::kMaxKeyWords> keys{};
  std::array<std::uint64_t*, kMergeRows> targets;
  std::array<const std::uint64_t*, kMergeRows> sources;
  gathered_.resize(static_cast<std::size_t>(kMergeRows) * key_words_);
  for (std::uint32_t w = 0; w < key_words_; ++w) keys[w] = gathered_.data() + w * kMergeRows;
  for (std::int64_t first = 0; first < from->num_rows(); first += kMergeRows) {
    const std::int64_t count = std::min(kMergeRows, from->num_rows() - first);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint64_t* row = from->RowKey(first + i);
      for (std::uint32_t w = 0; w < key_words_; ++w) gathered_[static_cast<std::size_t>(w * kMergeRows + i)] = row[w];
      sources[static_cast<std::size_t>(i)] = row + key_words_;
    }
    HR_RETURN_NOT_OK(into->Resolve({keys.data(), key_words_}, count, targets.data()));
    HR_RETURN_NOT_OK(visit(targets.data(), sources.data(), count));
  }
  return Status::OK();
}

Status SlicedAggregate::MergeInto(state::GroupTable* into, state::GroupTable* from) {
  return ForGroups(into, from, [this](std::uint64_t* const* targets, const std::uint64_t* const* sources, std::int64_t count) {
    for (const auto& function : functions_) HR_RETURN_NOT_OK(function->Merge(targets, sources, count));
    return Status::OK();
  });
}

Status SlicedAggregate::TakeIn(Slice* slice) {
  const std::int64_t before = merged_->num_rows();
  std::int64_t were_empty = 0;
  HR_RETURN_NOT_OK(
      ForGroups(&*merged_, &slice->groups, [&](std::uint64_t* const* targets, const std::uint64_t* const* sources, std::int64_t count) {
        for (const auto& function : functions_) HR_RETURN_NOT_OK(function->Merge(targets, sources, count));
        for (std::int64_t i = 0; i < count; ++i) were_empty += targets[i][state_words_]++ == 0;
        return Status::OK();
      }));
  empty_groups_ -= were_empty - (merged_->num_rows() - before);
  slice->in_running = true;
  return Status::OK();
}

Status SlicedAggregate::TakeOut(Slice* slice) {
  slice->in_running = false;
  return ForGroups(&*merged_, &slice->groups,
                   [this](std::uint64_t* const* targets, const std::uint64_t* const* sources, std::int64_t count) {
                     for (const auto& function : functions_) HR_RETURN_NOT_OK(function->Subtract(targets, sources, count));
                     for (std::int64_t i = 0; i < count; ++i) empty_groups_ += --targets[i][state_words_] == 0;
                     return Status::OK();
                   });
}

Status SlicedAggregate::DropEmptyGroups() {
  if (empty_groups_ < kMergeRows || empty_groups_ * 2 < merged_->num_rows()) return Status::OK();
  state::GroupTable kept = NewTable();
  const std::size_t words = state_words_ + 1;
  std::array<const std::uint64_t*, state::GroupTable::kMaxKeyWords> keys{};
  for (std::int64_t row = 0; row < merged_->num_rows(); ++row) {
    const std::uint64_t* values = merged_->RowValues(row);
    if (!HasRows(values)) continue;
    for (std::uint32_t w = 0; w < key_words_; ++w) keys[w] = merged_->RowKey(row) + w;
    std::uint64_t* to = nullptr;
    HR_RETURN_NOT_OK(kept.Resolve({keys.data(), key_words_}, 1, &to));
    std::copy_n(values, words, to);
  }
  merged_ = std::move(kept);
  empty_groups_ = 0;
  return Status::OK();
}

void SlicedAggregate::DropBefore(std::int64_t start_ms) {
  while (!slices_.empty() && slices_.begin()->first < start_ms) {
    state::GroupTable groups = std::move(slices_.begin()->second.groups);
    slices_.erase(slices_.begin());
    if (spare_.size() >= kSpareTables) continue;
    groups.Clear();
    spare_.push_back(std::move(groups));
  }
  last_slice_ = nullptr;
}

Result<std::optional<SlicedAggregate::Fired>> SlicedAggregate::FireMerged(std::int64_t end_ms) {
  const std::int64_t start_ms = end_ms - spec_.size_ms;
  if (!merged_) merged_.emplace(key_words_, state_words_ + (counts_rows_ ? 1 : 0));
  if (!counts_rows_) {
    merged_->Clear();
    for (auto at = slices_.lower_bound(start_ms); at != slices_.end() && at->first < end_ms; ++at)
      HR_RETURN_NOT_OK(MergeInto(&*merged_, &at->second.groups));
    return Fired{start_ms, end_ms, &*merged_};
  }
  for (auto at = slices_.begin(); at != slices_.end() && at->first < end_ms; ++at) {
    if (!at->second.in_running) HR_RETURN_NOT_OK(TakeIn(&at->second));
  }
  return Fired{start_ms, end_ms, &*merged_};
}

Result<std::optional<SlicedAggregate::Fired>> SlicedAggregate::Fire(std::int64_t watermark_ms) {
  // What no later window holds goes now: the window before this call has been read.
  const std::int64_t floor_ms =
      fired_to_ms_ == std::numeric_limits<std::int64_t>::min() ? fired_to_ms_ : fired_to_ms_ - spec_.size_ms + spec_.slide_ms;
  if (counts_rows_ && merged_) {
    for (auto at = slices_.begin(); at != slices_.end() && at->first < floor_ms; ++at)
      if (at->second.in_running) HR_RETURN_NOT_OK(TakeOut(&at->second));
    HR_RETURN_NOT_OK(DropEmptyGroups());
  }
  DropBefore(floor_ms);
  if (slices_.empty()) {
    next_end_ms_ = kNever;
    return std::optional<Fired>();
  }
  next_end_ms_ = std::max(next_end_ms_, spec_.FirstWindowEnd(slices_.begin()->first));
  if (next_end_ms_ - 1 > watermark_ms) return std::optional<Fired>();
  const std::int64_t end_ms = next_end_ms_;
  fired_to_ms_ = end_ms;
  next_end_ms_ = end_ms + spec_.slide_ms;
  if (spec_.slices_per_window() == 1) {
    HR_ASSIGN_OR_RAISE(Slice * slice, SliceAt(end_ms - spec_.size_ms));
    return Fired{end_ms - spec_.size_ms, end_ms, &slice->groups};
  }
  return FireMerged(end_ms);
}

std::int64_t SlicedAggregate::allocated_bytes() const {
  std::int64_t bytes = merged_ ? merged_->allocated_bytes() : 0;
  for (const auto& [start, slice] : slices_) bytes += slice.groups.allocated_bytes();
  for (const auto& table : spare_) bytes += table.allocated_bytes();
  return bytes;
}

}  // namespace headrace::data::window
