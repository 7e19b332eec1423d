#include "kafka/admin_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "kafka/client.h"

namespace headrace::kafka {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// How long after a question came a topic that nobody knows is asked for again: a broker learns of one that was just made a moment after
/// its maker. From the question, not from its turn: many unknown topics asked for at once hold the others up no longer than one.
constexpr std::chrono::milliseconds kTopicAppears{2000};

std::string TopicName(const std::string& topic) { return fmt::format("topic \"{:.249}\"", topic); }

OffsetsPtr MakeOffsets(const std::string& topic, const std::vector<std::int32_t>& partitions, std::int64_t offset) {
  OffsetsPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const std::int32_t partition : partitions) rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset = offset;
  return list;
}

/// Of a list that a request filled in: one partition's error, or none.
rd_kafka_resp_err_t FirstError(const rd_kafka_topic_partition_list_t& list) {
  for (int i = 0; i < list.cnt; ++i) {
    if (list.elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) return list.elems[i].err;
  }
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/// Offsets of a list that a request filled in, in partition order; the first partition's error if there is one.
Result<std::vector<PartitionOffset>> ReadOffsets(const rd_kafka_topic_partition_list_t& list, const std::string& topic) {
  std::vector<PartitionOffset> offsets;
  for (int i = 0; i < list.cnt; ++i) {
    const rd_kafka_topic_partition_t& entry = list.elems[i];
    if (entry.err != RD_KAFKA_RESP_ERR_NO_ERROR)
      return StatusOf(entry.err, fmt::format("{} partition {}", TopicName(topic), entry.partition));
    offsets.push_back({entry.partition, entry.offset});
  }
  std::sort(offsets.begin(), offsets.end(), [](const auto& a, const auto& b) { return a.partition < b.partition; });
  return offsets;
}

/// The blocking questions, each within the time since Begin(). Lives on the probe's thread only.
class BlockingProbe {
 public:
  BlockingProbe(ClientSettings settings, ClientPtr client, int timeout_ms)
      : settings_(std::move(settings)), client_(std::move(client)), timeout_ms_(timeout_ms) {}

  /// `asked`: when the question came, which may be before its turn.
  void Begin(SteadyClock::time_point asked) {
    deadline_ = SteadyClock::now() + std::chrono::milliseconds(timeout_ms_);
    appears_by_ = std::min(asked + kTopicAppears, deadline_);
  }

  Result<std::vector<std::int32_t>> ListPartitions(const std::string& topic) {
    const TopicPtr handle(rd_kafka_topic_new(client_.get(), topic.c_str(), nullptr));
    if (handle == nullptr) return StatusOf(rd_kafka_last_error(), TopicName(topic));
    while (true) {
      const rd_kafka_metadata_t* metadata = nullptr;
      const rd_kafka_resp_err_t error = rd_kafka_metadata(client_.get(), 0, handle.get(), &metadata, RemainingMs());
      if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return Unreachable(error, topic);
      const std::unique_ptr<const rd_kafka_metadata_t, decltype(&rd_kafka_metadata_destroy)> owned(metadata, &rd_kafka_metadata_destroy);
      if (metadata->topic_cnt < 1) return StatusOf(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, TopicName(topic));
      const rd_kafka_metadata_topic_t& found = metadata->topics[0];
      if (found.err == RD_KAFKA_RESP_ERR_NO_ERROR && found.partition_cnt > 0) {
        std::vector<std::int32_t> partitions;
        for (int i = 0; i < found.partition_cnt; ++i) partitions.push_back(found.partitions[i].id);
        std::sort(partitions.begin(), partitions.end());
        return partitions;
      }
      // A topic that was just made is not known everywhere and has no leaders yet.
      const rd_kafka_resp_err_t missing = found.err == RD_KAFKA_RESP_ERR_NO_ERROR ? RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE : found.err;
      if (!WaitToAskAgain(missing)) return StatusOf(missing, TopicName(topic));
    }
  }

  /// `when`: ms since 1970, or a logical offset, which the protocol takes in the same place.
  Result<std::vector<PartitionOffset>> OffsetsAt(const std::string& topic, const std::vector<std::int32_t>& partitions, std::int64_t when) {
    if (partitions.empty()) return std::vector<PartitionOffset>{};
    while (true) {
      const OffsetsPtr list = MakeOffsets(topic, partitions, when);
      const rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(client_.get(), list.get(), RemainingMs());
      const rd_kafka_resp_err_t first = error != RD_KAFKA_RESP_ERR_NO_ERROR ? error : FirstError(*list);
      if (first != RD_KAFKA_RESP_ERR_NO_ERROR && WaitToAskAgain(first)) continue;
      if (error != RD_KAFKA_RESP_ERR_NO_ERROR && !IsUnknownTopic(error)) return Unreachable(error, topic);
      return ReadOffsets(*list, topic);
    }
  }

  Result<std::vector<PartitionWatermarks>> Watermarks(const std::string& topic, const std::vector<std::int32_t>& partitions) {
    HR_ASSIGN_OR_RAISE(const std::vector<PartitionOffset> earliest, OffsetsAt(topic, partitions, RD_KAFKA_OFFSET_BEGINNING));
    HR_ASSIGN_OR_RAISE(const std::vector<PartitionOffset> latest, OffsetsAt(topic, partitions, RD_KAFKA_OFFSET_END));
    std::vector<PartitionWatermarks> watermarks;
    for (std::size_t i = 0; i < earliest.size(); ++i) watermarks.push_back({earliest[i].partition, earliest[i].offset, latest[i].offset});
    return watermarks;
  }

  Result<std::vector<PartitionOffset>> OffsetsForTime(const std::string& topic, const std::vector<std::int32_t>& partitions,
                                                      std::int64_t timestamp_ms) {
    HR_ASSIGN_OR_RAISE(std::vector<PartitionOffset> offsets, OffsetsAt(topic, partitions, std::max<std::int64_t>(timestamp_ms, 0)));
    const bool beyond_end = std::any_of(offsets.begin(), offsets.end(), [](const PartitionOffset& o) { return o.offset < 0; });
    if (!beyond_end) return offsets;
    HR_ASSIGN_OR_RAISE(const std::vector<PartitionOffset> latest, OffsetsAt(topic, partitions, RD_KAFKA_OFFSET_END));
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      if (offsets[i].offset < 0) offsets[i].offset = latest[i].offset;
    }
    return offsets;
  }

  Result<std::vector<PartitionOffset>> Committed(const std::string& topic, const std::vector<std::int32_t>& partitions,
                                                 const std::string& group_id) {
    if (group_id.empty()) return Error(ErrorCode::kBadOption, "committed offsets need a group_id");
    // A client asks for one group only, the one of its own configuration.
    HR_ASSIGN_OR_RAISE(ConfPtr conf, MakeConf(settings_, {}, {{"group.id", group_id}, {"enable.auto.commit", "false"}}));
    HR_ASSIGN_OR_RAISE(const ClientPtr client, MakeClient(RD_KAFKA_CONSUMER, std::move(conf)));
    const OffsetsPtr list = MakeOffsets(topic, partitions, RD_KAFKA_OFFSET_INVALID);
    const rd_kafka_resp_err_t error = rd_kafka_committed(client.get(), list.get(), RemainingMs());
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return Unreachable(error, topic);
    HR_ASSIGN_OR_RAISE(std::vector<PartitionOffset> offsets, ReadOffsets(*list, topic));
    std::erase_if(offsets, [](const PartitionOffset& o) { return o.offset < 0; });
    return offsets;
  }

  Result<std::vector<TopicSplit>> PlanSplits(const std::string& topic, const ReadRange& range) {
    HR_ASSIGN_OR_RAISE(const std::vector<std::int32_t> partitions, ListPartitions(topic));
    HR_ASSIGN_OR_RAISE(const std::vector<PartitionWatermarks> watermarks, Watermarks(topic, partitions));
    std::map<std::int32_t, std::int64_t> starts;
    if (range.start == ReadRange::Start::kTimestamp) {
      HR_ASSIGN_OR_RAISE(const std::vector<PartitionOffset> offsets, OffsetsForTime(topic, partitions, range.start_timestamp_ms));
      for (const PartitionOffset& offset : offsets) starts[offset.partition] = offset.offset;
    } else if (range.start == ReadRange::Start::kCommitted) {
      HR_ASSIGN_OR_RAISE(const std::vector<PartitionOffset> offsets, Committed(topic, partitions, range.group_id));
      for (const PartitionOffset& offset : offsets) starts[offset.partition] = offset.offset;
    }
    std::vector<TopicSplit> splits;
    for (const PartitionWatermarks& ends : watermarks) {
      const auto found = starts.find(ends.partition);
      std::int64_t start = range.start == ReadRange::Start::kLatest ? ends.latest : ends.earliest;
      if (found != starts.end()) start = std::max(found->second, ends.earliest);
      splits.push_back({topic, ends.partition, start, range.stop_at_latest ? ends.latest : kNoStop});
    }
    return splits;
  }

 private:
  /// Whether an error is one that passes and there is time left to see it pass; waits a little then.
  bool WaitToAskAgain(rd_kafka_resp_err_t error) const {
    constexpr std::chrono::milliseconds kPause{100};
    if (!IsPassing(error) && !IsUnknownTopic(error)) return false;
    if (SteadyClock::now() + kPause > (IsUnknownTopic(error) ? appears_by_ : deadline_)) return false;
    std::this_thread::sleep_for(kPause);
    return true;
  }
  int RemainingMs() const {
    return static_cast<int>(
        std::max<std::int64_t>(1, std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - SteadyClock::now()).count()));
  }
  Status Unreachable(rd_kafka_resp_err_t error, const std::string& topic) const {
    if (!IsPassing(error)) return StatusOf(error, TopicName(topic));
    return Error(ErrorCode::kBrokerUnreachable, fmt::format("{}: no answer from {:.200} within {} ms ({})", TopicName(topic),
                                                            settings_.bootstrap_servers, timeout_ms_, rd_kafka_err2str(error)));
  }

  ClientSettings settings_;
  ClientPtr client_;
  int timeout_ms_;
  SteadyClock::time_point deadline_{}, appears_by_{};
};

