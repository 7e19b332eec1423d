// What reading JSON bids from a topic costs at least, in two parts: a bare librdkafka consumer, and a bare simdjson loop that takes auction
// and date_time of records that it kept.
//
//   bench_kafka_json_limits HOST:PORT TOPIC
//
// Then commands, a line each, answered by one JSON object a line:
//   consume      the whole topic, counted: {"records", "seconds"}, CPU seconds of the process
//   decode       the kept records, again and again: {"records", "seconds"}
#include <fmt/format.h>

#include <array>
#include <future>
#include <iostream>
#include <string>
#include <vector>

#include "bench/hand/hand_json_bids.h"
#include "bench/support/measure.h"
#include "kafka/admin_probe.h"
#include "kafka/client.h"

namespace {

using namespace headrace;         // NOLINT: one program
using namespace headrace::bench;  // NOLINT

constexpr std::size_t kKept = 200'000, kDecodeRounds = 5, kBatchRows = 4096;

class Limits {
 public:
  Limits(const std::string& broker, std::string topic) : topic_(std::move(topic)), settings_(Must(kafka::MakeClientSettings(broker, {}))) {
    probe_ = Must(kafka::MakeAdminProbe(settings_, 20'000));
    kept_.reserve(kKept);
  }

  void Consume() {
    const std::vector<kafka::TopicSplit> splits = Splits();
    std::int64_t left = 0, records = 0;
    for (const kafka::TopicSplit& split : splits) left += split.stop_offset - split.start_offset;
    const bool keep = kept_.empty();
    const double start = ProcessCpuSeconds();
    {
      const kafka::ClientPtr consumer = Must(kafka::MakeClient(
          RD_KAFKA_CONSUMER, Must(kafka::MakeConf(settings_, {}, {{"enable.auto.commit", "false"}, {"queued.min.messages", "100000"}}))));
      const kafka::TopicPtr topic(rd_kafka_topic_new(consumer.get(), topic_.c_str(), nullptr));
      const kafka::QueuePtr queue(rd_kafka_queue_new(consumer.get()));
      for (const kafka::TopicSplit& split : splits)
        rd_kafka_consume_start_queue(topic.get(), split.partition, split.start_offset, queue.get());
      std::vector<rd_kafka_message_t*> batch(kBatchRows);
      while (records < left) {
        const ssize_t got = rd_kafka_consume_batch_queue(queue.get(), 100, batch.data(), batch.size());
        for (ssize_t i = 0; i < got; ++i) {
          rd_kafka_message_t* message = batch[static_cast<std::size_t>(i)];
          if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) Die(rd_kafka_message_errstr(message));
          if (keep && kept_.size() < kKept) kept_.emplace_back(static_cast<const char*>(message->payload), message->len);
          ++records;
          rd_kafka_message_destroy(message);
        }
      }
      for (const kafka::TopicSplit& split : splits) rd_kafka_consume_stop(topic.get(), split.partition);
    }
    Answer(records, ProcessCpuSeconds() - start);
  }

  void Decode() {
    HandJsonBids hand;
    HandBids columns;
    const double start = ProcessCpuSeconds();
    for (std::size_t round = 0; round < kDecodeRounds; ++round) {
      for (const std::string& bid : kept_) {
        if (!hand.Append(bid, /*all=*/false, &columns)) Die("a record cannot be read: " + bid);
        if (columns.auction.size() == kBatchRows) columns.Clear();
      }
    }
    Answer(static_cast<std::int64_t>(kept_.size() * kDecodeRounds), ProcessCpuSeconds() - start);
  }

 private:
  std::vector<kafka::TopicSplit> Splits() {
    std::promise<Outcome<std::vector<kafka::TopicSplit>>> answered;
    kafka::ReadRange range;
    range.stop_at_latest = true;
    probe_->PlanSplits(topic_, range, [&](auto answer) { answered.set_value(std::move(answer)); });
    auto answer = answered.get_future().get();
    Must(answer.reason());
    return answer.TakeValue();
  }
  static void Answer(std::int64_t records, double seconds) {
    fmt::print("{{\"records\": {}, \"seconds\": {:.6f}}}\n", records, seconds);
    std::fflush(stdout);
  }

  const std::string topic_;
  kafka::ClientSettings settings_;
  std::unique_ptr<kafka::AdminProbe> probe_;
  std::vector<std::string> kept_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) Die("usage: bench_kafka_json_limits HOST:PORT TOPIC");
  Limits limits(argv[1], argv[2]);
  std::puts("{\"ready\": true}");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "consume")
      limits.Consume();
    else if (line == "decode")
      limits.Decode();
    else
      Die("no command " + line);
  }
  return 0;
}
