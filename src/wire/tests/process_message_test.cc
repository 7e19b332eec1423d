#include "wire/process_message.h"

#include <arrow/type.h>
#include <gtest/gtest.h>

#include "plan/row_schema.h"
#include "proto/plan.pb.h"
#include "wire/plan_message.h"
#include "wire/relational_message.h"

namespace headrace::wire {
namespace {

plan::OperatorSpec Travelled(plan::OperatorKind kind) {
  plan::OperatorSpec spec;
  spec.uid = OperatorUid("uid");
  spec.kind = std::move(kind);
  proto::Operator message;
  ToMessage(spec, &message);
  auto back = FromMessage(message);
  EXPECT_TRUE(back.ok()) << back.status();
  return std::move(back).ValueOrDie();
}

TEST(ProcessMessage, ProcessFunctionsTravelWhole) {
  plan::ProcessSpec spec;
  spec.pickled = std::string("\x80\x05\x00", 3);
  spec.display_name = "Count";
  spec.keys = {"a", "b"};
  spec.states = {{"seen", plan::StateDeclaration::Kind::kMap, 5000, true}, {"sum", plan::StateDeclaration::Kind::kReducing, 0, false}};
  spec.returns = plan::WithRecordType(arrow::schema({arrow::field("n", arrow::int64(), false)}), "jobs:Row");
  const auto back = std::get<plan::ProcessSpec>(Travelled(spec).kind);
  EXPECT_EQ(back.pickled, spec.pickled);
  EXPECT_EQ(back.display_name, "Count");
  EXPECT_EQ(back.keys, spec.keys);
  ASSERT_EQ(back.states.size(), 2u);
  EXPECT_EQ(back.states[0].name, "seen");
  EXPECT_EQ(back.states[0].kind, plan::StateDeclaration::Kind::kMap);
  EXPECT_EQ(back.states[0].ttl_ms, 5000u);
  EXPECT_TRUE(back.states[0].refresh_on_read);
  EXPECT_TRUE(back.returns->Equals(*spec.returns, /*check_metadata=*/true));
}

TEST(ProcessMessage, AnUnknownKindOfStateIsRefused) {
  proto::ProcessFunction message;
  message.add_states()->set_name("s");
  EXPECT_FALSE(FromMessage(message).ok());
}

TEST(ProcessMessage, CallsOfFunctionsTravelInsideExpressions) {
  plan::Expression call;
  call.kind = plan::Expression::Kind::kUser;
  call.name = "digits";
  call.pickled = "pickled";
  call.vectorized = true;
  call.type = arrow::int64();
  call.arguments = {plan::Expression::Column("price")};
  plan::SelectSpec select;
  select.columns = {{"n", plan::Expression::Call("add", {call, plan::Expression::Column("m")})}};
  const auto back = std::get<plan::SelectSpec>(Travelled(select).kind);
  const plan::Expression& inner = back.columns[0].expression.arguments[0];
  EXPECT_EQ(inner.kind, plan::Expression::Kind::kUser);
  EXPECT_EQ(inner.name, "digits");
  EXPECT_EQ(inner.pickled, "pickled");
  EXPECT_TRUE(inner.vectorized);
  EXPECT_TRUE(inner.type->Equals(arrow::int64()));
  EXPECT_EQ(inner.arguments[0].name, "price");
  plan::OperatorSpec spec;
  spec.kind = back;
  EXPECT_TRUE(plan::RunsPython(spec));
}

TEST(ProcessMessage, DeclaredRowsOfAMapTravel) {
  plan::PythonFunction map{plan::PythonFunction::Verb::kMap, "pickled", "f", arrow::schema({arrow::field("t", arrow::utf8())})};
  const auto back = std::get<plan::PythonFunction>(Travelled(map).kind);
  EXPECT_TRUE(back.returns->Equals(*map.returns));
}

}  // namespace
}  // namespace headrace::wire
