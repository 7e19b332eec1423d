#include <chrono>
#include <future>
#include <vector>

#include "tests/connector_kafka/kafka_fixture.h"

namespace headrace::data::connector {
namespace {

using kafka::PartitionOffset;
using kafka::PartitionWatermarks;
using kafka::ReadRange;

class AdminProbeOnBroker : public KafkaTest {};

TEST_F(AdminProbeOnBroker, ListsPartitionsAndWatermarks) {
  const std::string topic = Topic(3);
  ProduceLines(topic, 1, 0, 10);
  const auto partitions = Await<std::vector<std::int32_t>>([&](auto done) { probe_->ListPartitions(topic, done); });
  ASSERT_TRUE(partitions.done()) << partitions.reason();
  EXPECT_EQ(partitions.value(), (std::vector<std::int32_t>{0, 1, 2}));
  // The partitions that nothing was written to may have no leader yet: the probe waits for it.
  const auto watermarks = Await<std::vector<PartitionWatermarks>>([&](auto done) { probe_->Watermarks(topic, {2, 0, 1}, done); });
  ASSERT_TRUE(watermarks.done()) << watermarks.reason();
  EXPECT_EQ(watermarks.value(), (std::vector<PartitionWatermarks>{{0, 0, 0}, {1, 0, 10}, {2, 0, 0}}));
}

TEST_F(AdminProbeOnBroker, AskingForAnUnknownTopicDoesNotCreateIt) {
  const std::string topic = RawTopicName();
  for (int i = 0; i < 2; ++i) {
    const auto partitions = Await<std::vector<std::int32_t>>([&](auto done) { probe_->ListPartitions(topic, done); });
    ASSERT_TRUE(partitions.not_done());
    EXPECT_EQ(CodeOf(partitions.reason()), ErrorCode::kUnknownTopic) << partitions.reason();
    EXPECT_NE(partitions.reason().message().find(topic), std::string::npos);
  }
}

TEST_F(AdminProbeOnBroker, ManyUnknownTopicsHoldTheOthersUpNoLongerThanOne) {
  constexpr std::size_t kTopics = 10;
  std::vector<std::promise<Outcome<std::vector<std::int32_t>>>> answered(kTopics);
  const auto start = std::chrono::steady_clock::now();
  for (auto& promise : answered) probe_->ListPartitions(RawTopicName(), [&promise](auto answer) { promise.set_value(std::move(answer)); });
  for (auto& promise : answered) EXPECT_EQ(CodeOf(promise.get_future().get().reason()), ErrorCode::kUnknownTopic);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));  // 20 s one after the other
}

TEST_F(AdminProbeOnBroker, TopicThatIsBeingMadeIsWaitedFor) {
  const std::string topic = RawTopicName();
  std::promise<Outcome<std::vector<std::int32_t>>> answered;
  probe_->ListPartitions(topic, [&](auto answer) { answered.set_value(std::move(answer)); });
  broker_.MakeTopic(topic, 2);
  const auto partitions = answered.get_future().get();
  ASSERT_TRUE(partitions.done()) << partitions.reason();
  EXPECT_EQ(partitions.value(), (std::vector<std::int32_t>{0, 1}));
}

TEST_F(AdminProbeOnBroker, StartsAtTimestamps) {
  const std::string topic = Topic(2);
  Produce(topic, {{0, {}, "a", 1'000'000}, {0, {}, "b", 2'000'000}, {0, {}, "c", 3'000'000}});
  const auto at = [&](std::int64_t when) {
    const auto offsets = Await<std::vector<PartitionOffset>>([&](auto done) { probe_->OffsetsForTime(topic, {0, 1}, when, done); });
    HR_CHECK(offsets.done(), offsets.reason().ToString());
    return offsets.value();
  };
  EXPECT_EQ(at(1'500'000), (std::vector<PartitionOffset>{{0, 1}, {1, 0}}));
  EXPECT_EQ(at(9'000'000), (std::vector<PartitionOffset>{{0, 3}, {1, 0}}));
  EXPECT_EQ(at(0), (std::vector<PartitionOffset>{{0, 0}, {1, 0}}));
}

TEST_F(AdminProbeOnBroker, PlansEveryKindOfStart) {
  const std::string topic = Topic(1);
  ProduceLines(topic, 0, 0, 5);
  const auto plan = [&](ReadRange range) { return Plan(topic, std::move(range))[0].payload; };
  const auto payload = [&](std::int64_t start, std::int64_t stop) { return kafka::TopicSplit{topic, 0, start, stop}.ToPayload(); };
  EXPECT_EQ(plan({}), payload(0, -1));
  EXPECT_EQ(plan({ReadRange::Start::kLatest, 0, {}, false}), payload(5, -1));
  EXPECT_EQ(plan({ReadRange::Start::kEarliest, 0, {}, true}), payload(0, 5));
  EXPECT_EQ(plan({ReadRange::Start::kCommitted, 0, "never-" + topic, false}), payload(0, -1));
}

}  // namespace
}  // namespace headrace::data::connector
