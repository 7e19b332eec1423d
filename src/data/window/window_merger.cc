#include "data/window/window_merger.h"

#include <limits>
#include <optional>
#include <utility>

#include "data/window/two_stacks.h"

namespace headrace::data::window {
namespace {

/// Up to so many slices a window, merging them when it fires costs less than keeping more.
constexpr std::int64_t kMergedSlices = 6;
constexpr std::int64_t kFewGroups = 1024;

/// Merges the slices of each window anew; of cumulating windows, only those that have come since the window before.
class FullMerge final : public WindowMerger {
 public:
  FullMerge(bool cumulate, std::uint32_t key_words, const Functions& functions, std::int64_t step_groups)
      : cumulate_(cumulate), functions_(functions), merged_(key_words, WordsOf(functions)), steps_(step_groups) {}

  Result<bool> Window(Slices* slices, std::int64_t start_ms, std::int64_t end_ms) override {
    if (!steps_.working()) {
      goes_on_ = cumulate_ && !changed_ && start_ms == start_ms_;
      if (!goes_on_) {
        ReleaseAll(functions_, &merged_);
        merged_.Clear();
      }
      changed_ = false;
      start_ms_ = start_ms;
      steps_.Start(start_ms);
    }
    const auto part = [this](std::int64_t, state::GroupTable* groups, std::int64_t* next, std::int64_t most) {
      return ForGroups(&merged_, groups, next, most, &space_,
                       [this](std::uint64_t* const* targets, const std::uint64_t* const* sources, std::int64_t count) {
                         return MergeAll(functions_, targets, sources, count);
                       });
    };
    return steps_.Go(
        slices, end_ms, [this](const Slice& slice) { return !goes_on_ || !slice.merged; }, part,
        [this](Slice* slice) { slice->merged = cumulate_; });
  }
  state::GroupTable* groups() override { return &merged_; }
  Result<bool> Change(Slice*) override {
    changed_ = true;
    return true;
  }
  std::int64_t allocated_bytes() const override { return merged_.allocated_bytes(); }

 private:
  const bool cumulate_;
  const Functions& functions_;
  state::GroupTable merged_;
  std::int64_t start_ms_ = std::numeric_limits<std::int64_t>::min();
  bool changed_ = false, goes_on_ = false;
  SliceSteps steps_;
  std::vector<std::uint64_t> space_;
};

/// One running table: a slice is added when the first window that holds it fires, and subtracted when none does any more. The word
/// behind the functions' words counts the slices that hold a group, so that groups can end.
class RunningMerge final : public WindowMerger {
 public:
  RunningMerge(std::uint32_t key_words, const Functions& functions, std::int64_t step_groups)
      : functions_(functions), count_word_(WordsOf(functions)), running_(key_words, count_word_ + 1), steps_(step_groups) {}

  Result<bool> Window(Slices* slices, std::int64_t, std::int64_t end_ms) override {
    if (!steps_.working()) steps_.Start(first_ms_);
    return steps_.Go(
        slices, end_ms, [](const Slice& slice) { return !slice.merged; },
        [this](std::int64_t, state::GroupTable* groups, std::int64_t* next, std::int64_t most) { return TakeIn(groups, next, most); },
        [](Slice* slice) { slice->merged = true; });
  }
  state::GroupTable* groups() override { return &running_; }
  bool HasRows(const std::uint64_t* values) const override { return values[count_word_] != 0; }
  Result<bool> Leave(Slices* slices, std::int64_t start_ms) override {
    if (!steps_.working()) steps_.Start(first_ms_);
    HR_ASSIGN_OR_RAISE(const bool done, steps_.Go(
                                            slices, start_ms, [](const Slice& slice) { return slice.merged; },
                                            [this](std::int64_t, state::GroupTable* groups, std::int64_t* next, std::int64_t most) {
                                              return TakeOut(groups, next, most);
                                            },
                                            [](Slice* slice) { slice->merged = false; }));
    if (!done) return false;
    first_ms_ = std::max(first_ms_, start_ms);
    HR_RETURN_NOT_OK(DropEmptyGroups());
    return true;
  }
  /// Taken out as it was; the next window takes it in as it is then.
  Result<bool> Change(Slice* slice) override {
    std::int64_t next = 0;
    HR_RETURN_NOT_OK(TakeOut(&slice->groups, &next, slice->groups.num_rows()));
    slice->merged = false;
    return true;
  }
  std::int64_t allocated_bytes() const override { return running_.allocated_bytes(); }

