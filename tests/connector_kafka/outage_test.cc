#include <string>

#include "tests/connector_kafka/kafka_fixture.h"

namespace headrace::data::connector {
namespace {

/// Everybody who is connected when the broker goes away, and comes back. Starting a broker takes longer than all else here, so
/// one outage serves all cases; each has a topic and a job of its own.
class BrokerOutage : public KafkaTest {
 protected:
  struct Case {
    explicit Case(std::string letter) { test.context.job_id = std::string(31, '0') + letter; }
    bool shows_reason() { return !test.Waiting().empty() && !test.Waiting().back().empty(); }
    TestContext test;
    std::string topic;
    std::unique_ptr<SourceReader> reader;
    std::unique_ptr<SinkWriter> writer;
  };
  void OpenWriter(Case* one, std::map<std::string, std::string> options = {}) {
    one->topic = Topic(1);
    one->writer = OpenSink(Sink(one->topic, std::move(options)), &one->test);
    Write(one->writer.get(), &one->test, Numbered(0, 1));
    Flush(one->writer.get(), &one->test);
  }
  void ExpectRows(Case* one, int first, int count) {
    const auto rows = ReadRows(one->reader.get(), &one->test, static_cast<std::size_t>(count), 60'000);
    ASSERT_TRUE(rows.ok()) << rows.status();
    ASSERT_EQ(rows->size(), static_cast<std::size_t>(count));
    EXPECT_EQ(rows->front(), "line " + std::to_string(first));
    EXPECT_EQ(rows->back(), "line " + std::to_string(first + count - 1));
  }
};

TEST_F(BrokerOutage, IsWaitedForWithAReasonAndLosesNothing) {
  Case reading("1"), starting("2"), writing("3"), idle("4"), cancelled("5");
  reading.topic = Topic(1);
  ProduceLines(reading.topic, 0, 0, 1000);
  reading.reader = Open(Source(reading.topic), &reading.test, Plan(reading.topic));
  ExpectRows(&reading, 0, 1000);
  starting.topic = Topic(1);
  ProduceLines(starting.topic, 0, 0, 10);
  const auto splits_to_start = Plan(starting.topic);
  OpenWriter(&writing, {{"property.queue.buffering.max.messages", "5000"}});
  OpenWriter(&idle);
  OpenWriter(&cancelled);

  broker_.Stop();
  starting.reader = Open(Source(starting.topic), &starting.test, splits_to_start);
  // Without a broker the queue fills, and then the task is held back.
  int written = 1;
  while (writing.writer->writable() && written < 100'000) {
    ASSERT_TRUE(writing.writer->Write(Numbered(written, 1000)).ok());
    written += 1000;
  }
  EXPECT_LT(written, 20'000);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cancelled.writer->Write(Numbered(i * 1000, 1000)).ok());
  const auto cancel = std::chrono::steady_clock::now();
  cancelled.writer->RequestStop();
  cancelled.writer.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - cancel, std::chrono::seconds(3));
  for (Case* one : {&reading, &starting, &writing, &idle}) {
    EXPECT_TRUE(Eventually(&one->test, 20'000, [&] {
      EXPECT_TRUE(one->reader == nullptr || one->reader->Poll().ok());
      return one->shows_reason();
    })) << one->topic;
    EXPECT_NE(one->test.Waiting().back().find(broker_.address()), std::string::npos) << one->test.Waiting().back();
  }
  EXPECT_TRUE(writing.writer->Poll().ok()) << writing.writer->Poll();
  writing.writer->RequestFlush();
  EXPECT_FALSE(writing.writer->flushed());

  broker_.Start();
  ProduceLines(reading.topic, 0, 1000, 1000);
  ExpectRows(&reading, 1000, 1000);
  ExpectRows(&starting, 0, 10);
  Flush(writing.writer.get(), &writing.test);
  EXPECT_EQ(ConsumeAll(writing.topic).size(), static_cast<std::size_t>(written));
  for (Case* one : {&reading, &starting, &writing, &idle})
    EXPECT_TRUE(Eventually(&one->test, 20'000, [&] { return !one->shows_reason(); })) << one->test.Waiting().back();
}

}  // namespace
}  // namespace headrace::data::connector
