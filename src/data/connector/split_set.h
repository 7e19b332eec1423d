#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "columnar/data_batch.h"
#include "data/connector/source.h"
#include "plan/split.h"

namespace headrace::data::connector {

/// The splits of one reader with their positions behind what its task has taken. `position` is the member of Split that
/// moves. Owned by a SourceReader whose reading thread fills a ReadQueue; the task's thread only.
template <typename Split, std::int64_t Split::*position>
class SplitSet {
 public:
  struct Added {
    std::uint32_t index;  ///< in SplitProgress
    Split split;
  };
  /// Takes up the splits that are new, in order, and gives them. An assignment that is repeated after a lost answer adds
  /// nothing. kInvalidPlan for a payload that cannot be read.
  Result<std::vector<Added>> Add(const std::vector<plan::SourceSplit>& splits) {
    std::vector<Added> added;
    for (const plan::SourceSplit& split : splits) {
      HR_ASSIGN_OR_RAISE(Split parsed, Split::FromPayload(split.payload));
      if (std::any_of(states_.begin(), states_.end(), [&](const State& state) { return state.id == split.id; })) continue;
      added.push_back({static_cast<std::uint32_t>(states_.size()), parsed});
      states_.push_back({split.id, std::move(parsed), false});
    }
    open_ += added.size();
    return added;
  }
  void NoMore() { no_more_ = true; }
  /// All splits have ended and none follows.
  bool ended() const { return no_more_ && open_ == 0; }

  /// The next batch of the queue, none when there is none yet; `on_progress` sees the positions that the task has reached.
  /// kEnd is the reader's to say.
  template <typename OnProgress>
  Result<SourcePoll> Take(ReadQueue* queue, OnProgress on_progress) {
    ReadItem item;
    SourcePoll poll;
    while (true) {
      HR_ASSIGN_OR_RAISE(const bool found, queue->Pop(&item));
      if (!found) return poll;
      for (const SplitProgress& progress : item.progress) {
        State& state = states_[progress.split];
        state.split.*position = progress.position;
        if (!progress.ended || std::exchange(state.ended, true)) continue;
        --open_;
        poll.splits.ended.push_back(progress.split);
      }
      on_progress(item.progress);
      if (!item.batch) continue;
      poll.kind = SourcePoll::Kind::kBatch;
      poll.batch = std::move(item.batch);
      poll.splits.runs = std::move(item.runs);
      return poll;
    }
  }

  std::vector<plan::SourceSplit> Positions() const {
    std::vector<plan::SourceSplit> positions;
    for (const State& state : states_) positions.push_back({state.id, state.split.ToPayload()});
    return positions;
  }

 private:
  struct State {
    std::string id;
    Split split;
    bool ended;
  };
  std::vector<State> states_;
  std::size_t open_ = 0;
  bool no_more_ = false;
};

}  // namespace headrace::data::connector
