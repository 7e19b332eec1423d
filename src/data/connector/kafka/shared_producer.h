#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "base/waker.h"
#include "columnar/data_batch.h"
#include "kafka/client.h"
#include "kafka/client_settings.h"

namespace headrace::data::connector {

/// What one sink writer has on its way: counted by its task when it hands a batch over and by the delivery thread when the
/// brokers answer. Shared by the writer and its batches, so it outlives both.
class DeliveryLedger {
 public:
  DeliveryLedger(Waker* waker, std::function<void(std::string)> on_waiting) : waker_(waker), on_waiting_(std::move(on_waiting)) {}

  // -- task
  void Begin(std::uint64_t sequence, std::int64_t bytes);
  std::int64_t outstanding_bytes() const { return outstanding_bytes_.load(std::memory_order_acquire); }
  /// Every batch up to `sequence` is acknowledged; never once rows were refused.
  bool Acknowledged(std::uint64_t sequence) const;
  Status error() const;
  /// The next answer of the brokers wakes the task. Check the condition again after asking.
  void WakeOnProgress() { wake_wanted_.store(true); }
  /// The writer goes away: its task is never called again.
  void Detach();

  // -- delivery thread
  void Complete(std::uint64_t sequence, std::int64_t bytes);
  void Fail(const Status& status);
  void WakeIfWanted();
  void SetWaiting(const std::string& reason);

 private:
  mutable std::mutex mutex_;
  Waker* waker_;                                 ///< null once detached
  std::function<void(std::string)> on_waiting_;  ///< empty once detached
  std::set<std::uint64_t> incomplete_;           ///< batches, so a handful
  Status error_;
  bool shows_waiting_ = false;
  std::atomic<std::int64_t> outstanding_bytes_{0};
  std::atomic<bool> wake_wanted_{false};
};

/// Rows of one Write() while librdkafka points into them. Counts its rows down; the last one frees it, wherever that happens.
class OutgoingBatch {
 public:
  OutgoingBatch(std::shared_ptr<DeliveryLedger> ledger, std::uint64_t sequence, columnar::DataBatch rows)
      : ledger_(std::move(ledger)), sequence_(sequence), rows_(std::move(rows)) {}
  /// Sets what is counted: `rows` messages, and one for the writer while it hands them over.
  void Begin(std::int64_t rows, std::int64_t bytes);
  /// `count` rows are answered (or were never taken). Deletes the batch with the last.
  void Release(std::int64_t count);
  DeliveryLedger& ledger() { return *ledger_; }

  std::string text;  ///< rendered values, when they are not in `rows` as they are
  std::string keys;

 private:
  ~OutgoingBatch() = default;
  std::shared_ptr<DeliveryLedger> ledger_;
  std::uint64_t sequence_;
  columnar::DataBatch rows_;
  std::int64_t bytes_ = 0;
  std::atomic<std::int64_t> remaining_{0};
};

/// One idempotent librdkafka producer for all sink subtasks of a job in this process with equal settings: its threads and
/// buffers cost the same for one subtask as for twelve, and batches fill better. Jobs do not share, so a cancelled job's
/// rows go with it and a fatal error stays with its job. Owned by its writers; the last one's end destroys it: what
/// is still queued then is dropped. Owns the delivery thread, which only counts and wakes.
class SharedProducer {
 public:
  /// What its queue holds, unless the job's properties say otherwise.
  static constexpr std::int64_t kQueueBytes = 64 << 20;

  /// The job's producer for these settings, made when there is none. kBadOption when librdkafka refuses the settings.
  static Result<std::shared_ptr<SharedProducer>> Get(const std::string& job_id, const kafka::ClientSettings& settings);
  ~SharedProducer();
  /// A handle for producing; lives as long as the producer.
  Result<rd_kafka_topic_t*> Topic(const std::string& name);
  void Attach(std::shared_ptr<DeliveryLedger> ledger);
  void Detach(const DeliveryLedger* ledger);

 private:
  SharedProducer(kafka::ClientPtr client, std::string bootstrap_servers);
  void Run();
  void HandleDeliveries(rd_kafka_event_t* event);
  void HandleError(rd_kafka_event_t* event);
  void AskBrokers();
  void FailAll(const Status& status);
  void SetWaiting(const std::string& reason);

  kafka::ClientPtr client_;
  const std::string bootstrap_servers_;
  kafka::QueuePtr events_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<DeliveryLedger>> ledgers_;
  std::vector<std::pair<std::string, kafka::TopicPtr>> topics_;
  std::string waiting_reason_;
  std::atomic<bool> broken_{false}, stopping_{false};
  bool waiting_ = false;      ///< delivery thread only
  std::string broker_error_;  ///< what librdkafka said last of one broker; delivery thread only
  std::thread thread_;
};

}  // namespace headrace::data::connector
