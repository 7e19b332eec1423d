#include "data/connector/kafka/shared_producer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <utility>

#include "base/logging.h"

namespace headrace::data::connector {
namespace {

constexpr int kIdleWaitMs = 1000;
constexpr int kProbeTimeoutMs = 500;
constexpr std::chrono::milliseconds kPurgeWithin{2000};

struct ProducerKey {
  std::string job_id;
  kafka::ClientSettings settings;
  auto operator<=>(const ProducerKey&) const = default;
};

struct Pool {
  std::mutex mutex;
  std::map<ProducerKey, std::weak_ptr<SharedProducer>> producers;
};

Pool& ThePool() {
  static Pool pool;
  return pool;
}

}  // namespace

// ---- DeliveryLedger ----

void DeliveryLedger::Begin(std::uint64_t sequence, std::int64_t bytes) {
  outstanding_bytes_ += bytes;
  const std::lock_guard lock(mutex_);
  incomplete_.insert(sequence);
}

bool DeliveryLedger::Acknowledged(std::uint64_t sequence) const {
  const std::lock_guard lock(mutex_);
  // Refused rows leave `incomplete_` as well. They were reported before, so one look at both tells them apart.
  return error_.ok() && (incomplete_.empty() || *incomplete_.begin() > sequence);
}

Status DeliveryLedger::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

void DeliveryLedger::Detach() {
  const std::lock_guard lock(mutex_);
  waker_ = nullptr;
  on_waiting_ = nullptr;
}

void DeliveryLedger::Complete(std::uint64_t sequence, std::int64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    incomplete_.erase(sequence);
  }
  outstanding_bytes_ -= bytes;
}

void DeliveryLedger::Fail(const Status& status) {
  const std::lock_guard lock(mutex_);
  if (error_.ok()) error_ = status;
  if (waker_ != nullptr) waker_->Wake();
}

void DeliveryLedger::WakeIfWanted() {
  if (!wake_wanted_.exchange(false)) return;
  const std::lock_guard lock(mutex_);
  if (waker_ != nullptr) waker_->Wake();
}

void DeliveryLedger::SetWaiting(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (!on_waiting_ || (reason.empty() && !shows_waiting_)) return;
  shows_waiting_ = !reason.empty();
  on_waiting_(reason);
}

// ---- OutgoingBatch ----

void OutgoingBatch::Begin(std::int64_t rows, std::int64_t bytes) {
  bytes_ = bytes;
  remaining_ = rows + 1;
  ledger_->Begin(sequence_, bytes);
}

void OutgoingBatch::Release(std::int64_t count) {
  if (count == 0 || remaining_.fetch_sub(count, std::memory_order_acq_rel) != count) return;
  ledger_->Complete(sequence_, bytes_);
  delete this;
}

// ---- SharedProducer ----

