// Kafka to Kafka through a source reader and a sink writer, beside a bare librdkafka loop (consume a batch, produce it) in the
// same program on the same broker. Runs alternate; the ratio is the median over pairs.
//
//   bench_kafka_passthrough HOST:PORT [MESSAGES] [PAIRS]      one JSON object per result row on stdout, talk on stderr
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <future>
#include <mutex>
#include <string>
#include <vector>

#include "data/connector/sink.h"
#include "data/connector/source.h"
#include "kafka/admin_probe.h"
#include "kafka/client.h"

namespace headrace {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kMessageBytes = 300;

struct Sample {
  double messages_per_s = 0;
  double messages_per_cpu_s = 0;  ///< of this process; the broker's own work is not in it
};

double CpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Stopwatch {
 public:
  Sample Stop(std::int64_t messages) const {
    const double wall = std::chrono::duration<double>(Clock::now() - start_).count(), cpu = CpuSeconds() - cpu_;
    return {static_cast<double>(messages) / wall, static_cast<double>(messages) / cpu};
  }

 private:
  Clock::time_point start_ = Clock::now();
  double cpu_ = CpuSeconds();
};

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) {
    fmt::print(stderr, "kafka_passthrough: {}\n", result.status().ToString());
    std::exit(1);
  }
  return result.MoveValueUnsafe();
}
void Must(const Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "kafka_passthrough: {}\n", status.ToString());
  std::exit(1);
}

