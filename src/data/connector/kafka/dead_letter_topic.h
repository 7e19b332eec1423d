#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "kafka/client.h"
#include "kafka/client_settings.h"

namespace headrace::data::connector {

/// Where a Kafka source puts the records that it cannot decode: the record as it came (key, value, headers), with headers that say
/// where it stood and why it was refused: headrace.error, headrace.topic, headrace.partition, headrace.offset, headrace.timestamp,
/// headrace.job, headrace.operator. At least once: a restarted job writes records again.
/// Owns an idempotent producer, made with the first record. Thread: the source's fetching thread; Write never blocks for long.
class DeadLetterTopic {
 public:
  DeadLetterTopic(kafka::ClientSettings settings, std::string topic, std::string job, std::string operator_name);
  ~DeadLetterTopic();
  /// `source_topic` is where the record stood.
  Status Write(const rd_kafka_message_t& record, const std::string& source_topic, std::string_view why);
  /// What was written and is not acknowledged yet; after Await() returned, since what the brokers answered until then.
  std::int64_t unacknowledged() const { return written_ - answered_; }
  /// Takes up the brokers' answers, waiting up to `wait_ms` for one. The error is of a record that they refused for good.
  Status Await(int wait_ms);

 private:
  Status Connect();
  static void OnDelivery(rd_kafka_t* client, const rd_kafka_message_t* message, void* opaque);

  const kafka::ClientSettings settings_;
  const std::string topic_, job_, operator_name_;
  kafka::ClientPtr client_;
  std::int64_t written_ = 0, answered_ = 0;
  Status refused_;
};

}  // namespace headrace::data::connector
