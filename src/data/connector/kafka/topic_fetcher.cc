#include "data/connector/kafka/topic_fetcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/logging.h"

namespace headrace::data::connector {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMessagesPerCall = 2048;
constexpr milliseconds kBatchAge{5};
constexpr milliseconds kHousekeeping{1000};
constexpr milliseconds kCommitInterval{5000};
/// How long the end of a reader waits for its last commit; a cancel has 5 s in all.
constexpr milliseconds kLastCommit{3500};
constexpr int kProbeTimeoutMs = 500;
/// Of all paused partitions together, and at least so much of one.
constexpr std::int64_t kHeldBytes = 32 << 20, kLeastHeldBytes = 1 << 20;
constexpr int kRetryRegistryMs = 200;

}  // namespace

Result<std::unique_ptr<TopicFetcher>> TopicFetcher::Start(TopicFetcherOptions options, const ConnectorContext& context, ReadQueue* queue) {
  std::unique_ptr<TopicFetcher> fetcher(new TopicFetcher(std::move(options), context, queue));
  format::RecordDecoderOptions decoder = fetcher->options_.decoder;
  HR_ASSIGN_OR_RAISE(fetcher->metadata_, RecordMetadata::Make(decoder.schema, fetcher->options_.metadata));
  decoder.schema = fetcher->metadata_.value_schema();
  HR_ASSIGN_OR_RAISE(fetcher->rows_, format::RecordDecoder::Make(std::move(decoder)));
  HR_RETURN_NOT_OK(fetcher->Connect());
  fetcher->thread_ = std::thread([f = fetcher.get()] { f->Run(); });
  return fetcher;
}

TopicFetcher::TopicFetcher(TopicFetcherOptions options, const ConnectorContext& context, ReadQueue* queue)
    : options_(std::move(options)),
      context_(context),
      queue_(queue),
      bad_records_(options_.skip_bad_records || !options_.dead_letter_topic.empty(), context) {
  if (!options_.dead_letter_topic.empty())
    dead_letters_ =
        std::make_unique<DeadLetterTopic>(options_.settings, options_.dead_letter_topic, context.job_name, context.operator_name);
  if (context.metrics != nullptr)
    lag_ = context.metrics->GetGauge("headrace_source_lag_records", "Records between the source's position and the end of its partitions.",
                                     context.labels);
}

TopicFetcher::~TopicFetcher() {
  RequestStop();
  if (thread_.joinable()) thread_.join();
}

Status TopicFetcher::Connect() {
  // Prefetch is bounded per subtask: what librdkafka holds comes on top of the ReadQueue. Where its bound is reached,
  // librdkafka looks again only after up to a second: with 8 MiB a fast task starved (a third of the rate), with 32 MiB it does not.
  const kafka::Properties defaults = {{"queued.max.messages.kbytes", "32768"},
                                      {"queued.min.messages", "100000"},
                                      {"fetch.max.bytes", "8388608"},
                                      {"fetch.error.backoff.ms", "100"},
                                      {"topic.metadata.refresh.interval.ms", "60000"}};
  const kafka::Properties fixed = {{"enable.auto.commit", "false"},
                                   {"enable.auto.offset.store", "false"},
                                   {"auto.commit.enable", "false"},
                                   // No group is joined; to librdkafka this is how long a commit waits for a coordinator that is away,
                                   // and with it the end of the client.
                                   {"session.timeout.ms", "2000"},
                                   {"enable.partition.eof", "true"},
                                   // Where a position is gone is decided here, with a word in the log, not silently by the client.
                                   {"auto.offset.reset", "error"}};
  HR_ASSIGN_OR_RAISE(kafka::ConfPtr conf, kafka::MakeConf(options_.settings, defaults, fixed));
  if (!options_.group_id.empty()) {
    if (rd_kafka_conf_set(conf.get(), "group.id", options_.group_id.c_str(), nullptr, 0) != RD_KAFKA_CONF_OK)
      return Error(ErrorCode::kBadOption, "group_id is refused by the Kafka client");
    rd_kafka_conf_set_offset_commit_cb(conf.get(), &TopicFetcher::OnCommit);
  }
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_error_cb(conf.get(), &TopicFetcher::OnError);
  HR_ASSIGN_OR_RAISE(client_, kafka::MakeClient(RD_KAFKA_CONSUMER, std::move(conf)));
  topic_.reset(rd_kafka_topic_new(client_.get(), options_.topic.c_str(), nullptr));
  if (topic_ == nullptr) return kafka::StatusOf(rd_kafka_last_error(), fmt::format("topic \"{}\"", options_.topic));
  fetched_.reset(rd_kafka_queue_new(client_.get()));
  return Status::OK();
}

