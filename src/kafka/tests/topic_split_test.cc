#include "kafka/topic_split.h"

#include <gtest/gtest.h>

namespace headrace::kafka {
namespace {

TEST(TopicSplit, PayloadGoesThereAndBack) {
  const TopicSplit split{"lines", 3, 17, kNoStop};
  EXPECT_EQ(split.Id(), "lines-3");
  EXPECT_EQ(split.ToPayload(), R"({"topic":"lines","partition":3,"start_offset":17,"stop_offset":-1})");
  EXPECT_EQ(*TopicSplit::FromPayload(split.ToPayload()), split);
  const TopicSplit other{"a", 0, kBeginning, INT64_MAX};
  EXPECT_EQ(*TopicSplit::FromPayload(other.ToPayload()), other);
}

TEST(TopicSplit, DamagedPayloadIsAnErrorNotACrash) {
  for (const char* payload : {"", "{", "[]", "null", "{}", R"({"topic":"","partition":0,"start_offset":0,"stop_offset":-1})",
                              R"({"topic":1,"partition":0,"start_offset":0,"stop_offset":-1})",
                              R"({"topic":"a","partition":-1,"start_offset":0,"stop_offset":-1})",
                              R"({"topic":"a","partition":0,"start_offset":-3,"stop_offset":-1})",
                              R"({"topic":"a","partition":0,"start_offset":0,"stop_offset":-2})",
                              R"({"topic":"a","partition":0.5,"start_offset":0,"stop_offset":-1})",
                              R"({"topic":"a","partition":99999999999,"start_offset":0,"stop_offset":-1})"}) {
    const auto split = TopicSplit::FromPayload(payload);
    ASSERT_FALSE(split.ok()) << payload;
    EXPECT_EQ(CodeOf(split.status()), ErrorCode::kInvalidPlan);
  }
  EXPECT_FALSE(TopicSplit::FromPayload(std::string(5000, '[')).ok());
}

}  // namespace
}  // namespace headrace::kafka
