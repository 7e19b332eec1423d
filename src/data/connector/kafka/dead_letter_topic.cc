#include "data/connector/kafka/dead_letter_topic.h"

#include <fmt/format.h>

#include <utility>

namespace headrace::data::connector {
namespace {

constexpr std::size_t kMaxWhyBytes = 1000;

struct HeadersDeleter {
  void operator()(rd_kafka_headers_t* headers) const { rd_kafka_headers_destroy(headers); }
};
using HeadersPtr = std::unique_ptr<rd_kafka_headers_t, HeadersDeleter>;

void Add(rd_kafka_headers_t* headers, const char* name, std::string_view value) {
  rd_kafka_header_add(headers, name, -1, value.data(), static_cast<ssize_t>(value.size()));
}

/// The record's own headers; none when it has none.
HeadersPtr HeadersOf(const rd_kafka_message_t& record) {
  rd_kafka_headers_t* original = nullptr;
  if (rd_kafka_message_headers(&record, &original) == RD_KAFKA_RESP_ERR_NO_ERROR) return HeadersPtr(rd_kafka_headers_copy(original));
  return HeadersPtr(rd_kafka_headers_new(8));
}

}  // namespace

DeadLetterTopic::DeadLetterTopic(kafka::ClientSettings settings, std::string topic, std::string job, std::string operator_name)
    : settings_(std::move(settings)), topic_(std::move(topic)), job_(std::move(job)), operator_name_(std::move(operator_name)) {}

DeadLetterTopic::~DeadLetterTopic() {
  if (client_ == nullptr) return;
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
  rd_kafka_poll(client_.get(), 0);
}

Status DeadLetterTopic::Connect() {
  const kafka::Properties defaults = {
      {"linger.ms", "5"}, {"partitioner", "murmur2_random"}, {"message.timeout.ms", "0"}, {"queue.buffering.max.kbytes", "32768"}};
  HR_ASSIGN_OR_RAISE(kafka::ConfPtr conf, kafka::MakeConf(settings_, defaults, {{"enable.idempotence", "true"}, {"acks", "all"}}));
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_dr_msg_cb(conf.get(), &DeadLetterTopic::OnDelivery);
  HR_ASSIGN_OR_RAISE(client_, kafka::MakeClient(RD_KAFKA_PRODUCER, std::move(conf)));
  return Status::OK();
}

void DeadLetterTopic::OnDelivery(rd_kafka_t* client, const rd_kafka_message_t* message, void* opaque) {
  auto* self = static_cast<DeadLetterTopic*>(opaque);
  ++self->answered_;
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && self->refused_.ok())
    self->refused_ = kafka::StatusOf(message->err, fmt::format("dead letter topic \"{}\"", self->topic_));
}

Status DeadLetterTopic::Write(const rd_kafka_message_t& record, const std::string& source_topic, std::string_view why) {
  if (client_ == nullptr) HR_RETURN_NOT_OK(Connect());
  HeadersPtr headers = HeadersOf(record);
  Add(headers.get(), "headrace.error", why.substr(0, kMaxWhyBytes));
  Add(headers.get(), "headrace.topic", source_topic);
  Add(headers.get(), "headrace.partition", std::to_string(record.partition));
  Add(headers.get(), "headrace.offset", std::to_string(record.offset));
  rd_kafka_timestamp_type_t type{};
  Add(headers.get(), "headrace.timestamp", std::to_string(rd_kafka_message_timestamp(&record, &type)));
  Add(headers.get(), "headrace.job", job_);
  Add(headers.get(), "headrace.operator", operator_name_);
  while (true) {
    const rd_kafka_resp_err_t error =
        rd_kafka_producev(client_.get(), RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                          RD_KAFKA_V_VALUE(record.payload, record.len), RD_KAFKA_V_KEY(record.key, record.key_len),
                          RD_KAFKA_V_HEADERS(headers.get()), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      (void)headers.release();  // the producer's now
      ++written_;
      return Status::OK();
    }
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) return kafka::StatusOf(error, fmt::format("dead letter topic \"{}\"", topic_));
    HR_RETURN_NOT_OK(Await(100));
  }
}

Status DeadLetterTopic::Await(int wait_ms) {
  if (client_ != nullptr) rd_kafka_poll(client_.get(), wait_ms);
  return refused_;
}

}  // namespace headrace::data::connector