void TopicFetcher::Add(std::vector<kafka::TopicSplit> splits, std::uint32_t first_index) {
  {
    const std::lock_guard lock(mutex_);
    for (kafka::TopicSplit& split : splits) {
      Partition partition;
      partition.position = split.start_offset;
      partition.split = std::move(split);
      partition.index = first_index++;
      added_.push_back(std::move(partition));
    }
    has_added_ = true;
  }
  rd_kafka_queue_yield(fetched_.get());
}

void TopicFetcher::SetConsumed(const std::vector<SplitProgress>& progress) {
  if (options_.group_id.empty()) return;
  const std::lock_guard lock(mutex_);
  for (const SplitProgress& p : progress) {
    if (p.split >= consumed_.size()) continue;
    consumed_moved_ = consumed_moved_ || consumed_[p.split] != p.position;
    consumed_[p.split] = p.position;
  }
}

void TopicFetcher::SetPaused(std::vector<bool> paused) {
  {
    const std::lock_guard lock(mutex_);
    paused_ = std::move(paused);
    has_pauses_ = true;
  }
  rd_kafka_queue_yield(fetched_.get());
}

void TopicFetcher::RequestStop() {
  stopping_ = true;
  queue_->Close();
  if (fetched_ != nullptr) rd_kafka_queue_yield(fetched_.get());
}

void TopicFetcher::Run() {
  last_heard_ = std::chrono::steady_clock::now();
  std::vector<rd_kafka_message_t*> messages(kMessagesPerCall);
  while (!stopping_) {
    const Status status = Step(&messages);
    if (status.ok()) continue;
    // Rows before the failure still count: they are handed over first.
    if (rows_->num_rows() > 0) (void)CloseBatch();
    queue_->Fail(status);
    break;
  }
  if (!options_.group_id.empty()) CommitLast();
  for (Partition& partition : partitions_) {
    if (partition.active) rd_kafka_consume_stop(topic_.get(), partition.split.partition);
  }
}

Status TopicFetcher::Step(std::vector<rd_kafka_message_t*>* messages) {
  if (has_added_) HR_RETURN_NOT_OK(StartAdded());
  if (has_pauses_) TakePauses();
  SteadyTime now = std::chrono::steady_clock::now();
  if (now >= next_housekeeping_) HR_RETURN_NOT_OK(KeepHouse(now));
  const bool gives = some_held_;
  if (gives) {
    HR_ASSIGN_OR_RAISE(const bool more, GiveHeld());
    if (more) return BatchIsDue(std::chrono::steady_clock::now()) ? CloseBatch() : Status::OK();
  }
  std::size_t count = 0;
  if (rows_->num_rows() == 0 && drained_) {
    // Nothing held back: sleep until something comes. A batch call would sleep on until it is full.
    (*messages)[0] = rd_kafka_consume_queue(fetched_.get(), WaitMs(now));
    if ((*messages)[0] != nullptr) count = 1;
  }
  const bool may_wait = rows_->num_rows() > 0 && drained_ && !queue_->task_waits();
  const ssize_t more =
      rd_kafka_consume_batch_queue(fetched_.get(), may_wait ? WaitMs(now) : 0, messages->data() + count, messages->size() - count);
  if (more > 0) count += static_cast<std::size_t>(more);
  drained_ = count < messages->size();
  if (count == 0 && rows_->num_rows() == 0 && !gives) return Status::OK();
  if (count > 0) last_heard_ = now;

  Status status;
  for (std::size_t i = 0; i < count; ++i) {
    if (some_paused_ && Hold((*messages)[i])) continue;
    if (status.ok() && !stopping_) status = HandleMessage(*(*messages)[i]);
    rd_kafka_message_destroy((*messages)[i]);
  }
  HR_RETURN_NOT_OK(status);
  if (some_paused_) StopFetchingLongPaused();
  return BatchIsDue(std::chrono::steady_clock::now()) ? CloseBatch() : Status::OK();
}

