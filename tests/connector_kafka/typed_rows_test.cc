#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <map>

#include "tests/connector_kafka/kafka_fixture.h"

namespace headrace::data::connector {
namespace {

using kafka::ReadRange;

/// Typed rows out of and into JSON records.
class KafkaTypedRows : public KafkaTest {
 protected:
  static std::shared_ptr<arrow::Schema> Bid() {
    return arrow::schema({arrow::field("auction", arrow::int64(), false), arrow::field("channel", arrow::utf8()),
                          arrow::field("t", arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"))});
  }
  plan::ConnectorSpec TypedSource(const std::string& topic, std::map<std::string, std::string> options = {}) {
    options["value_format"] = "json";
    plan::ConnectorSpec spec = Source(topic, std::move(options));
    spec.schema = Bid();
    return spec;
  }
  std::vector<plan::SourceSplit> Bounded(const std::string& topic) { return Plan(topic, {ReadRange::Start::kEarliest, 0, {}, true}); }
  static std::map<std::string, std::string> HeadersOf(const std::vector<Message>& messages, const std::string& value) {
    for (const Message& message : messages)
      if (message.value == value) return message.headers;
    return {};
  }
};

TEST_F(KafkaTypedRows, RecordsBecomeColumnsWithTheirOwnTimes) {
  const std::string topic = Topic(1);
  Produce(topic, {{0, {}, R"({"auction":1,"channel":"a","t":1700000000000,"extra":[1]})", 1'700'000'000'111},
                  {0, {}, R"({"t":null,"auction":2})", 1'700'000'000'222}});
  TestContext test;
  auto reader = Open(TypedSource(topic), &test, Bounded(topic));
  reader->NoMoreSplits();
  std::vector<std::string> rows;
  std::vector<std::int64_t> times;
  ASSERT_TRUE(Eventually(&test, 20'000, [&] {
    const auto poll = reader->Poll();
    EXPECT_TRUE(poll.ok()) << poll.status();
    if (!poll.ok() || poll->kind == SourcePoll::Kind::kEnd) return true;
    if (poll->kind != SourcePoll::Kind::kBatch) return false;
    for (const std::string& row : RowsOf(poll->batch)) rows.push_back(row);
    const auto* event_times = poll->batch.records()->column_data(poll->batch.event_time_column())->GetValues<std::int64_t>(1);
    times.insert(times.end(), event_times, event_times + poll->batch.num_rows());
    return false;
  }));
  EXPECT_EQ(rows, (std::vector<std::string>{R"({"auction":1,"channel":"a","t":"2023-11-14T22:13:20+00:00"})",
                                            R"({"auction":2,"channel":null,"t":null})"}));
  EXPECT_EQ(times, (std::vector<std::int64_t>{1'700'000'000'111, 1'700'000'000'222}));
}

TEST_F(KafkaTypedRows, DeadLettersArriveAsTheyCameBeforeTheSourceGoesOn) {
  const std::string topic = Topic(1), dead = Topic(1);
  const std::vector<Message> bad = {{0, "key 1", "{broken", 5, {{"trace", "abc"}}},
                                    {0, {}, R"({"auction":"x"})", 6},
                                    {0, "key 2", std::nullopt, 7},
                                    {0, {}, std::string("\xff\x00\xfe", 3), 8},
                                    {0, {}, R"({"channel":"a"})", 9}};
  std::vector<Message> all = {{0, {}, R"({"auction":1})", 1}};
  all.insert(all.end(), bad.begin(), bad.end());
  all.push_back({0, {}, R"({"auction":2})", 2});
  Produce(topic, all);
  TestContext test;
  const auto counted = test.metrics.GetCounter("headrace_bad_records_total", "", test.context.labels);
  auto reader = Open(TypedSource(topic, {{"on_error", "dead_letter"}, {"dead_letter_topic", dead}}), &test, Bounded(topic));
  reader->NoMoreSplits();
  const auto rows = ReadRows(reader.get(), &test);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->size(), 2u);
  EXPECT_EQ(counted->value(), bad.size());
  const std::vector<Message> letters = ConsumeAll(dead);
  ASSERT_EQ(letters.size(), bad.size());
  for (std::size_t i = 0; i < bad.size(); ++i) {
    EXPECT_EQ(letters[i].key, bad[i].key);
    EXPECT_EQ(letters[i].value, bad[i].value);
    EXPECT_EQ(letters[i].headers.at("headrace.topic"), topic);
    EXPECT_EQ(letters[i].headers.at("headrace.partition"), "0");
    EXPECT_EQ(letters[i].headers.at("headrace.offset"), std::to_string(i + 1));
    EXPECT_EQ(letters[i].headers.at("headrace.timestamp"), std::to_string(i + 5));
  }
  EXPECT_EQ(letters[0].headers.at("trace"), "abc");
  EXPECT_EQ(letters[1].headers.at("headrace.error"), "column \"auction\": \"x\" does not fit int64");
  EXPECT_EQ(letters[4].headers.at("headrace.error"),
            "column \"auction\" is absent, but its type int64 has no null; declare it as \"int64 | None\"");
}

TEST_F(KafkaTypedRows, AFailingRecordNamesItsPlaceColumnAndValue) {
  const std::string topic = Topic(1);
  Produce(topic, {{0, {}, R"({"auction":1})", 1}, {0, {}, R"({"auction":1.5})", 1}});
  TestContext test;
  auto reader = Open(TypedSource(topic), &test, Bounded(topic));
  reader->NoMoreSplits();
  const Status status = ReadRows(reader.get(), &test).status();
  EXPECT_EQ(CodeOf(status), ErrorCode::kBadRecord);
  for (const char* part : {"offset 1", "column \"auction\": 1.5 does not fit int64"})
    EXPECT_NE(status.message().find(part), std::string::npos) << status;
}

TEST_F(KafkaTypedRows, RowsAreWrittenAsJsonUnderTheirKeyColumns) {
  const std::string topic = Topic(2), both = Topic(1);
  arrow::Int64Builder auctions;
  arrow::StringBuilder channels;
  arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"), arrow::default_memory_pool());
  ASSERT_TRUE(auctions.AppendValues({7, 8}).ok() && channels.Append("a\"b").ok() && channels.AppendNull().ok() &&
              times.AppendValues({1'700'000'000'000, 5}).ok());
  const columnar::DataBatch batch(arrow::RecordBatch::Make(Bid(), 2, {*auctions.Finish(), *channels.Finish(), *times.Finish()}));
  TestContext test;
  auto writer = OpenSink(Sink(topic, {{"key_columns", R"(["auction"])"}, {"timestamps", "ms"}}), &test);
  Write(writer.get(), &test, batch);
  Flush(writer.get(), &test);
  std::map<std::string, std::string> by_key;
  for (const Message& message : ConsumeAll(topic)) by_key[message.key.value_or("<null>")] = message.value.value_or("<null>");
  EXPECT_EQ(by_key, (std::map<std::string, std::string>{{"7", R"({"auction":7,"channel":"a\"b","t":1700000000000})"},
                                                        {"8", R"({"auction":8,"channel":null,"t":5})"}}));
  auto two_keys = OpenSink(Sink(both, {{"key_columns", R"(["channel","auction"])"}}), &test);
  Write(two_keys.get(), &test, batch);
  Flush(two_keys.get(), &test);
  std::vector<std::string> keys;
  for (const Message& message : ConsumeAll(both)) keys.push_back(message.key.value_or("<null>"));
  EXPECT_EQ(keys, (std::vector<std::string>{R"(["a\"b",7])", "[null,8]"}));
}

}  // namespace
}  // namespace headrace::data::connector
