#include "data/connector/nexmark/nexmark_source.h"

#include <arrow/type.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "data/connector/nexmark/nexmark_rows.h"
#include "plan/connector_options.h"
#include "plan/source_splits.h"

namespace headrace::data::connector {
namespace {

constexpr std::int64_t kBatchEvents = 2 * plan::kNexmarkBlockEvents;

class NexmarkSourceReader final : public SourceReader {
 public:
  NexmarkSourceReader(nexmark::RowMaker rows, std::int64_t events) : rows_(std::move(rows)), events_(events) {}

  Status Open(const ConnectorContext&) override { return Status::OK(); }

  Status AddSplits(const std::vector<plan::SourceSplit>& splits) override {
    for (const plan::SourceSplit& split : splits) {
      HR_ASSIGN_OR_RAISE(const plan::GeneratorSplit parsed, plan::GeneratorSplit::FromPayload(split.payload));
      splits_.push_back({split.id, parsed});
    }
    return Status::OK();
  }

  void NoMoreSplits() override { no_more_splits_ = true; }

  Result<SourcePoll> Poll() override {
    State* next = nullptr;
    for (State& state : splits_)
      if (!state.ended() && (next == nullptr || state.split.next < next->split.next)) next = &state;
    if (next == nullptr) return SourcePoll{no_more_splits_ ? SourcePoll::Kind::kEnd : SourcePoll::Kind::kNothingYet, {}};
    // A lone split's blocks follow each other, so several of them make one batch.
    const std::int64_t first = next->split.next * plan::kNexmarkBlockEvents;
    std::int64_t last = first + (next->split.step == 1 ? kBatchEvents : plan::kNexmarkBlockEvents);
    if (events_ > 0) last = std::min(last, events_);
    next->split.next += std::max<std::int64_t>(1, next->split.step == 1 ? kBatchEvents / plan::kNexmarkBlockEvents : next->split.step);
    HR_ASSIGN_OR_RAISE(columnar::DataBatch batch, rows_.Rows(first, last));
    SourcePoll poll;
    const auto split = static_cast<std::uint32_t>(next - splits_.data());
    if (next->ended()) poll.splits.ended.push_back(split);
    if (!batch) return poll;
    poll.kind = SourcePoll::Kind::kBatch;
    poll.splits.runs.push_back({split, batch.num_rows()});
    poll.batch = std::move(batch);
    return poll;
  }
  bool tells_splits() const override { return true; }

  std::vector<plan::SourceSplit> Positions() const override {
    std::vector<plan::SourceSplit> positions;
    for (const State& state : splits_) positions.push_back({state.id, state.split.ToPayload()});
    return positions;
  }

  void RequestStop() override {}

 private:
  struct State {
    std::string id;
    plan::GeneratorSplit split;  // of blocks
    bool ended() const { return split.end >= 0 && split.next >= split.end; }
  };
  nexmark::RowMaker rows_;
  const std::int64_t events_;  // 0 = endless
  std::vector<State> splits_;
  bool no_more_splits_ = false;
};

}  // namespace

Result<std::unique_ptr<SourceReader>> MakeNexmarkSourceReader(const plan::ConnectorSpec& spec) {
  const auto number = [&](std::string_view name) { return plan::OptionInt(spec, true, name); };
  nexmark::Model model;
  model.seed = static_cast<std::uint64_t>(number("seed"));
  model.events_per_second = number("events_per_second");
  model.disorder = number("disorder");
  const std::string name = plan::OptionString(spec, true, "table");
  const nexmark::Table table = name == "bid"       ? nexmark::Table::kBid
                               : name == "auction" ? nexmark::Table::kAuction
                                                   : nexmark::Table::kPerson;
  std::vector<std::string> columns;
  if (spec.schema != nullptr) columns = spec.schema->field_names();
  HR_ASSIGN_OR_RAISE(nexmark::RowMaker rows, nexmark::RowMaker::Make(model, table, columns));
  return std::unique_ptr<SourceReader>(std::make_unique<NexmarkSourceReader>(std::move(rows), number("events")));
}

}  // namespace headrace::data::connector