int TopicFetcher::WaitMs(SteadyTime now) const {
  const SteadyTime until = rows_->num_rows() > 0 ? first_row_at_ + kBatchAge : next_housekeeping_;
  return static_cast<int>(std::max<std::int64_t>(0, std::chrono::ceil<milliseconds>(until - now).count()));
}

bool TopicFetcher::BatchIsDue(SteadyTime now) const {
  if (rows_->num_rows() == 0) return std::any_of(partitions_.begin(), partitions_.end(), [](const Partition& p) { return p.dirty; });
  return now - first_row_at_ >= kBatchAge || (drained_ && queue_->task_waits());
}

Status TopicFetcher::CloseBatch() {
  // A position behind a record that went to the dead letters counts only once those are safe.
  if (dead_letters_ != nullptr) HR_RETURN_NOT_OK(AwaitDeadLetters());
  ReadItem item;
  if (rows_->num_rows() > 0) {
    HR_ASSIGN_OR_RAISE(item.batch, rows_->Finish());
    if (!metadata_.empty()) {
      HR_ASSIGN_OR_RAISE(item.batch, metadata_.Complete(item.batch));
    }
    item.runs = std::exchange(runs_, {});
  }
  for (Partition& partition : partitions_) {
    if (!partition.dirty) continue;
    item.progress.push_back({partition.index, partition.position, partition.ended});
    partition.dirty = false;
  }
  if (!queue_->WaitForRoom()) return Status::OK();
  queue_->Push(std::move(item));
  return Status::OK();
}

TopicFetcher::Partition* TopicFetcher::Find(std::int32_t number) {
  if (number < 0 || static_cast<std::size_t>(number) >= slot_of_partition_.size() ||
      slot_of_partition_[static_cast<std::size_t>(number)] < 0)
    return nullptr;
  return &partitions_[static_cast<std::size_t>(slot_of_partition_[static_cast<std::size_t>(number)])];
}

Status TopicFetcher::StartAdded() {
  std::vector<Partition> added;
  {
    const std::lock_guard lock(mutex_);
    added.swap(added_);
    has_added_ = false;
    for (const Partition& partition : added) {
      if (consumed_.size() <= partition.index) {
        consumed_.resize(partition.index + 1, -1);
        consumed_partition_.resize(partition.index + 1, -1);
      }
      consumed_partition_[partition.index] = partition.split.partition;
    }
  }
  const bool first = partitions_.empty();
  for (Partition& partition : added) {
    const auto number = static_cast<std::size_t>(partition.split.partition);
    if (slot_of_partition_.size() <= number) slot_of_partition_.resize(number + 1, -1);
    slot_of_partition_[number] = static_cast<std::int32_t>(partitions_.size());
    partitions_.push_back(std::move(partition));
    Partition& mine = partitions_.back();
    const bool at_end_already = mine.split.stop_offset != kafka::kNoStop && mine.split.start_offset >= mine.split.stop_offset;
    if (at_end_already) {
      mine.ended = mine.dirty = true;
      continue;
    }
    if (rd_kafka_consume_start_queue(topic_.get(), mine.split.partition, mine.split.start_offset, fetched_.get()) != 0) {
      return kafka::StatusOf(rd_kafka_last_error(), fmt::format("topic \"{}\" partition {}", options_.topic, mine.split.partition));
    }
    mine.active = true;
  }
  // A partition that was made after the client looked is read only once the client has looked again.
  if (!first) HR_RETURN_NOT_OK(ProbeBroker(std::chrono::steady_clock::now()));
  return rows_->num_rows() == 0 && BatchIsDue({}) ? CloseBatch() : Status::OK();
}