/// Owns the thread that asks. Requests are closures over the blocking probe; a null probe means "answer that we stop".
class ThreadedAdminProbe final : public AdminProbe {
 public:
  ThreadedAdminProbe(BlockingProbe probe) : probe_(std::move(probe)), thread_([this] { Run(); }) {}
  ~ThreadedAdminProbe() override {
    RequestStop();
    thread_.join();
  }

  void ListPartitions(std::string topic, Callback<std::vector<std::int32_t>> done) override {
    Ask<std::vector<std::int32_t>>(std::move(done), [topic](BlockingProbe& probe) { return probe.ListPartitions(topic); });
  }
  void Watermarks(std::string topic, std::vector<std::int32_t> partitions, Callback<std::vector<PartitionWatermarks>> done) override {
    Ask<std::vector<PartitionWatermarks>>(std::move(done),
                                          [topic, partitions](BlockingProbe& probe) { return probe.Watermarks(topic, partitions); });
  }
  void OffsetsForTime(std::string topic, std::vector<std::int32_t> partitions, std::int64_t timestamp_ms,
                      Callback<std::vector<PartitionOffset>> done) override {
    Ask<std::vector<PartitionOffset>>(std::move(done), [topic, partitions, timestamp_ms](BlockingProbe& probe) {
      return probe.OffsetsForTime(topic, partitions, timestamp_ms);
    });
  }
  void Committed(std::string topic, std::vector<std::int32_t> partitions, std::string group_id,
                 Callback<std::vector<PartitionOffset>> done) override {
    Ask<std::vector<PartitionOffset>>(
        std::move(done), [topic, partitions, group_id](BlockingProbe& probe) { return probe.Committed(topic, partitions, group_id); });
  }
  void PlanSplits(std::string topic, ReadRange range, Callback<std::vector<TopicSplit>> done) override {
    Ask<std::vector<TopicSplit>>(std::move(done), [topic, range](BlockingProbe& probe) { return probe.PlanSplits(topic, range); });
  }
  void RequestStop() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
  }

 private:
  using Request = std::function<void(BlockingProbe*)>;

  template <typename T, typename Question>
  void Ask(Callback<T> done, Question question) {
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back([done = std::move(done), question = std::move(question), asked = SteadyClock::now()](BlockingProbe* probe) {
        if (probe == nullptr)
          return done(Outcome<T>::NotDone(Error(ErrorCode::kBrokerUnreachable, "the question was not asked: the process stops")));
        probe->Begin(asked);
        Result<T> answer = question(*probe);
        if (answer.ok()) return done(Outcome<T>::Done(answer.MoveValueUnsafe()));
        done(Outcome<T>::NotDone(answer.status()));
      });
    }
    wake_.notify_one();
  }

  void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || !requests_.empty(); });
      if (requests_.empty()) return;
      const Request request = std::move(requests_.front());
      requests_.pop_front();
      BlockingProbe* probe = stopping_ ? nullptr : &probe_;
      lock.unlock();
      request(probe);
      lock.lock();
    }
  }

  BlockingProbe probe_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Request> requests_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<AdminProbe>> MakeAdminProbe(const ClientSettings& settings, int timeout_ms) {
  // A consumer's questions never create a topic; a producer's may.
  HR_ASSIGN_OR_RAISE(ConfPtr conf, MakeConf(settings, {}, {{"allow.auto.create.topics", "false"}}));
  HR_ASSIGN_OR_RAISE(ClientPtr client, MakeClient(RD_KAFKA_CONSUMER, std::move(conf)));
  return std::unique_ptr<AdminProbe>(std::make_unique<ThreadedAdminProbe>(BlockingProbe(settings, std::move(client), timeout_ms)));
}

}  // namespace headrace::kafka
