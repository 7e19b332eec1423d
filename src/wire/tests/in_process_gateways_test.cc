#include "wire/in_process_gateways.h"

#include <gtest/gtest.h>

#include "base/executor.h"
#include "wire/grpc/tests/gateway_fixtures.h"
#include "wire/reply_once.h"
#include "wire/tests/sample_plan.h"

namespace headrace::wire {
namespace {

using testing::kLeader;
using testing::kTarget;

struct Sides {
  ManualClock clock;
  ManualExecutor there{&clock}, here{&clock};
  std::shared_ptr<testing::FakeTaskManager> task_manager = std::make_shared<testing::FakeTaskManager>();
  InProcessTaskManagerGateway gateway{task_manager, &there, &here};
};

TEST(InProcess, CallsRunThereAndAnswersHere) {
  Sides sides;
  std::optional<Outcome<Nothing>> answer;
  bool on_here = false;
  const plan::JobDeployment deployment = testing::SampleDeployment();
  sides.gateway.Deploy(kLeader, kTarget, deployment, [&](Outcome<Nothing> outcome) {
    on_here = sides.here.OnExecutor();
    answer = std::move(outcome);
  });
  EXPECT_EQ(sides.task_manager->calls, 0) << "nothing may run on the caller's turn";
  EXPECT_EQ(sides.there.RunReady(), 1u);
  EXPECT_EQ(sides.task_manager->calls, 1);
  EXPECT_EQ(sides.task_manager->deployment.plan, deployment.plan) << "the plan is shared, not copied";
  EXPECT_FALSE(answer.has_value());
  sides.here.RunReady();
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->done());
  EXPECT_TRUE(on_here);
}

TEST(InProcess, ADeadSideRefuses) {
  Sides sides;
  std::optional<Outcome<Nothing>> answer;
  sides.task_manager.reset();
  sides.gateway.Probe(kLeader, kTarget, [&](Outcome<Nothing> outcome) { answer = std::move(outcome); });
  sides.there.RunReady();
  sides.here.RunReady();
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->not_done());
  EXPECT_EQ(CodeOf(answer->reason()), ErrorCode::kTaskManagerLost);
}

TEST(InProcess, ASideKilledWithTheCallQueuedIsUnknown) {
  Sides sides;
  std::optional<Outcome<Nothing>> answer;
  sides.gateway.Probe(kLeader, kTarget, [&](Outcome<Nothing> outcome) { answer = std::move(outcome); });
  sides.there.Clear();
  sides.here.RunReady();
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->unknown());
}

TEST(InProcess, ASideThatDropsItsReplyIsUnknown) {
  Sides sides;
  std::optional<Outcome<Nothing>> answer;
  sides.task_manager->answer = [](Reply<Nothing>) {};
  sides.gateway.Probe(kLeader, kTarget, [&](Outcome<Nothing> outcome) { answer = std::move(outcome); });
  sides.there.RunReady();
  sides.here.RunReady();
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->unknown());
}

TEST(InProcess, TheJobManagerDirectionCarriesAnswers) {
  ManualClock clock;
  ManualExecutor there(&clock), here(&clock);
  auto job_manager = std::make_shared<testing::FakeJobManager>();
  job_manager->blobs[BlobIdOf("x")] = "x";
  InProcessJobManagerGateway gateway(job_manager, &there, &here);
  int done = 0;
  gateway.Register(testing::From1<RegisterRequest>(),
                   [&](Outcome<RegisterReply> outcome) { done += outcome.done() && outcome.value().heartbeat_interval_ms == 250; });
  gateway.Heartbeat(testing::From1<HeartbeatRequest>(), [&](Outcome<HeartbeatReply> outcome) { done += outcome.done(); });
  gateway.ReportTask(TaskManagerId("tm"), Incarnation("i"), {}, [&](Outcome<Nothing> outcome) { done += outcome.done(); });
  gateway.FetchBlob(BlobIdOf("x"), [&](Outcome<std::string> outcome) { done += outcome.done() && outcome.value() == "x"; });
  there.RunReady();
  here.RunReady();
  EXPECT_EQ(done, 4);
}

TEST(ReplyOnceGuard, OnlyTheFirstAnswerCounts) {
  int answers = 0;
  Reply<int> once =
      ReplyOnce<int>([&](Outcome<int> outcome) { answers += outcome.done() ? outcome.value() : 100; }, Status::IOError("dropped"));
  Reply<int> copy = once;
  copy(Outcome<int>::Done(1));
  once(Outcome<int>::Done(10));
  once = nullptr;
  copy = nullptr;
  EXPECT_EQ(answers, 1);
}

}  // namespace
}  // namespace headrace::wire