void TopicFetcher::TakePauses() {
  std::vector<bool> paused;
  {
    const std::lock_guard lock(mutex_);
    paused = paused_;
    has_pauses_ = false;
  }
  some_paused_ = some_held_ = false;
  for (Partition& partition : partitions_) {
    const bool now = partition.index < paused.size() && paused[partition.index] && !partition.ended;
    if (now && !partition.paused) partition.came_before = bytes_while_paused_;
    partition.paused = now;
    some_paused_ = some_paused_ || now;
    some_held_ = some_held_ || (!now && (!partition.held.empty() || partition.restart_at >= 0));
  }
}

bool TopicFetcher::Hold(rd_kafka_message_t* message) {
  bytes_while_paused_ += static_cast<std::int64_t>(message->len + message->key_len);
  const bool at_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
  Partition* partition = Find(message->partition);
  if (partition == nullptr || !partition->paused || partition->ended || (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && !at_end))
    return false;
  if (partition->restart_at < 0)
    partition->held.Push(message);
  else
    rd_kafka_message_destroy(message);  // comes again
  return true;
}

void TopicFetcher::StopFetchingLongPaused() {
  const std::int64_t most = std::max(kLeastHeldBytes, kHeldBytes / static_cast<std::int64_t>(partitions_.size()));
  for (Partition& partition : partitions_) {
    const std::int64_t came = bytes_while_paused_ - partition.came_before;
    if (partition.paused && partition.active && partition.position >= 0 && came > most) StopFetching(&partition, came);
  }
}

void TopicFetcher::StopFetching(Partition* partition, std::int64_t came) {
  if (4 * partition->held.size_bytes() < came) partition->held.Clear();
  partition->restart_at = partition->held.empty() ? partition->position : partition->held.next_offset();
  rd_kafka_consume_stop(topic_.get(), partition->split.partition);
  partition->active = false;
}

Status TopicFetcher::FetchAgain(Partition* partition) {
  const std::int32_t number = partition->split.partition;
  if (rd_kafka_consume_start_queue(topic_.get(), number, std::exchange(partition->restart_at, -1), fetched_.get()) != 0)
    return kafka::StatusOf(rd_kafka_last_error(), fmt::format("topic \"{}\" partition {}", options_.topic, number));
  partition->active = true;
  return Status::OK();
}

Result<bool> TopicFetcher::GiveHeld() {
  std::size_t left = kMessagesPerCall;
  some_held_ = false;
  for (Partition& partition : partitions_) {
    if (partition.paused) continue;
    while (left > 0 && !partition.held.empty() && !has_pauses_ && !stopping_) {
      const MessagePtr message = partition.held.Pop();
      HR_RETURN_NOT_OK(HandleMessage(*message));
      --left;
    }
    if (partition.ended) partition.held.Clear();
    if (partition.held.empty() && partition.restart_at >= 0 && !partition.ended) HR_RETURN_NOT_OK(FetchAgain(&partition));
    some_held_ = some_held_ || !partition.held.empty();
  }
  return some_held_;
}

Status TopicFetcher::HandleMessage(const rd_kafka_message_t& message) {
  Partition* partition = Find(message.partition);
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) return HandleError(message, partition);
  // A split that ended may still have records on their way to us.
  if (partition == nullptr || partition->ended) return Status::OK();
  return HandleRecord(message, partition);
}

