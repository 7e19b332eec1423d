#include <arrow/array/array_binary.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>

#include <algorithm>
#include <latch>
#include <map>
#include <set>
#include <thread>

#include "columnar/key_encoding.h"
#include "columnar/value_encoding.h"
#include "tests/connector_kafka/kafka_fixture.h"

namespace headrace::data::connector {
namespace {

class KafkaSinkOnBroker : public KafkaTest {
 protected:
  static columnar::DataBatch Keyed(const std::vector<std::string>& keys, const std::vector<std::string>& values) {
    arrow::LargeBinaryBuilder key_builder;
    arrow::LargeStringBuilder value_builder;
    for (const std::string& key : keys) HR_CHECK(key_builder.Append(key).ok());
    for (const std::string& value : values) HR_CHECK(value_builder.Append(value).ok());
    return *columnar::MakeValueBatch(columnar::ValueForm::kUtf8, *value_builder.Finish(), *key_builder.Finish());
  }
};

TEST_F(KafkaSinkOnBroker, RowsAndKeysAreReadableText) {
  const std::string topic = Topic(4);
  TestContext test;
  auto writer = OpenSink(Sink(topic), &test);
  std::string text_key, int_key, tuple_key;
  columnar::AppendKeyString("apple", &text_key);
  columnar::AppendKeyInt(42, &int_key);
  tuple_key = "\x50" + text_key + int_key + std::string(1, '\0');
  Write(writer.get(), &test, Keyed({text_key, int_key, tuple_key}, {"one", "two", ""}));
  std::string encoded;
  columnar::ValueWriter value(&encoded);
  value.TupleHeader(2);
  value.String("a");
  value.Int(1);
  columnar::ValueBatchBuilder builder(columnar::ValueForm::kEncoded);
  ASSERT_TRUE(builder.AppendBytes(encoded).ok());
  Write(writer.get(), &test, *builder.Finish());
  Flush(writer.get(), &test);
  std::map<std::string, std::string> by_key;
  for (const Message& message : ConsumeAll(topic)) by_key[message.key.value_or("<null>")] = message.value.value_or("<null>");
  EXPECT_EQ(by_key, (std::map<std::string, std::string>{{"apple", "one"}, {"42", "two"}, {"[\"apple\",42]", ""}, {"<null>", "[\"a\",1]"}}));
}

TEST_F(KafkaSinkOnBroker, OneKeyGoesToOnePartitionInOrder) {
  const std::string topic = Topic(8);
  TestContext test;
  auto writer = OpenSink(Sink(topic), &test);
  std::vector<std::string> keys, values;
  for (int i = 0; i < 4000; ++i) {
    keys.emplace_back();
    columnar::AppendKeyString("key " + std::to_string(i % 50), &keys.back());
    values.push_back(std::to_string(i));
  }
  Write(writer.get(), &test, Keyed(keys, values));
  Flush(writer.get(), &test);
  std::map<std::string, std::set<std::int32_t>> partitions;
  std::map<std::string, int> last;
  for (const Message& message : ConsumeAll(topic)) {
    partitions[*message.key].insert(message.partition);
    const int number = std::stoi(*message.value);
    EXPECT_GE(number, last[*message.key]);
    last[*message.key] = number;
  }
  ASSERT_EQ(partitions.size(), 50u);
  for (const auto& [key, where] : partitions) EXPECT_EQ(where.size(), 1u) << key;
}

TEST_F(KafkaSinkOnBroker, SubtasksOfAJobShareOneProducer) {
  const std::string topic = Topic(2);
  const auto threads = [] {
    int count = 0;
    FILE* file = std::fopen("/proc/self/status", "r");
    char line[256];
    while (std::fgets(line, sizeof(line), file) != nullptr) (void)std::sscanf(line, "Threads: %d", &count);
    std::fclose(file);
    return count;
  };
  TestContext test;
  auto first = OpenSink(Sink(topic), &test);
  Write(first.get(), &test, Numbered(0, 10));
  Flush(first.get(), &test);
  const int with_one = threads();
  std::vector<std::unique_ptr<SinkWriter>> more;
  for (int i = 0; i < 11; ++i) {
    more.push_back(OpenSink(Sink(topic), &test));
    Write(more.back().get(), &test, Numbered(10 + 10 * i, 10));
  }
  for (const auto& writer : more) Flush(writer.get(), &test);
  EXPECT_EQ(threads(), with_one);
  EXPECT_EQ(ConsumeAll(topic).size(), 120u);
}

TEST_F(KafkaSinkOnBroker, BrokerRestartLosesNothing) {
  const std::string topic = Topic(3);
  TestContext test;
  auto writer = OpenSink(Sink(topic), &test);
  constexpr int kBatches = 300, kRows = 1000;
  std::latch a_third_is_written(1), killed(1);
  std::thread restart([&] {
    a_third_is_written.wait();
    broker_.Kill();
    killed.count_down();
    broker_.Start();
  });
  // The second third is under way when the broker dies, the last one begins while it is away.
  for (int i = 0; i < kBatches; ++i) {
    if (i == kBatches / 3) a_third_is_written.count_down();
    if (i == kBatches * 2 / 3) killed.wait();
    Write(writer.get(), &test, Numbered(i * kRows, kRows));
  }
  restart.join();
  Flush(writer.get(), &test, 120'000);
  std::map<std::string, int> seen;
  for (const Message& message : ConsumeAll(topic)) ++seen[*message.value];
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kBatches * kRows));
}

TEST_F(KafkaSinkOnBroker, RefusedRowsSurfaceInPoll) {
  const std::string topic = Topic(1, {{"max.message.bytes", "2000"}});
  TestContext test;
  auto writer = OpenSink(Sink(topic), &test);
  Write(writer.get(), &test, TextBatch({std::string(20'000, 'x')}));
  Status status;
  ASSERT_TRUE(Eventually(&test, 20'000, [&] {
    status = writer->Poll();
    return !status.ok();
  }));
  EXPECT_NE(status.message().find(topic), std::string::npos) << status;
  // The client's own bound, which meets the row before it is sent.
  auto other = OpenSink(Sink(topic), &test);
  const Status huge = other->Write(TextBatch({"small", std::string(2'000'000, 'x'), "small"}));
  EXPECT_EQ(CodeOf(huge), ErrorCode::kBadRecord) << huge;
}

}  // namespace
}  // namespace headrace::data::connector
