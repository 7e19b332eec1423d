#include "data/connector/kafka/kafka_source.h"

#include <fmt/format.h>

#include <utility>

#include "data/connector/kafka/kafka_options.h"
#include "data/connector/kafka/topic_fetcher.h"
#include "data/connector/read_queue.h"
#include "data/connector/registry_options.h"
#include "data/connector/split_set.h"
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
    HR_ASSIGN_OR_RAISE(const auto added, splits_.Add(splits));
    if (added.empty()) return Status::OK();
    std::vector<kafka::TopicSplit> partitions;
    for (const auto& [index, split] : added) {
      if (split.topic != options_.topic)
        return Error(ErrorCode::kInvalidPlan, fmt::format("split {:.300} is not of topic \"{}\"", split.Id(), options_.topic));
      partitions.push_back(split);
    }
    // Subtasks without a partition cost no client and no thread.
    if (fetcher_ == nullptr) {
      HR_ASSIGN_OR_RAISE(fetcher_, TopicFetcher::Start(options_, *context_, &queue_));
    }
    fetcher_->Add(std::move(partitions), added.front().index);
    return Status::OK();
  }

  void NoMoreSplits() override { splits_.NoMore(); }

  Result<SourcePoll> Poll() override {
    HR_ASSIGN_OR_RAISE(SourcePoll poll, splits_.Take(&queue_, [this](const auto& progress) { fetcher_->SetConsumed(progress); }));
    if (poll.batch || !splits_.ended()) return poll;
    RequestStop();  // nothing more to read: commits what was read and lets the thread go
    poll.kind = SourcePoll::Kind::kEnd;
    return poll;
  }
  bool tells_splits() const override { return true; }

  bool pauses_splits() const override { return true; }
  void SetPaused(const std::vector<bool>& paused) override {
    if (fetcher_ != nullptr) fetcher_->SetPaused(paused);
  }

  std::vector<plan::SourceSplit> Positions() const override { return splits_.Positions(); }

  void RequestStop() override {
    if (fetcher_ != nullptr) fetcher_->RequestStop();
  }

 private:
  TopicFetcherOptions options_;
  const ConnectorContext* context_ = nullptr;
  SplitSet<kafka::TopicSplit, &kafka::TopicSplit::start_offset> splits_;
  ReadQueue queue_;
  std::unique_ptr<TopicFetcher> fetcher_;  // after the queue: its thread uses it
};

}  // namespace

Result<std::unique_ptr<SourceReader>> MakeKafkaSourceReader(const plan::ConnectorSpec& spec) {
  TopicFetcherOptions options;
  HR_ASSIGN_OR_RAISE(options.settings, KafkaSettingsOf(spec, true));
  options.topic = plan::OptionString(spec, true, "topic");
  options.group_id = plan::OptionString(spec, true, "group_id");
  options.decoder.format = format::RecordFormatOf(plan::OptionString(spec, true, "value_format"));
  options.decoder.schema = spec.schema;
  options.decoder.registry = RegistryAccessOf(spec, true);
  options.decoder.writer_schema = plan::OptionString(spec, true, "schema");
  options.decoder.message = plan::OptionString(spec, true, "message");
  options.decoder.event_times = spec.schema != nullptr;
  HR_ASSIGN_OR_RAISE(options.metadata, plan::MetadataColumns(plan::OptionString(spec, true, "metadata")));
  options.skip_bad_records = plan::OptionString(spec, true, "on_error") == "skip";
  if (plan::OptionString(spec, true, "on_error") == "dead_letter")
    options.dead_letter_topic = plan::OptionString(spec, true, "dead_letter_topic");
  return std::unique_ptr<SourceReader>(std::make_unique<KafkaSourceReader>(std::move(options)));
}

}  // namespace headrace::data::connector