class Bench {
 public:
  Bench(std::string broker, std::int64_t messages) : messages_(messages), settings_(Must(kafka::MakeClientSettings(broker, {}))) {
    probe_ = Must(kafka::MakeAdminProbe(settings_, 20'000));
  }

  kafka::ClientPtr Client(rd_kafka_type_t type, kafka::Properties properties) {
    return Must(kafka::MakeClient(type, Must(kafka::MakeConf(settings_, {}, properties))));
  }

  void MakeTopic(const std::string& name, int partitions) {
    const kafka::ClientPtr client = Client(RD_KAFKA_PRODUCER, {});
    const kafka::QueuePtr queue(rd_kafka_queue_new(client.get()));
    std::array<char, 256> why{};
    rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(name.c_str(), partitions, 1, why.data(), why.size());
    rd_kafka_CreateTopics(client.get(), &topic, 1, nullptr, queue.get());
    rd_kafka_event_t* event = rd_kafka_queue_poll(queue.get(), 30'000);
    HR_CHECK(event != nullptr && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR, "CreateTopics");
    rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy(topic);
    (void)Partitions(name);
  }

  void DeleteTopic(const std::string& name) {
    const kafka::ClientPtr client = Client(RD_KAFKA_PRODUCER, {});
    const kafka::QueuePtr queue(rd_kafka_queue_new(client.get()));
    rd_kafka_DeleteTopic_t* topic = rd_kafka_DeleteTopic_new(name.c_str());
    rd_kafka_DeleteTopics(client.get(), &topic, 1, nullptr, queue.get());
    if (rd_kafka_event_t* event = rd_kafka_queue_poll(queue.get(), 30'000); event != nullptr) rd_kafka_event_destroy(event);
    rd_kafka_DeleteTopic_destroy(topic);
  }

  void Fill(const std::string& topic, int partitions) {
    const kafka::ClientPtr client = Client(RD_KAFKA_PRODUCER, {{"linger.ms", "20"}, {"queue.buffering.max.messages", "100000"}});
    const kafka::TopicPtr handle(rd_kafka_topic_new(client.get(), topic.c_str(), nullptr));
    std::string text(kMessageBytes, 'x');
    for (std::int64_t i = 0; i < messages_; ++i) {
      const std::string head = fmt::format("{{\"id\":{},\"text\":\"", i);
      text.replace(0, head.size(), head);
      while (rd_kafka_produce(handle.get(), static_cast<std::int32_t>(i % partitions), RD_KAFKA_MSG_F_COPY, text.data(), text.size(),
                              nullptr, 0, nullptr) != 0)
        rd_kafka_poll(client.get(), 20);
      if (i % 1024 == 0) rd_kafka_poll(client.get(), 0);
    }
    HR_CHECK(rd_kafka_flush(client.get(), 120'000) == RD_KAFKA_RESP_ERR_NO_ERROR, "the input topic was not filled");
  }

  std::vector<kafka::TopicSplit> Splits(const std::string& topic) {
    std::promise<Outcome<std::vector<kafka::TopicSplit>>> answered;
    kafka::ReadRange range;
    range.stop_at_latest = true;
    probe_->PlanSplits(topic, range, [&](auto answer) { answered.set_value(std::move(answer)); });
    auto answer = answered.get_future().get();
    Must(answer.reason());
    return answer.TakeValue();
  }

  std::size_t Partitions(const std::string& topic) {
    for (int tries = 0;; ++tries) {
      std::promise<Outcome<std::vector<std::int32_t>>> answered;
      probe_->ListPartitions(topic, [&](auto answer) { answered.set_value(std::move(answer)); });
      const auto answer = answered.get_future().get();
      if (answer.done()) return answer.value().size();
      if (tries == 20) Must(answer.reason());
      ::usleep(100'000);
    }
  }

  bool Complete(const std::string& topic) {
    std::int64_t records = 0;
    for (const kafka::TopicSplit& split : Splits(topic)) records += split.stop_offset - split.start_offset;
    return records == messages_;
  }

  /// The limit: one thread, batches from the consumer straight into the producer, errors counted, everything acknowledged at the end.
  Sample Bare(const std::string& from, const std::string& to) {
    const std::vector<kafka::TopicSplit> splits = Splits(from);
    const Stopwatch watch;
    const kafka::ClientPtr consumer = Client(RD_KAFKA_CONSUMER, {{"enable.auto.commit", "false"}, {"queued.min.messages", "100000"}});
    const kafka::TopicPtr in(rd_kafka_topic_new(consumer.get(), from.c_str(), nullptr));
    const kafka::QueuePtr queue(rd_kafka_queue_new(consumer.get()));
    for (const kafka::TopicSplit& split : splits) rd_kafka_consume_start_queue(in.get(), split.partition, split.start_offset, queue.get());
    kafka::ConfPtr conf = Must(
        kafka::MakeConf(settings_, {}, {{"enable.idempotence", "true"}, {"linger.ms", "5"}, {"queue.buffering.max.messages", "1000000"}}));
    static std::int64_t failed = 0;
    rd_kafka_conf_set_dr_msg_cb(
        conf.get(), [](rd_kafka_t*, const rd_kafka_message_t* message, void*) { failed += message->err != RD_KAFKA_RESP_ERR_NO_ERROR; });
    const kafka::ClientPtr producer = Must(kafka::MakeClient(RD_KAFKA_PRODUCER, std::move(conf)));
    const kafka::TopicPtr out(rd_kafka_topic_new(producer.get(), to.c_str(), nullptr));
    std::vector<rd_kafka_message_t*> batch(4096);
    for (std::int64_t done = 0; done < messages_;) {
      const ssize_t got = rd_kafka_consume_batch_queue(queue.get(), 5, batch.data(), batch.size());
      for (ssize_t i = 0; i < got; ++i) {
        const rd_kafka_message_t& message = *batch[static_cast<std::size_t>(i)];
        HR_CHECK(message.err == RD_KAFKA_RESP_ERR_NO_ERROR, rd_kafka_message_errstr(&message));
        while (rd_kafka_produce(out.get(), RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, message.payload, message.len, nullptr, 0, nullptr) !=
               0)
          rd_kafka_poll(producer.get(), 1);
        rd_kafka_message_destroy(batch[static_cast<std::size_t>(i)]);
      }
      done += std::max<ssize_t>(got, 0);
      rd_kafka_poll(producer.get(), 0);
    }
    HR_CHECK(rd_kafka_flush(producer.get(), 120'000) == RD_KAFKA_RESP_ERR_NO_ERROR && failed == 0, "the bare loop lost messages");
    const Sample sample = watch.Stop(messages_);
    for (const kafka::TopicSplit& split : splits) rd_kafka_consume_stop(in.get(), split.partition);
    return sample;
  }

  /// What a task does, without the task: poll, hold back while the sink is full, write, flush at the end.
  Sample Ours(const std::string& from, const std::string& to) {
    const std::vector<kafka::TopicSplit> splits = Splits(from);
    const Stopwatch watch;
    LoopWaker waker;
    data::connector::ConnectorContext context;
    context.job_id = "bench";
    context.waker = &waker;
    const auto spec = [&](const std::string& topic) {
      plan::ConnectorSpec made;
      made.kind = "kafka";
      made.options = {{"topic", topic}, {"bootstrap_servers", settings_.bootstrap_servers}};
      return made;
    };
    const auto reader = Must(data::connector::MakeSourceReader(spec(from)));
    const auto writer = Must(data::connector::MakeSinkWriter(spec(to)));
    Must(reader->Open(context));
    Must(writer->Open(context));
    std::vector<plan::SourceSplit> assigned;
    for (const kafka::TopicSplit& split : splits) assigned.push_back({split.Id(), split.ToPayload()});
    Must(reader->AddSplits(assigned));
    reader->NoMoreSplits();
    for (bool ended = false; !ended;) {
      Must(writer->Poll());
      if (!writer->writable()) {
        waker.Wait();
        continue;
      }
      data::connector::SourcePoll poll = Must(reader->Poll());
      ended = poll.kind == data::connector::SourcePoll::Kind::kEnd;
      if (poll.kind == data::connector::SourcePoll::Kind::kBatch)
        Must(writer->Write(poll.batch));
      else if (!ended)
        waker.Wait();
    }
    writer->RequestFlush();
    while (!writer->flushed()) {
      waker.Wait();
      Must(writer->Poll());
    }
    return watch.Stop(messages_);
  }

 private:
  class LoopWaker final : public Waker {
   public:
    void Wake() override {
      const std::lock_guard lock(mutex_);
      woken_ = true;
      changed_.notify_one();
    }
    void Wait() {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::milliseconds(100), [this] { return woken_; });
      woken_ = false;
    }

   private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool woken_ = false;
  };

  const std::int64_t messages_;
  kafka::ClientSettings settings_;
  std::unique_ptr<kafka::AdminProbe> probe_;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void PrintRow(const std::string& name, const std::string& metric, const std::vector<double>& ours, const std::vector<double>& bare,
              bool complete) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / bare[i]);
  fmt::print(
      "{{\"benchmark\":\"kafka_passthrough\",\"case\":\"{}\",\"metric\":\"{}\",\"value\":{:.0f},\"unit\":\"1/"
      "s\",\"limit\":{:.0f},\"ratio_to_limit\":{:.3f},\"pairs\":{},\"min\":{:.0f},\"max\":{:.0f},\"digest_ok\":{},\"aim\":\">= 60 % of the "
      "limit\"}}\n",
      name, metric, Median(ours), Median(bare), Median(ratios), ours.size(), *std::min_element(ours.begin(), ours.end()),
      *std::max_element(ours.begin(), ours.end()), complete);
}

int Run(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr, "usage: {} HOST:PORT [MESSAGES] [PAIRS]\n", arguments[0]);
    return 2;
  }
  const std::int64_t messages = count > 2 ? std::atoll(arguments[2]) : 1'000'000;
  const int pairs = count > 3 ? std::atoi(arguments[3]) : 5;
  const std::string only = count > 4 ? arguments[4] : "";
  for (const int partitions : {1, 8}) {
    Bench bench(arguments[1], messages);
    const std::string in = fmt::format("passthrough-in-{}-{}", ::getpid(), partitions);
    bench.MakeTopic(in, partitions);
    bench.Fill(in, partitions);
    std::array<std::vector<double>, 2> rate, per_cpu;  // ours, bare
    bool complete = true;
    for (int pair = 0; pair <= pairs; ++pair) {  // the first pair warms the broker
      for (int turn = 0; turn < 2; ++turn) {
        const int who = (turn + pair) % 2;  // whoever goes first pays for the broker's clean-up of the turn before
        if (only == (who == 0 ? "bare" : "ours")) continue;
        const std::string out = fmt::format("passthrough-out-{}-{}-{}-{}", ::getpid(), partitions, pair, who);
        bench.MakeTopic(out, partitions);
        const Sample sample = who == 0 ? bench.Ours(in, out) : bench.Bare(in, out);
        complete = complete && bench.Complete(out);
        bench.DeleteTopic(out);
        fmt::print(stderr, "{} partitions, {}: {:.0f} messages/s, {:.0f} per CPU second\n", partitions, who == 0 ? "headrace" : "bare loop",
                   sample.messages_per_s, sample.messages_per_cpu_s);
        if (pair == 0) continue;
        rate[static_cast<std::size_t>(who)].push_back(sample.messages_per_s);
        per_cpu[static_cast<std::size_t>(who)].push_back(sample.messages_per_cpu_s);
      }
    }
    bench.DeleteTopic(in);
    if (!only.empty()) continue;
    const std::string name = fmt::format("{} x {} B, {} partition{}", messages, kMessageBytes, partitions, partitions == 1 ? "" : "s");
    PrintRow(name, "messages", rate[0], rate[1], complete);
    PrintRow(name, "messages per CPU second", per_cpu[0], per_cpu[1], complete);
  }
  return 0;
}

}  // namespace
}  // namespace headrace

int main(int count, char** arguments) { return headrace::Run(count, arguments); }
