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

SlicedAggregate::Slice* SlicedAggregate::SliceAt(std::int64_t start_ms) {
  if (last_slice_ != nullptr && last_slice_start_ == start_ms) return last_slice_;
  auto at = slices_.lower_bound(start_ms);
  if (at == slices_.end() || at->first != start_ms) {
    at = slices_.emplace_hint(at, start_ms, Slice{NewTable()});
    // The oldest window with rows that is not over yet.
    std::int64_t end_ms = spec_.FirstWindowEnd(start_ms);
    while (end_ms <= fired_to_ms_) end_ms += spec_.slide_ms;
    next_end_ms_ = std::min(next_end_ms_, end_ms);
  }
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
Status SlicedAggregate::ResolveMixed(std::span<const std::uint64_t* const> keys, const std::int64_t* times, std::int64_t rows, std::uint8_t* late,
                                     std::int64_t* dropped) {
  order_.resize(static_cast<std::size_t>(rows));
  std::vector<std::pair<std::int64_t, std::uint32_t>> by_slice(static_cast<std::size_t>(rows));
  for (std::int64_t i = 0; i < rows; ++i) by_slice[static_cast<std::size_t>(i)] = {spec_.SliceStart(times[i]), static_cast<std::uint32_t>(i)};
  if (!std::is_sorted(by_slice.begin(), by_slice.end())) std::sort(by_slice.begin(), by_slice.end());
  std::vector<std::uint64_t*> found(static_cast<std::size_t>(rows));
  gathered_.resize(static_cast<std::size_t>(rows) * keys.size());
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
      std::array<const std::uint64_t*, state::GroupTable::kMaxKeyWords> from{};
      for (std::size_t w = 0; w < keys.size(); ++w) {
        std::uint64_t* column = gathered_.data() + w * count;
        for (std::size_t i = 0; i < count; ++i) column[i] = keys[w][by_slice[first + i].second];
        from[w] = column;
      }
      HR_RETURN_NOT_OK(SliceAt(start_ms)->groups.Resolve({from.data(), keys.size()}, static_cast<std::int64_t>(count), found.data()));
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
    HR_RETURN_NOT_OK(ResolveRun(SliceAt(start_ms), keys, 0, rows));
  } else {
    HR_RETURN_NOT_OK(ResolveMixed(keys, times, rows, late, &dropped));
  }
  for (std::size_t f = 0; f < functions_.size(); ++f) HR_RETURN_NOT_OK(functions_[f]->Add(inputs[f], groups_.data(), rows));
  return dropped;
}

Status SlicedAggregate::MergeInto(state::GroupTable* into, state::GroupTable* from, bool subtract) {
  std::array<const std::uint64_t*, state::GroupTable::kMaxKeyWords> keys{};
  std::array<std::uint64_t*, kMergeRows> targets;
  std::array<const std::uint64_t*, kMergeRows> sources;
  gathered_.resize(static_cast<std::size_t>(kMergeRows) * key_words_);
  for (std::int64_t first = 0; first < from->num_rows(); first += kMergeRows) {
    const std::int64_t count = std::min(kMergeRows, from->num_rows() - first);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint64_t* row = from->RowKey(first + i);
      for (std::uint32_t w = 0; w < key_words_; ++w) gathered_[static_cast<std::size_t>(w * kMergeRows + i)] = row[w];
      sources[static_cast<std::size_t>(i)] = row + key_words_;
    }
    for (std::uint32_t w = 0; w < key_words_; ++w) keys[w] = gathered_.data() + w * kMergeRows;
    HR_RETURN_NOT_OK(into->Resolve({keys.data(), key_words_}, count, targets.data()));
    for (const auto& function : functions_) {
      HR_RETURN_NOT_OK(subtract ? function->Subtract(targets.data(), sources.data(), count) : function->Merge(targets.data(), sources.data(), count));
    }
    if (!counts_rows_) continue;
    for (std::int64_t i = 0; i < count; ++i) targets[static_cast<std::size_t>(i)][state_words_] += subtract ? ~std::uint64_t{0} : 1;
  }
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
      HR_RETURN_NOT_OK(MergeInto(&*merged_, &at->second.groups, false));
    return Fired{start_ms, end_ms, &*merged_};
  }
  for (auto at = slices_.begin(); at != slices_.end() && at->first < end_ms; ++at) {
    if (at->second.in_running) continue;
    HR_RETURN_NOT_OK(MergeInto(&*merged_, &at->second.groups, false));
    at->second.in_running = true;
  }
  return Fired{start_ms, end_ms, &*merged_};
}

Result<std::optional<SlicedAggregate::Fired>> SlicedAggregate::Fire(std::int64_t watermark_ms) {
  // What no later window holds goes now: the window before this call has been read.
  const std::int64_t floor_ms = fired_to_ms_ == std::numeric_limits<std::int64_t>::min() ? fired_to_ms_ : fired_to_ms_ - spec_.size_ms + spec_.slide_ms;
  if (counts_rows_ && merged_) {
    for (auto at = slices_.begin(); at != slices_.end() && at->first < floor_ms; ++at)
      if (at->second.in_running) HR_RETURN_NOT_OK(MergeInto(&*merged_, &at->second.groups, true));
    // TODO: groups that have ended are dropped by rebuilding.
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
    Slice* slice = SliceAt(end_ms - spec_.size_ms);
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
