#pragma once
#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

namespace headrace::data::connector {

struct MessageDeleter {
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};
using MessagePtr = std::unique_ptr<rd_kafka_message_t, MessageDeleter>;

/// Messages of one partition that wait, in order, the word of its end among them. Owns them; must go before their client. Fetching thread
/// only.
class HeldMessages {
 public:
  HeldMessages() = default;
  HeldMessages(HeldMessages&&) = default;
  HeldMessages& operator=(HeldMessages&&) = default;
  void Push(rd_kafka_message_t* message) {
    size_bytes_ += static_cast<std::int64_t>(message->len + message->key_len);
    next_offset_ = message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? message->offset + 1 : message->offset;
    messages_.emplace_back(message);
  }
  MessagePtr Pop() {
    MessagePtr message = std::move(messages_.front());
    messages_.pop_front();
    size_bytes_ -= static_cast<std::int64_t>(message->len + message->key_len);
    return message;
  }
  void Clear() {
    messages_.clear();
    size_bytes_ = 0;
  }
  bool empty() const { return messages_.empty(); }
  /// Of keys and values.
  std::int64_t size_bytes() const { return size_bytes_; }
  /// Behind the last one that was pushed.
  std::int64_t next_offset() const { return next_offset_; }

 private:
  std::deque<MessagePtr> messages_;
  std::int64_t size_bytes_ = 0, next_offset_ = 0;
};

}  // namespace headrace::data::connector
