#include "data/connector/kafka/kafka_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "data/connector/kafka/kafka_options.h"
#include "data/connector/kafka/topic_fetcher.h"
#include "data/connector/read_queue.h"
#include "kafka/topic_split.h"
#include "plan/connector_options.h"

namespace headrace::data::connector {
namespace {

constexpr std::size_t kQueuedBatches = 16;
constexpr std::int64_t kQueuedBytes = 4 << 20;

class KafkaSourceReader final : public SourceReader {
 public:
  explicit KafkaSourceReader(TopicFetcherOptions options) : options_(std::move(options)), queue_(kQueuedBatches, kQueuedBytes) {}
  ~KafkaSourceReader() override { RequestStop(); }

  Status Open(const ConnectorContext& context) override {
    context_ = &context;
    queue_.set_waker(context.waker);
    return Status::OK();
  }

  Status AddSplits(const std::vector<plan::SourceSplit>& splits) override {
    if (splits.empty()) return Status::OK();
    std::vector<kafka::TopicSplit> parsed;
    for (const plan::SourceSplit& split : splits) {
      HR_ASSIGN_OR_RAISE(kafka::TopicSplit topic_split, kafka::TopicSplit::FromPayload(split.payload));
      if (topic_split.topic != options_.topic)
        return Error(ErrorCode::kInvalidPlan, fmt::format("split {:.300} is not of topic \"{}\"", split.id, options_.topic));
      const auto same = [&](const State& state) { return state.split.partition == topic_split.partition; };
      // An assignment that is repeated after a lost answer must not read a partition twice.
      if (std::any_of(splits_.begin(), splits_.end(), same)) continue;
      splits_.push_back({split.id, topic_split, false});
      parsed.push_back(std::move(topic_split));
    }
    if (parsed.empty()) return Status::OK();
    // Subtasks without a partition cost no client and no thread.
    if (fetcher_ == nullptr) {
      HR_ASSIGN_OR_RAISE(fetcher_, TopicFetcher::Start(options_, *context_, &queue_));
    }
    const auto first = static_cast<std::uint32_t>(splits_.size() - parsed.size());
    open_splits_ += parsed.size();
    fetcher_->Add(std::move(parsed), first);
    return Status::OK();
  }

  void NoMoreSplits() override { no_more_splits_ = true; }

  Result<SourcePoll> Poll() override {
    ReadItem item;
    while (true) {
      HR_ASSIGN_OR_RAISE(const bool found, queue_.Pop(&item));
      if (!found) break;
      for (const SplitProgress& progress : item.progress) {
        State& state = splits_[progress.split];
        state.split.start_offset = progress.position;
        if (progress.ended && !std::exchange(state.ended, true)) --open_splits_;
      }
      fetcher_->SetConsumed(item.progress);
      if (item.batch) return SourcePoll{SourcePoll::Kind::kBatch, std::move(item.batch)};
    }
    if (!no_more_splits_ || open_splits_ > 0) return SourcePoll{};
    RequestStop();  // nothing more to read: commits what was read and lets the thread go
    return SourcePoll{SourcePoll::Kind::kEnd, {}};
  }

  std::vector<plan::SourceSplit> Positions() const override {
    std::vector<plan::SourceSplit> positions;
    for (const State& state : splits_) positions.push_back({state.id, state.split.ToPayload()});
    return positions;
  }

  void RequestStop() override {
    if (fetcher_ != nullptr) fetcher_->RequestStop();
  }

 private:
  struct State {
    std::string id;
    kafka::TopicSplit split;  ///< start_offset = position
    bool ended = false;
  };

  TopicFetcherOptions options_;
  const ConnectorContext* context_ = nullptr;
  std::vector<State> splits_;
  std::size_t open_splits_ = 0;
  bool no_more_splits_ = false;
  ReadQueue queue_;
  std::unique_ptr<TopicFetcher> fetcher_;  // after the queue: its thread uses it
};

}  // namespace

Result<std::unique_ptr<SourceReader>> MakeKafkaSourceReader(const plan::ConnectorSpec& spec) {
  TopicFetcherOptions options;
  HR_ASSIGN_OR_RAISE(options.settings, KafkaSettingsOf(spec, true));
  options.topic = plan::OptionString(spec, true, "topic");
  options.group_id = plan::OptionString(spec, true, "group_id");
  const std::string format = plan::OptionString(spec, true, "value_format");
  options.format = format == "json" ? KafkaValueFormat::kJson : format == "bytes" ? KafkaValueFormat::kBytes : KafkaValueFormat::kString;
  options.skip_bad_records = plan::OptionString(spec, true, "on_error") == "skip";
  return std::unique_ptr<SourceReader>(std::make_unique<KafkaSourceReader>(std::move(options)));
}

}  // namespace headrace::data::connector