 private:
  Status TakeIn(state::GroupTable* groups, std::int64_t* next, std::int64_t most) {
    const std::int64_t before = running_.num_rows();
    std::int64_t were_empty = 0;
    HR_RETURN_NOT_OK(ForGroups(&running_, groups, next, most, &space_,
                               [&](std::uint64_t* const* targets, const std::uint64_t* const* sources, std::int64_t count) {
                                 HR_RETURN_NOT_OK(MergeAll(functions_, targets, sources, count));
                                 for (std::int64_t i = 0; i < count; ++i) were_empty += targets[i][count_word_]++ == 0;
                                 return Status::OK();
                               }));
    empty_groups_ -= were_empty - (running_.num_rows() - before);
    return Status::OK();
  }
  Status TakeOut(state::GroupTable* groups, std::int64_t* next, std::int64_t most) {
    return ForGroups(&running_, groups, next, most, &space_,
                     [this](std::uint64_t* const* targets, const std::uint64_t* const* sources, std::int64_t count) {
                       HR_RETURN_NOT_OK(SubtractAll(functions_, targets, sources, count));
                       for (std::int64_t i = 0; i < count; ++i) {
                         if (--targets[i][count_word_] != 0) continue;
                         ++empty_groups_;
                         ReleaseAll(functions_, &targets[i], 1);
                       }
                       return Status::OK();
                     });
  }
  Status DropEmptyGroups() {
    if (empty_groups_ < kFewGroups || empty_groups_ * 2 < running_.num_rows()) return Status::OK();
    HR_ASSIGN_OR_RAISE(running_, MoveRows(&running_, [this](const std::uint64_t* values) { return HasRows(values); }));
    empty_groups_ = 0;
    return Status::OK();
  }

  const Functions& functions_;
  const std::uint32_t count_word_;
  state::GroupTable running_;
  std::int64_t empty_groups_ = 0;
  std::int64_t first_ms_ = std::numeric_limits<std::int64_t>::min();  // slices before it have left
  SliceSteps steps_;
  std::vector<std::uint64_t> space_;
};

}  // namespace

std::unique_ptr<WindowMerger> WindowMerger::Make(const WindowSpec& spec, std::uint32_t key_words, const Functions& functions,
                                                 std::int64_t step_groups) {
  const bool grows = std::any_of(functions.begin(), functions.end(), [](const auto& function) { return function->grows_when_merged(); });
  if (spec.cumulate || grows || spec.slices_per_window() <= kMergedSlices)
    return std::make_unique<FullMerge>(spec.cumulate, key_words, functions, step_groups);
  const bool invertible = std::all_of(functions.begin(), functions.end(), [](const auto& function) { return function->invertible(); });
  if (invertible) return std::make_unique<RunningMerge>(key_words, functions, step_groups);
  return std::make_unique<TwoStacks>(spec.slices_per_window(), key_words, functions, step_groups);
}

Status MergeTables(const Functions& functions, state::GroupTable* into, state::GroupTable* from, std::vector<std::uint64_t>* space) {
  std::int64_t next = 0;
  return ForGroups(into, from, &next, from->num_rows(), space,
                   [&functions](std::uint64_t* const* targets, const std::uint64_t* const* sources, std::int64_t count) {
                     return MergeAll(functions, targets, sources, count);
                   });
}

}  // namespace headrace::data::window
