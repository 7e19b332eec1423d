#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "data/connector/bad_record.h"
#include "data/connector/kafka/dead_letter_topic.h"
#include "data/connector/kafka/held_messages.h"
#include "data/connector/kafka/record_metadata.h"
#include "data/connector/read_queue.h"
#include "data/connector/source.h"
#include "data/format/record_decoder.h"
#include "kafka/client.h"
#include "kafka/client_settings.h"
#include "kafka/topic_split.h"

namespace headrace::data::connector {

struct TopicFetcherOptions {
  kafka::ClientSettings settings;
  std::string topic;
  std::string group_id;                        ///< commits of this group show progress; empty = none
  format::RecordDecoderOptions decoder;        ///< its schema with the columns of metadata
  std::vector<plan::MetadataColumn> metadata;  ///< columns that hold something of the record itself
  bool skip_bad_records = false;
  std::string dead_letter_topic;  ///< takes the records that cannot be decoded; empty = none
  /// librdkafka does not tell of a topic that is deleted while it is read, so after this much silence the brokers are asked.
  std::chrono::milliseconds ask_after_silence{10'000};
  /// How long brokers that answer must deny a topic that existed before it counts as gone.
  std::chrono::milliseconds gone_after{10'000};
};

/// Reads partitions of one topic on a thread of its own and puts finished batches into a ReadQueue. Owns the librdkafka
/// consumer. Made by and for one KafkaSourceReader; Add, SetConsumed and RequestStop may be called from its task's thread.
/// A partition that is paused goes on being fetched for a while, so that a short pause costs nothing: what comes of it is held. Once
/// kHeldBytes / partitions have come from the brokers in that time, of whatever partition (what is held keeps alive the answers in which
/// it came), it is not fetched any more, and what is held is let go unless it is a good part of that; then it begins anew behind that.
/// Brokers that are away never fail it: it says why it waits and goes on by itself. It fails the queue for a topic that is
/// gone, a refused right, damaged data and, unless they are skipped, records that cannot be decoded.
/// Stops: RequestStop() wakes it out of any wait; the destructor joins.
class TopicFetcher {
 public:
  static Result<std::unique_ptr<TopicFetcher>> Start(TopicFetcherOptions options, const ConnectorContext& context, ReadQueue* queue);
  ~TopicFetcher();
  /// Splits to read from now on; `first_index` numbers them for SplitProgress.
  void Add(std::vector<kafka::TopicSplit> splits, std::uint32_t first_index);
  /// Offsets behind the rows that the task has taken, for group commits: (split index, offset).
  void SetConsumed(const std::vector<SplitProgress>& progress);
  /// Splits that are handed over no further for now, by index.
  void SetPaused(std::vector<bool> paused);
  void RequestStop();

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  /// One partition that is, or was, read. Fetching thread only.
  struct Partition {
    kafka::TopicSplit split;
    std::uint32_t index = 0;
    std::int64_t position = 0;  ///< next offset to hand over; kBeginning until known
    bool active = false;
    bool dirty = false;  ///< position moved, or it ended, since the last item
    bool ended = false;
    bool paused = false;
    HeldMessages held;             ///< come while it was paused
    std::int64_t restart_at = -1;  ///< it is paused for long and not fetched: where to begin again; -1 = it is fetched
    std::int64_t came_before = 0;  ///< bytes_while_paused_ when it was paused
  };

  TopicFetcher(TopicFetcherOptions options, const ConnectorContext& context, ReadQueue* queue);
  Status Connect();
  static void OnError(rd_kafka_t* client, int error, const char* reason, void* opaque);
  static void OnCommit(rd_kafka_t* client, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* offsets, void* opaque);

  void Run();
  Status Step(std::vector<rd_kafka_message_t*>* messages);
  Status StartAdded();
  void TakePauses();
  bool Hold(rd_kafka_message_t* message);
  void StopFetchingLongPaused();
  void StopFetching(Partition* partition, std::int64_t came);
  Status FetchAgain(Partition* partition);
  Result<bool> GiveHeld();
  Status HandleMessage(const rd_kafka_message_t& message);
  Status HandleRecord(const rd_kafka_message_t& message, Partition* partition);
  Status HandleError(const rd_kafka_message_t& message, Partition* partition);
  Status AppendValue(const rd_kafka_message_t& message);
  Status Decode(const rd_kafka_message_t& message);
  bool full() { return rows_->full() || metadata_.size_bytes() >= format::RecordDecoder::kBatchBytes; }
  Status RefuseRecord(const rd_kafka_message_t& message, const std::string& why);
  Status AwaitDeadLetters();
  void End(Partition* partition);
  Partition* Find(std::int32_t number);
  bool BatchIsDue(SteadyTime now) const;
  Status CloseBatch();
  int WaitMs(SteadyTime now) const;
  Status KeepHouse(SteadyTime now);
  Status ProbeBroker(SteadyTime now);
  Status TopicIsUnknown(SteadyTime now);
  void SetWaiting(const std::string& reason);
  void SetWaitingForBrokers(std::string_view why);
  void ClearWaiting();
  void PublishLag();
  void Commit();
  void CommitLast();

  const TopicFetcherOptions options_;
  const ConnectorContext& context_;
  ReadQueue* const queue_;
  std::shared_ptr<Gauge> lag_;

  kafka::ClientPtr client_;
  kafka::TopicPtr topic_;
  kafka::QueuePtr fetched_;

  // Fetching thread only.
  std::vector<Partition> partitions_;
  std::vector<std::int32_t> slot_of_partition_;  ///< partition number -> index into partitions_, or -1
  std::unique_ptr<format::RecordDecoder> rows_;
  RecordMetadata metadata_;     ///< of the rows in rows_
  std::vector<SplitRun> runs_;  ///< whose rows rows_ has
  BadRecordPolicy bad_records_;
  std::unique_ptr<DeadLetterTopic> dead_letters_;  ///< null: none
  std::string broker_error_;                       ///< what librdkafka said last of one broker: why none answers
  bool some_paused_ = false, some_held_ = false;
  std::int64_t bytes_while_paused_ = 0;  ///< of all that came while something was paused
  SteadyTime first_row_at_{}, next_housekeeping_{}, next_commit_{}, unknown_since_{}, last_heard_{};
  bool unknown_topic_ = false, waiting_ = false, drained_ = true, commit_warned_ = false, commit_pending_ = false;
  bool commit_refused_ = false;  ///< the last commit failed for a reason that passes
  Status fatal_;

  mutable std::mutex mutex_;
  std::vector<Partition> added_;
  std::vector<std::int64_t> consumed_;  ///< by split index; -1 = nothing yet
  std::vector<std::int32_t> consumed_partition_;
  bool consumed_moved_ = false;
  std::vector<bool> paused_;  ///< by split index
  std::atomic<bool> has_added_{false}, has_pauses_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace headrace::data::connector
