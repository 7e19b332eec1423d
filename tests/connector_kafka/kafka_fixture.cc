#include "tests/connector_kafka/kafka_fixture.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace headrace::data::connector {
namespace {

std::string RunCommand(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  HR_CHECK(pipe != nullptr);
  std::string output;
  std::array<char, 512> chunk;
  while (const std::size_t got = std::fread(chunk.data(), 1, chunk.size(), pipe)) output.append(chunk.data(), got);
  const int status = ::pclose(pipe);
  while (!output.empty() && output.back() == '\n') output.pop_back();
  HR_CHECK(status == 0, command + ": " + output);
  return output;
}

}  // namespace

Broker& Broker::Get() {
  static Broker broker;
  return broker;
}

Broker::Broker() {
  const char *script = std::getenv("HEADRACE_TEST_KAFKA_SCRIPT"), *folder = std::getenv("HEADRACE_TEST_KAFKA_DIR");
  HR_CHECK(script != nullptr && folder != nullptr, "no broker: start this program with tests/connector_kafka/run.sh");
  script_ = script;
  folder_ = folder;
  address_ = RunCommand(script_ + " address " + folder_);
}

void Broker::Run(const std::string& arguments) { RunCommand(script_ + " " + arguments); }

void Broker::MakeTopic(const std::string& name, int partitions, const std::map<std::string, std::string>& configs) {
  const auto settings = kafka::MakeClientSettings(address_, {});
  HR_CHECK(settings.ok());
  auto client = kafka::MakeClient(RD_KAFKA_PRODUCER, *kafka::MakeConf(*settings, {}, {}));
  HR_CHECK(client.ok());
  const kafka::QueuePtr queue(rd_kafka_queue_new(client->get()));
  std::array<char, 512> why{};
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(name.c_str(), partitions, 1, why.data(), why.size());
  HR_CHECK(topic != nullptr, why.data());
  for (const auto& [key, value] : configs) rd_kafka_NewTopic_set_config(topic, key.c_str(), value.c_str());
  rd_kafka_CreateTopics(client->get(), &topic, 1, nullptr, queue.get());
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue.get(), 30'000);
  HR_CHECK(event != nullptr, "no answer to CreateTopics");
  std::size_t count = 0;
  const rd_kafka_topic_result_t** results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
  HR_CHECK(count == 1);
  const rd_kafka_resp_err_t created = rd_kafka_topic_result_error(results[0]);
  rd_kafka_event_destroy(event);
  rd_kafka_NewTopic_destroy(topic);
  if (created == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
    rd_kafka_NewPartitions_t* more = rd_kafka_NewPartitions_new(name.c_str(), static_cast<std::size_t>(partitions), why.data(), why.size());
    rd_kafka_CreatePartitions(client->get(), &more, 1, nullptr, queue.get());
    event = rd_kafka_queue_poll(queue.get(), 30'000);
    HR_CHECK(event != nullptr && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR, "CreatePartitions");
    rd_kafka_event_destroy(event);
    rd_kafka_NewPartitions_destroy(more);
  } else {
    HR_CHECK(created == RD_KAFKA_RESP_ERR_NO_ERROR, rd_kafka_err2str(created));
  }
}

void Broker::DeleteTopic(const std::string& name) {
  auto client = kafka::MakeClient(RD_KAFKA_PRODUCER, *kafka::MakeConf(*kafka::MakeClientSettings(address_, {}), {}, {}));
  HR_CHECK(client.ok());
  const kafka::QueuePtr queue(rd_kafka_queue_new(client->get()));
  rd_kafka_DeleteTopic_t* topic = rd_kafka_DeleteTopic_new(name.c_str());
  rd_kafka_DeleteTopics(client->get(), &topic, 1, nullptr, queue.get());
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue.get(), 30'000);
  HR_CHECK(event != nullptr && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR, "DeleteTopics");
  rd_kafka_event_destroy(event);
  rd_kafka_DeleteTopic_destroy(topic);
}

void KafkaTest::SetUp() {
  auto probe = kafka::MakeAdminProbe(*kafka::MakeClientSettings(broker_.address(), {}), 10'000);
  ASSERT_TRUE(probe.ok()) << probe.status();
  probe_ = std::move(*probe);
}

std::string KafkaTest::RawTopicName() {
  static int next = 0;
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  return std::string(info->name()) + "-" + std::to_string(::getpid()) + "-" + std::to_string(next++);
}

std::string KafkaTest::Topic(int partitions, const std::map<std::string, std::string>& configs) {
  std::string name = RawTopicName();
  broker_.MakeTopic(name, partitions, configs);
  return name;
}

void KafkaTest::Produce(const std::string& topic, const std::vector<Message>& messages,
                        const std::map<std::string, std::string>& properties) {
  std::vector<std::pair<std::string, std::string>> list(properties.begin(), properties.end());
  // One request at a time: a request that a restarting broker refuses must not come behind the one after it.
  const kafka::Properties in_order = {{"linger.ms", "5"}, {"max.in.flight.requests.per.connection", "1"}};
  auto client = kafka::MakeClient(RD_KAFKA_PRODUCER, *kafka::MakeConf(*kafka::MakeClientSettings(broker_.address(), list), in_order, {}));
  ASSERT_TRUE(client.ok()) << client.status();
  for (const Message& message : messages) {
    // The macros cast what they are given, which has to be a plain variable.
    const void* key = message.key ? message.key->data() : nullptr;
    const void* value = message.value ? message.value->data() : nullptr;
    const std::size_t key_size = message.key ? message.key->size() : 0, value_size = message.value ? message.value->size() : 0;
    while (true) {
      rd_kafka_headers_t* headers = rd_kafka_headers_new(message.headers.size());
      for (const auto& [name, text] : message.headers)
        rd_kafka_header_add(headers, name.c_str(), -1, text.data(), static_cast<ssize_t>(text.size()));
      const auto error = rd_kafka_producev(client->get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(message.partition),
                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key, key_size),
                                           RD_KAFKA_V_VALUE(const_cast<void*>(value), value_size),
                                           RD_KAFKA_V_TIMESTAMP(message.timestamp_ms), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
      if (error != RD_KAFKA_RESP_ERR_NO_ERROR) rd_kafka_headers_destroy(headers);
      if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        rd_kafka_poll(client->get(), 50);
        continue;
      }
      ASSERT_EQ(error, RD_KAFKA_RESP_ERR_NO_ERROR) << rd_kafka_err2str(error);
      break;
    }
  }
  ASSERT_EQ(rd_kafka_flush(client->get(), 60'000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

void KafkaTest::ProduceLines(const std::string& topic, std::int32_t partition, int first, int count) {
  std::vector<Message> messages;
  for (int i = 0; i < count; ++i) messages.push_back({partition, std::nullopt, "line " + std::to_string(first + i), 0});
  Produce(topic, messages);
}

void KafkaTest::ProduceInTransaction(const std::string& topic, std::int32_t partition, int count, bool commit) {
  auto client = kafka::MakeClient(
      RD_KAFKA_PRODUCER, *kafka::MakeConf(*kafka::MakeClientSettings(broker_.address(), {}), {}, {{"transactional.id", "tests-" + topic}}));
  ASSERT_TRUE(client.ok()) << client.status();
  const auto check = [](rd_kafka_error_t* error) {
    EXPECT_EQ(error, nullptr) << rd_kafka_error_string(error);
    if (error != nullptr) rd_kafka_error_destroy(error);
  };
  check(rd_kafka_init_transactions(client->get(), 30'000));
  check(rd_kafka_begin_transaction(client->get()));
  for (int i = 0; i < count; ++i) {
    std::string value = (commit ? "committed " : "aborted ") + std::to_string(i);
    rd_kafka_producev(client->get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition),
                      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(value.data(), value.size()), RD_KAFKA_V_END);
  }
  rd_kafka_flush(client->get(), 30'000);
  check(commit ? rd_kafka_commit_transaction(client->get(), 30'000) : rd_kafka_abort_transaction(client->get(), 30'000));
}

std::vector<Message> KafkaTest::ConsumeAll(const std::string& topic) {
  auto client = kafka::MakeClient(
      RD_KAFKA_CONSUMER,
      *kafka::MakeConf(*kafka::MakeClientSettings(broker_.address(), {}), {},
                       {{"group.id", "tests-consume-all"}, {"enable.partition.eof", "true"}, {"enable.auto.commit", "false"}}));
  HR_CHECK(client.ok());
  const auto partitions = Await<std::vector<std::int32_t>>([&](auto done) { probe_->ListPartitions(topic, done); });
  HR_CHECK(partitions.done());
  const kafka::OffsetsPtr assignment(rd_kafka_topic_partition_list_new(4));
  for (const std::int32_t partition : partitions.value())
    rd_kafka_topic_partition_list_add(assignment.get(), topic.c_str(), partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_assign(client->get(), assignment.get());
  std::vector<Message> messages;
  std::size_t ended = 0;
  while (ended < partitions.value().size()) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(client->get(), 30'000);
    HR_CHECK(message != nullptr, "the topic does not end");
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) ++ended;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      Message copy;
      copy.partition = message->partition;
      if (message->key != nullptr) copy.key.emplace(static_cast<const char*>(message->key), message->key_len);
      if (message->payload != nullptr) copy.value.emplace(static_cast<const char*>(message->payload), message->len);
      rd_kafka_headers_t* headers = nullptr;
      rd_kafka_message_headers(message, &headers);
      const char* name = nullptr;
      const void* value = nullptr;
      std::size_t size = 0;
      for (std::size_t i = 0; headers != nullptr && rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
           ++i)
        copy.headers.emplace(name, std::string(static_cast<const char*>(value), size));
      messages.push_back(std::move(copy));
    }
    rd_kafka_message_destroy(message);
  }
  rd_kafka_consumer_close(client->get());
  return messages;
}

std::vector<plan::SourceSplit> KafkaTest::Plan(const std::string& topic, kafka::ReadRange range) {
  const auto planned = Await<std::vector<kafka::TopicSplit>>([&](auto done) { probe_->PlanSplits(topic, range, done); });
  HR_CHECK(planned.done(), planned.reason().ToString());
  std::vector<plan::SourceSplit> splits;
  for (const kafka::TopicSplit& split : planned.value()) splits.push_back({split.Id(), split.ToPayload()});
  return splits;
}

plan::ConnectorSpec KafkaTest::Source(const std::string& topic, std::map<std::string, std::string> options) {
  options["topic"] = topic;
  options["bootstrap_servers"] = broker_.address();
  return SpecOf("kafka", std::move(options));
}

plan::ConnectorSpec KafkaTest::Sink(const std::string& topic, std::map<std::string, std::string> options) {
  return Source(topic, std::move(options));
}

std::unique_ptr<SourceReader> KafkaTest::Open(const plan::ConnectorSpec& spec, TestContext* test,
                                              const std::vector<plan::SourceSplit>& splits) {
  auto reader = MakeSourceReader(spec);
  HR_CHECK(reader.ok(), reader.status().ToString());
  Status status = (*reader)->Open(test->context);
  if (status.ok()) status = (*reader)->AddSplits(splits);
  HR_CHECK(status.ok(), status.ToString());
  return std::move(*reader);
}

std::unique_ptr<SinkWriter> KafkaTest::OpenSink(const plan::ConnectorSpec& spec, TestContext* test) {
  auto writer = MakeSinkWriter(spec);
  HR_CHECK(writer.ok(), writer.status().ToString());
  HR_CHECK((*writer)->Open(test->context).ok());
  return std::move(*writer);
}

void KafkaTest::Write(SinkWriter* writer, TestContext* test, const columnar::DataBatch& batch) {
  ASSERT_TRUE(Eventually(test, 60'000, [&] { return !writer->Poll().ok() || writer->writable(); }));
  ASSERT_TRUE(writer->Poll().ok()) << writer->Poll();
  ASSERT_TRUE(writer->Write(batch).ok());
}

void KafkaTest::Flush(SinkWriter* writer, TestContext* test, int timeout_ms) {
  writer->RequestFlush();
  ASSERT_TRUE(Eventually(test, timeout_ms, [&] { return !writer->Poll().ok() || writer->flushed(); }));
  ASSERT_TRUE(writer->Poll().ok()) << writer->Poll();
}

columnar::DataBatch KafkaTest::Numbered(int first, int count) {
  std::vector<std::string> rows;
  for (int i = 0; i < count; ++i) rows.push_back("row " + std::to_string(first + i));
  return TextBatch(rows);
}

bool Eventually(TestContext* test, int timeout_ms, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    test->waker.Wait(20);
  }
  return true;
}

}  // namespace headrace::data::connector