Result<std::shared_ptr<SharedProducer>> SharedProducer::Get(const std::string& job_id, const kafka::ClientSettings& settings) {
  Pool& pool = ThePool();
  const std::lock_guard lock(pool.mutex);
  std::erase_if(pool.producers, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<SharedProducer>& slot = pool.producers[ProducerKey{job_id, settings}];
  if (std::shared_ptr<SharedProducer> existing = slot.lock(); existing != nullptr && !existing->broken_) return existing;
  const std::string queue_kbytes = std::to_string(kQueueBytes / 1024);  // Properties are views
  const kafka::Properties defaults = {{"linger.ms", "5"},
                                      {"queue.buffering.max.messages", "1000000"},
                                      {"queue.buffering.max.kbytes", queue_kbytes},
                                      {"partitioner", "murmur2_random"},
                                      // A row is tried until it is taken or the job ends: time alone never fails it.
                                      {"message.timeout.ms", "0"}};
  HR_ASSIGN_OR_RAISE(kafka::ConfPtr conf, kafka::MakeConf(settings, defaults, {{"enable.idempotence", "true"}, {"acks", "all"}}));
  rd_kafka_conf_set_events(conf.get(), RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
  HR_ASSIGN_OR_RAISE(kafka::ClientPtr client, kafka::MakeClient(RD_KAFKA_PRODUCER, std::move(conf)));
  std::shared_ptr<SharedProducer> made(new SharedProducer(std::move(client), settings.bootstrap_servers));
  made->thread_ = std::thread([producer = made.get()] { producer->Run(); });
  slot = made;
  return made;
}

SharedProducer::SharedProducer(kafka::ClientPtr client, std::string bootstrap_servers)
    : client_(std::move(client)), bootstrap_servers_(std::move(bootstrap_servers)), events_(rd_kafka_queue_get_main(client_.get())) {}

SharedProducer::~SharedProducer() {
  stopping_ = true;
  // Purged rows are reported like failed ones, which frees the batches they point into.
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
  rd_kafka_queue_yield(events_.get());
  if (thread_.joinable()) thread_.join();
  topics_.clear();
  events_.reset();
  client_.reset();
}

Result<rd_kafka_topic_t*> SharedProducer::Topic(const std::string& name) {
  const std::lock_guard lock(mutex_);
  for (const auto& [known, handle] : topics_) {
    if (known == name) return handle.get();
  }
  kafka::TopicPtr handle(rd_kafka_topic_new(client_.get(), name.c_str(), nullptr));
  if (handle == nullptr) return kafka::StatusOf(rd_kafka_last_error(), fmt::format("topic \"{}\"", name));
  topics_.emplace_back(name, std::move(handle));
  return topics_.back().second.get();
}

void SharedProducer::Attach(std::shared_ptr<DeliveryLedger> ledger) {
  const std::lock_guard lock(mutex_);
  if (!waiting_reason_.empty()) ledger->SetWaiting(waiting_reason_);
  ledgers_.push_back(std::move(ledger));
}

void SharedProducer::Detach(const DeliveryLedger* ledger) {
  const std::lock_guard lock(mutex_);
  std::erase_if(ledgers_, [ledger](const auto& other) { return other.get() == ledger; });
}

void SharedProducer::Run() {
  std::chrono::steady_clock::time_point give_up{};
  while (true) {
    if (stopping_) {
      const auto now = std::chrono::steady_clock::now();
      if (give_up == std::chrono::steady_clock::time_point{}) give_up = now + kPurgeWithin;
      if (rd_kafka_outq_len(client_.get()) == 0 || now > give_up) return;
    }
    rd_kafka_event_t* event = rd_kafka_queue_poll(events_.get(), stopping_ ? 20 : kIdleWaitMs);
    if (event == nullptr) {
      if (waiting_ && !stopping_) AskBrokers();
      continue;
    }
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
      HandleDeliveries(event);
    else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
      HandleError(event);
    rd_kafka_event_destroy(event);
  }
}

void SharedProducer::HandleDeliveries(rd_kafka_event_t* event) {
  // Rows of a batch mostly come back side by side: one countdown a run of them. A released batch may be gone, so the
  // pointer of the last run is not touched again.
  OutgoingBatch* batch = nullptr;
  std::int64_t run = 0;
  bool delivered = false;
  while (const rd_kafka_message_t* message = rd_kafka_event_message_next(event)) {
    auto* owner = static_cast<OutgoingBatch*>(message->_private);
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      // Rows that we drop ourselves have no writer left that could be told.
      if (!stopping_)
        owner->ledger().Fail(
            kafka::StatusOf(message->err, fmt::format("topic \"{}\" partition {}", rd_kafka_topic_name(message->rkt), message->partition),
                            rd_kafka_message_errstr(message)));
    } else {
      delivered = true;
    }
    if (owner != batch) {
      if (batch != nullptr) batch->Release(run);
      batch = owner;
      run = 0;
    }
    ++run;
  }
  if (batch != nullptr) batch->Release(run);
  if (delivered && waiting_) SetWaiting("");
  const std::lock_guard lock(mutex_);
  for (const auto& ledger : ledgers_) ledger->WakeIfWanted();
}

void SharedProducer::HandleError(rd_kafka_event_t* event) {
  const rd_kafka_resp_err_t error = rd_kafka_event_error(event);
  const char* reason = rd_kafka_event_error_string(event);
  if (error == RD_KAFKA_RESP_ERR__FATAL) {
    std::array<char, 512> why{};
    rd_kafka_fatal_error(client_.get(), why.data(), why.size());
    broken_ = true;
    FailAll(Error(ErrorCode::kConnectorIo, fmt::format("the producer for {} cannot go on: {}", bootstrap_servers_, why.data()),
                  "The job restarts with a new producer by itself."));
  } else if (kafka::IsRefusal(error)) {
    FailAll(kafka::StatusOf(error, fmt::format("brokers {}", bootstrap_servers_), reason));
  } else if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || error == RD_KAFKA_RESP_ERR__RESOLVE) {
    SetWaiting(fmt::format("no broker of {} answers: {}", bootstrap_servers_, broker_error_.empty() ? reason : broker_error_));
  } else if (kafka::IsPassing(error)) {
    broker_error_ = reason;
  }
}

void SharedProducer::AskBrokers() {
  // Without rows on their way no delivery would tell that the brokers are back.
  const rd_kafka_metadata_t* metadata = nullptr;
  if (rd_kafka_metadata(client_.get(), 0, nullptr, &metadata, kProbeTimeoutMs) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  rd_kafka_metadata_destroy(metadata);
  SetWaiting("");
}

void SharedProducer::FailAll(const Status& status) {
  const std::lock_guard lock(mutex_);
  for (const auto& ledger : ledgers_) ledger->Fail(status);
}

void SharedProducer::SetWaiting(const std::string& reason) {
  if (!waiting_ && !reason.empty()) LogWarn("kafka", reason);
  if (waiting_ && reason.empty()) LogInfo("kafka", fmt::format("the brokers of {} take rows again", bootstrap_servers_));
  waiting_ = !reason.empty();
  if (!waiting_) broker_error_.clear();
  const std::lock_guard lock(mutex_);
  waiting_reason_ = reason;
  for (const auto& ledger : ledgers_) ledger->SetWaiting(reason);
}

}  // namespace headrace::data::connector
