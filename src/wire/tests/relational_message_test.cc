#include "wire/relational_message.h"

#include <gtest/gtest.h>

#include "proto/plan.pb.h"
#include "wire/plan_message.h"

namespace headrace::wire {
namespace {

template <typename Spec>
Spec Travelled(Spec spec) {
  plan::OperatorSpec sent;
  sent.uid = OperatorUid("uid");
  sent.kind = std::move(spec);
  proto::Operator message;
  ToMessage(sent, &message);
  auto back = FromMessage(message);
  EXPECT_TRUE(back.ok()) << back.status();
  return std::get<Spec>(back->kind);
}

TEST(RelationalMessage, TriggersTravelWithTheirParts) {
  using Kind = plan::RowTrigger::Kind;
  plan::AggregateSpec spec;
  spec.keys = {"k"};
  spec.trigger.purge = true;
  spec.trigger.by_function = true;
  spec.trigger.by_row = {Kind::kAll, 0, {}, 0, {}};
  spec.trigger.by_row.parts = {{Kind::kRows, 3, {}, 0, {}},
                               {Kind::kAny, 0, {}, 0, {{Kind::kWhen, 0, plan::Expression::Column("b"), 0, {}}}},
                               {Kind::kDelta, 0, plan::Expression::Column("v"), 0.5, {}}};
  const plan::AggregateSpec back = Travelled(spec);
  EXPECT_TRUE(back.trigger.purge);
  EXPECT_TRUE(back.trigger.by_function);
  const plan::RowTrigger& trigger = back.trigger.by_row;
  EXPECT_EQ(trigger.kind, Kind::kAll);
  ASSERT_EQ(trigger.parts.size(), 3u);
  EXPECT_EQ(trigger.parts[0].rows, 3u);
  ASSERT_EQ(trigger.parts[1].parts.size(), 1u);
  EXPECT_EQ(trigger.parts[1].parts[0].kind, Kind::kWhen);
  EXPECT_EQ(trigger.parts[1].parts[0].expression.name, "b");
  EXPECT_EQ(trigger.parts[2].threshold, 0.5);
  EXPECT_EQ(Travelled(plan::AggregateSpec{}).trigger.by_row.kind, Kind::kNone);
}

TEST(RelationalMessage, TriggersBeyondTheCapAreRefused) {
  proto::Aggregate message;
  proto::RowTrigger* deepest = message.mutable_trigger()->mutable_by_row();
  for (int depth = 0; depth < 64; ++depth) {
    deepest->set_kind(proto::RowTrigger::ALL);
    deepest = deepest->add_parts();
  }
  deepest->set_kind(proto::RowTrigger::ROWS);
  EXPECT_FALSE(FromMessage(message).ok());
  message.mutable_trigger()->mutable_by_row()->Clear();
  EXPECT_FALSE(FromMessage(message).ok()) << "a trigger of no kind";
}

TEST(RelationalMessage, TimesToLiveAndTagsTravel) {
  plan::AggregateSpec aggregate;
  aggregate.ttl_ms = 5;
  EXPECT_EQ(Travelled(aggregate).ttl_ms, 5u);
  plan::TopSpec top;
  top.ttl_ms = 6;
  EXPECT_EQ(Travelled(top).ttl_ms, 6u);
  EXPECT_EQ(Travelled(plan::DeduplicateSpec{{"k"}, true, false, 7}).ttl_ms, 7u);
  plan::JoinSpec join;
  join.late_tags = {"left", "right"};
  EXPECT_EQ(Travelled(join).late_tags, join.late_tags);
}

}  // namespace
}  // namespace headrace::wire