Status TopicFetcher::HandleRecord(const rd_kafka_message_t& message, Partition* partition) {
  if (waiting_) ClearWaiting();
  const std::int64_t stop = partition->split.stop_offset;
  if (stop != kafka::kNoStop && message.offset >= stop) {
    // Offsets before the stop may hold no records (compaction, transaction markers), so the first one behind ends it too.
    End(partition);
    return Status::OK();
  }
  const std::int64_t rows = rows_->num_rows();
  HR_RETURN_NOT_OK(AppendValue(message));
  if (rows_->num_rows() > rows) CountRow(partition->index, &runs_);
  partition->position = message.offset + 1;
  partition->dirty = true;
  if (stop != kafka::kNoStop && partition->position >= stop) End(partition);
  return full() ? CloseBatch() : Status::OK();
}

Status TopicFetcher::AppendValue(const rd_kafka_message_t& message) {
  if (message.payload == nullptr) return RefuseRecord(message, "it has no value (a deletion marker of a compacted topic)");
  if (rows_->num_rows() == 0) first_row_at_ = std::chrono::steady_clock::now();
  if (!metadata_.empty()) {
    const Status appended = metadata_.Append(message, options_.topic);
    if (!appended.ok()) return RefuseRecord(message, appended.message());
  }
  const Status appended = Decode(message);
  if (!appended.ok()) {
    if (!metadata_.empty()) metadata_.DropLast();
    // An error with a code is not the record's: the registry refuses us, say.
    return appended.IsInvalid() && appended.detail() == nullptr ? RefuseRecord(message, appended.message()) : appended;
  }
  if (options_.decoder.event_times) {
    rd_kafka_timestamp_type_t type{};
    rows_->AppendEventTime(rd_kafka_message_timestamp(&message, &type));
  }
  return Status::OK();
}

Status TopicFetcher::Decode(const rd_kafka_message_t& message) {
  const std::string_view payload(static_cast<const char*>(message.payload), message.len);
  Status appended = rows_->Append(payload);
  // A schema registry that is away is waited for, like the brokers.
  while (!appended.ok() && WhoActsOn(appended) == WhoActs::kTransient && !stopping_) {
    SetWaiting(appended.message());
    rd_kafka_poll(client_.get(), kRetryRegistryMs);
    appended = rows_->Append(payload);
    if (WhoActsOn(appended) != WhoActs::kTransient) ClearWaiting();
  }
  return appended;
}

Status TopicFetcher::RefuseRecord(const rd_kafka_message_t& message, const std::string& why) {
  if (dead_letters_ != nullptr) HR_RETURN_NOT_OK(dead_letters_->Write(message, options_.topic, why));
  return bad_records_.Handle(fmt::format("topic \"{}\", partition {}, offset {}", options_.topic, message.partition, message.offset), why,
                             {static_cast<const char*>(message.payload), message.payload == nullptr ? 0 : message.len});
}

Status TopicFetcher::AwaitDeadLetters() {
  bool said = false;
  while (!stopping_ && dead_letters_->unacknowledged() > 0) {
    HR_RETURN_NOT_OK(dead_letters_->Await(100));
    if (dead_letters_->unacknowledged() == 0) break;
    if (!said && context_.on_waiting)
      context_.on_waiting(fmt::format("the dead letter topic \"{}\" does not answer yet", options_.dead_letter_topic));
    said = true;
  }
  if (said && context_.on_waiting) context_.on_waiting("");
  return dead_letters_->Await(0);
}

void TopicFetcher::End(Partition* partition) {
  partition->position = std::max(partition->position, partition->split.stop_offset);
  partition->ended = partition->dirty = true;
  if (partition->active) rd_kafka_consume_stop(topic_.get(), partition->split.partition);
  partition->active = false;
}

