#include "kafka/admin_probe.h"

#include <gtest/gtest.h>

#include <future>

namespace headrace::kafka {
namespace {

using Partitions = Outcome<std::vector<std::int32_t>>;

TEST(AdminProbe, UnreachableBrokerIsTransientAndBounded) {
  // Port 1 on loopback refuses connections.
  auto probe = MakeAdminProbe(*MakeClientSettings("127.0.0.1:1", {}), 300);
  ASSERT_TRUE(probe.ok()) << probe.status();
  std::promise<Partitions> answered;
  (*probe)->ListPartitions("lines", [&](Partitions answer) { answered.set_value(std::move(answer)); });
  const Partitions answer = answered.get_future().get();
  ASSERT_TRUE(answer.not_done());
  EXPECT_EQ(CodeOf(answer.reason()), ErrorCode::kBrokerUnreachable);
  EXPECT_NE(answer.reason().message().find("127.0.0.1:1"), std::string::npos);
}

TEST(AdminProbe, EveryCallbackIsCalledWhenItStops) {
  auto probe = MakeAdminProbe(*MakeClientSettings("127.0.0.1:1", {}), 200);
  ASSERT_TRUE(probe.ok());
  int answers = 0;
  for (int i = 0; i < 5; ++i)
    (*probe)->PlanSplits("lines", {}, [&](Outcome<std::vector<TopicSplit>> answer) { answers += answer.not_done() ? 1 : 100; });
  (*probe)->RequestStop();
  probe->reset();
  EXPECT_EQ(answers, 5);
}

TEST(AdminProbe, SettingsThatDoNotFitAreTheUsersError) {
  const auto probe = MakeAdminProbe(ClientSettings{"a:1", {{"security.protocol", "nonsense"}}});
  ASSERT_FALSE(probe.ok());
  EXPECT_EQ(CodeOf(probe.status()), ErrorCode::kBadOption);
}

}  // namespace
}  // namespace headrace::kafka