Status TopicFetcher::HandleError(const rd_kafka_message_t& message, Partition* partition) {
  const std::string what = fmt::format("topic \"{}\" partition {}", options_.topic, message.partition);
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    if (waiting_) ClearWaiting();
    if (partition == nullptr || partition->ended) return Status::OK();
    if (message.offset > partition->position) {
      partition->position = message.offset;
      partition->dirty = true;
    }
    if (partition->split.stop_offset != kafka::kNoStop && message.offset >= partition->split.stop_offset) End(partition);
    return Status::OK();
  }
  if (message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || message.err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
    // Where it is to be fetched again this comes again.
    if (partition == nullptr || partition->ended || partition->restart_at >= 0) return Status::OK();
    LogWarn(
        "kafka",
        fmt::format("{}: offset {} is no longer there (retention, or the topic was made anew); reading goes on at the beginning of the log",
                    what, partition->position),
        {{"job_id", context_.job_id}});
    // Its fetching has ended with this error, so seeking would not help: it is started anew.
    rd_kafka_consume_stop(topic_.get(), message.partition);
    if (rd_kafka_consume_start_queue(topic_.get(), message.partition, RD_KAFKA_OFFSET_BEGINNING, fetched_.get()) == 0) return Status::OK();
    partition->active = false;
    return kafka::StatusOf(rd_kafka_last_error(), what);
  }
  if (kafka::IsUnknownTopic(message.err)) return TopicIsUnknown(std::chrono::steady_clock::now());
  const Status status = kafka::StatusOf(message.err, what, rd_kafka_message_errstr(&message));
  if (kafka::IsRefusal(message.err) || WhoActsOn(status) == WhoActs::kCorruption) return status;
  SetWaiting(status.message());
  return Status::OK();
}

void TopicFetcher::OnError(rd_kafka_t* client, int error, const char* reason, void* opaque) {
  auto* self = static_cast<TopicFetcher*>(opaque);
  const auto code = static_cast<rd_kafka_resp_err_t>(error);
  if (kafka::IsRefusal(code)) {
    self->fatal_ = kafka::StatusOf(code, fmt::format("brokers {}", self->options_.settings.bootstrap_servers), reason);
  } else if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || code == RD_KAFKA_RESP_ERR__RESOLVE) {
    self->SetWaitingForBrokers(reason);
  } else if (kafka::IsPassing(code)) {
    self->broker_error_ = reason;
  }
}

void TopicFetcher::OnCommit(rd_kafka_t* client, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* offsets, void* opaque) {
  auto* self = static_cast<TopicFetcher*>(opaque);
  self->commit_pending_ = kafka::IsPassing(error);
  self->commit_refused_ = self->commit_pending_;
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__NO_OFFSET || kafka::IsPassing(error) || self->commit_warned_)
    return;
  self->commit_warned_ = true;
  LogWarn("kafka",
          fmt::format("progress of group \"{}\" cannot be shown: {}; reading is not affected", self->options_.group_id,
                      rd_kafka_err2str(error)),
          {{"job_id", self->context_.job_id}});
}

Status TopicFetcher::KeepHouse(SteadyTime now) {
  next_housekeeping_ = now + kHousekeeping;
  rd_kafka_poll(client_.get(), 0);
  HR_RETURN_NOT_OK(fatal_);
  if (waiting_ || now - last_heard_ >= options_.ask_after_silence) HR_RETURN_NOT_OK(ProbeBroker(now));
  PublishLag();
  if (!options_.group_id.empty() && now >= next_commit_) {
    next_commit_ = now + kCommitInterval;
    Commit();
  }
  return Status::OK();
}

Status TopicFetcher::ProbeBroker(SteadyTime now) {
  last_heard_ = now;
  const rd_kafka_metadata_t* metadata = nullptr;
  const rd_kafka_resp_err_t error = rd_kafka_metadata(client_.get(), 0, topic_.get(), &metadata, kProbeTimeoutMs);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    unknown_topic_ = false;  // an absent broker says nothing about the topic
    if (!waiting_) SetWaitingForBrokers(rd_kafka_err2str(error));
    return Status::OK();
  }
  const std::unique_ptr<const rd_kafka_metadata_t, decltype(&rd_kafka_metadata_destroy)> owned(metadata, &rd_kafka_metadata_destroy);
  if (metadata->topic_cnt < 1 || kafka::IsUnknownTopic(metadata->topics[0].err)) return TopicIsUnknown(now);
  unknown_topic_ = false;
  const rd_kafka_metadata_topic_t& topic = metadata->topics[0];
  if (kafka::IsRefusal(topic.err)) return kafka::StatusOf(topic.err, fmt::format("topic \"{}\"", options_.topic));
  const bool good =
      topic.err == RD_KAFKA_RESP_ERR_NO_ERROR && std::all_of(topic.partitions, topic.partitions + topic.partition_cnt,
                                                             [](const auto& p) { return p.err == RD_KAFKA_RESP_ERR_NO_ERROR; });
  if (good && waiting_) ClearWaiting();
  return Status::OK();
}

Status TopicFetcher::TopicIsUnknown(SteadyTime now) {
  if (!std::exchange(unknown_topic_, true)) unknown_since_ = now;
  SetWaiting(fmt::format("topic \"{}\" is not known to the brokers at present", options_.topic));
  if (now - unknown_since_ < options_.gone_after) return Status::OK();
  return Error(ErrorCode::kUnknownTopic,
               fmt::format("topic \"{}\" is gone: the brokers have not known it for {} s", options_.topic,
                           std::chrono::duration_cast<std::chrono::seconds>(options_.gone_after).count()),
               "Create it again and restart the job, or cancel the job.");
}

void TopicFetcher::SetWaiting(const std::string& reason) {
  if (!waiting_) LogWarn("kafka", reason, {{"job_id", context_.job_id}});
  waiting_ = true;
  if (context_.on_waiting) context_.on_waiting(reason);
}

void TopicFetcher::SetWaitingForBrokers(std::string_view why) {
  // "1/1 brokers are down" hides a failed handshake or a wrong name; what was said of the broker itself does not.
  SetWaiting(fmt::format("no broker of {} answers: {}", options_.settings.bootstrap_servers, broker_error_.empty() ? why : broker_error_));
}

void TopicFetcher::ClearWaiting() {
  broker_error_.clear();
  if (waiting_) LogInfo("kafka", fmt::format("topic \"{}\": the brokers answer again", options_.topic), {{"job_id", context_.job_id}});
  waiting_ = false;
  if (context_.on_waiting) context_.on_waiting("");
}

void TopicFetcher::PublishLag() {
  if (lag_ == nullptr) return;
  std::int64_t lag = 0;
  for (const Partition& partition : partitions_) {
    std::int64_t low = 0, high = 0;
    if (partition.ended || rd_kafka_get_watermark_offsets(client_.get(), options_.topic.c_str(), partition.split.partition, &low, &high) !=
                               RD_KAFKA_RESP_ERR_NO_ERROR)
      continue;
    if (high > 0) lag += std::max<std::int64_t>(0, high - std::max(partition.position, low));
  }
  lag_->Set(static_cast<double>(lag));
}

void TopicFetcher::Commit() {
  kafka::OffsetsPtr offsets;
  {
    const std::lock_guard lock(mutex_);
    if (!consumed_moved_) return;
    consumed_moved_ = false;
    offsets.reset(rd_kafka_topic_partition_list_new(static_cast<int>(consumed_.size())));
    for (std::size_t i = 0; i < consumed_.size(); ++i) {
      if (consumed_[i] >= 0)
        rd_kafka_topic_partition_list_add(offsets.get(), options_.topic.c_str(), consumed_partition_[i])->offset = consumed_[i];
    }
  }
  commit_pending_ = rd_kafka_commit(client_.get(), offsets.get(), /*async=*/1) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

void TopicFetcher::CommitLast() {
  Commit();
  // The coordinator of a group that is new, or has just moved, refuses for a while: asked again until it answers or the time
  // is up. The commit is for display, so brokers that are away are not waited for.
  const SteadyTime until = std::chrono::steady_clock::now() + kLastCommit;
  while (commit_pending_ && !waiting_ && std::chrono::steady_clock::now() < until) {
    rd_kafka_poll(client_.get(), 30);
    if (!std::exchange(commit_refused_, false)) continue;
    rd_kafka_poll(client_.get(), 100);
    {
      const std::lock_guard lock(mutex_);
      consumed_moved_ = true;
    }
    Commit();
  }
}

}  // namespace headrace::data::connector
