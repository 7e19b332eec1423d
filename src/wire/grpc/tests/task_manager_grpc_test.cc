#include <gtest/gtest.h>

#include "plan/execution_plan.h"
#include "wire/grpc/job_manager_client.h"
#include "wire/grpc/job_manager_server.h"
#include "wire/grpc/task_manager_client.h"
#include "wire/grpc/task_manager_server.h"
#include "wire/grpc/tests/gateway_fixtures.h"
#include "wire/plan_codec.h"
#include "wire/sha256.h"
#include "wire/tests/sample_plan.h"

namespace headrace::wire {
namespace {

using testing::Answer;
using testing::kLeader;
using testing::kTarget;

/// Both directions between a JobManager and a TaskManager over loopback.
class TaskManagerGrpc : public ::testing::Test {
 protected:
  testing::FakeJobManager job_manager_;
  testing::FakeTaskManager handler_;
  std::shared_ptr<BlobShelf> shelf_ = std::make_shared<BlobShelf>();
  std::unique_ptr<GrpcJobManagerServer> job_manager_server_ = GrpcJobManagerServer::Start({}, &job_manager_, shelf_).ValueOrDie();
  GrpcJobManagerGateway to_job_manager_{"127.0.0.1", job_manager_server_->port()};
  std::atomic<int> fetches_{0};
  std::unique_ptr<GrpcTaskManagerServer> server_ = GrpcTaskManagerServer::Start({}, &handler_, [this](BlobId id, Reply<std::string> reply) {
                                                     ++fetches_;
                                                     to_job_manager_.FetchBlob(std::move(id), std::move(reply));
                                                   }).ValueOrDie();
  std::shared_ptr<TaskManagerGateway> client_ =
      GrpcTaskManagerConnector(shelf_, {std::chrono::milliseconds(5000), std::chrono::milliseconds(300)})
          .Connect("127.0.0.1", server_->port(), TaskManagerId("tm1"));

  Outcome<Nothing> Deploy(plan::JobDeployment deployment) {
    Answer<Nothing> answer;
    client_->Deploy(kLeader, kTarget, std::move(deployment), answer.reply());
    return answer.Wait();
  }
};

TEST_F(TaskManagerGrpc, ASmallDeploymentTravelsInOneCall) {
  const plan::JobDeployment deployment = testing::SampleDeployment();
  const Outcome<Nothing> outcome = Deploy(deployment);
  ASSERT_TRUE(outcome.done()) << outcome.reason().ToString();
  EXPECT_EQ(handler_.leader, kLeader);
  EXPECT_EQ(handler_.target, kTarget);
  EXPECT_EQ(EncodeJobDeployment(handler_.deployment), EncodeJobDeployment(deployment));
  ASSERT_NE(handler_.deployment.plan, nullptr);
  EXPECT_EQ(plan::ExplainText(*handler_.deployment.plan), plan::ExplainText(*deployment.plan));
  EXPECT_EQ(fetches_, 0);
}

TEST_F(TaskManagerGrpc, ALargePlanIsFetchedOnceAndLeavesNothingOnTheShelf) {
  const plan::JobDeployment deployment = testing::SampleDeployment(3u << 20);
  for (int i = 0; i < 3; ++i) {
    const Outcome<Nothing> outcome = Deploy(deployment);
    ASSERT_TRUE(outcome.done()) << outcome.reason().ToString();
    EXPECT_EQ(EncodeExecutionPlan(*handler_.deployment.plan), EncodeExecutionPlan(*deployment.plan));
  }
  EXPECT_EQ(fetches_, 1);
  for (int i = 0; i < 1000 && shelf_->size() > 0; ++i) std::this_thread::yield();
  client_.reset();
  EXPECT_EQ(shelf_->size(), 0u);
}

TEST(PlanPacker, OnePlanIsEncodedOnceWhileItIsUsedAndThenLetGo) {
  PlanPacker packer;
  const auto plan = testing::SamplePlan(1000), other = testing::SamplePlan(2000);
  PlanPacker::Packed first = packer.Pack(plan);
  EXPECT_EQ(*first.bytes, EncodeExecutionPlan(*plan));
  EXPECT_EQ(first.id, BlobIdOf(*first.bytes));
  EXPECT_EQ(packer.Pack(plan).bytes, first.bytes);
  EXPECT_EQ(*packer.Pack(other).bytes, EncodeExecutionPlan(*other));
  EXPECT_EQ(packer.Pack(plan).id, first.id) << "another plan in between is no mix-up";
  const std::weak_ptr<const std::string> left = packer.Pack(plan).bytes;
  EXPECT_TRUE(left.expired()) << "tens of megabytes are not kept for nobody";
}

TEST_F(TaskManagerGrpc, AHugeTaskListTravelsAsABlobToo) {
  plan::JobDeployment deployment = testing::SampleDeployment();
  deployment.tasks[0].outputs.resize(300'000, deployment.tasks[0].outputs[0]);
  const Outcome<Nothing> outcome = Deploy(deployment);
  ASSERT_TRUE(outcome.done()) << outcome.reason().ToString();
  EXPECT_EQ(handler_.deployment.tasks[0].outputs.size(), 300'000u);
  EXPECT_EQ(fetches_, 1);
}

TEST_F(TaskManagerGrpc, APlanThatCannotBeFetchedIsNotDeployed) {
  job_manager_server_.reset();
  const Outcome<Nothing> outcome = Deploy(testing::SampleDeployment(3u << 20));
  ASSERT_TRUE(outcome.not_done());
  EXPECT_NE(outcome.reason().message().find("could not be fetched"), std::string::npos) << outcome.reason().ToString();
  EXPECT_EQ(handler_.calls, 0);
}

TEST_F(TaskManagerGrpc, ATaskOutsideThePlanNeverReachesTheHandler) {
  plan::JobDeployment deployment = testing::SampleDeployment();
  deployment.tasks[1].attempt.subtask = 99;
  EXPECT_EQ(CodeOf(Deploy(deployment).reason()), ErrorCode::kBadRequest);
  deployment = testing::SampleDeployment();
  deployment.tasks[0].outputs[0].channel.edge = 99;
  EXPECT_EQ(CodeOf(Deploy(deployment).reason()), ErrorCode::kBadRequest);
  EXPECT_EQ(handler_.calls, 0);
}

TEST_F(TaskManagerGrpc, CancelSplitsAndProbeArriveWhole) {
  Answer<Nothing> cancel, splits, probe;
  client_->Cancel(kLeader, kTarget, JobId("j"), 5, cancel.reply());
  ASSERT_TRUE(cancel.Wait().done());
  EXPECT_EQ(handler_.job, JobId("j"));
  EXPECT_EQ(handler_.up_to, 5u);
  const plan::SourceAssignment more{OperatorUid("s"), {{"p-1", R"({"partition":1})"}, {std::string("\xff", 1), "x"}}, true};
  client_->AddSplits(kLeader, kTarget, {JobId("j"), 1, 2, 3}, more, splits.reply());
  ASSERT_TRUE(splits.Wait().done());
  EXPECT_EQ(handler_.attempt, (AttemptId{JobId("j"), 1, 2, 3}));
  EXPECT_EQ(handler_.splits.splits, more.splits);
  EXPECT_TRUE(handler_.splits.more_may_come);
  client_->Probe({8, Incarnation("jm2")}, kTarget, probe.reply());
  ASSERT_TRUE(probe.Wait().done());
  EXPECT_EQ(handler_.leader, (LeaderToken{8, Incarnation("jm2")}));
}

TEST_F(TaskManagerGrpc, ADeposedLeaderIsToldSo) {
  handler_.answer = [](Reply<Nothing> reply) {
    reply(Outcome<Nothing>::NotDone(Error(ErrorCode::kDeposed, "leader epoch 7 is refused; epoch 9 is known")));
  };
  const Outcome<Nothing> outcome = Deploy(testing::SampleDeployment());
  EXPECT_TRUE(outcome.not_done());
  EXPECT_EQ(CodeOf(outcome.reason()), ErrorCode::kDeposed);
}

TEST_F(TaskManagerGrpc, ACallWithoutAnswerIsUnknownAtItsDeadline) {
  std::vector<Reply<Nothing>> held;
  handler_.answer = [&](Reply<Nothing> reply) { held.push_back(std::move(reply)); };
  Answer<Nothing> answer;
  client_->Cancel(kLeader, kTarget, JobId("j"), 5, answer.reply());
  const Outcome<Nothing> outcome = answer.Wait();
  EXPECT_TRUE(outcome.unknown()) << outcome.reason().ToString();
  EXPECT_EQ(CodeOf(outcome.reason()), ErrorCode::kTaskManagerLost);
  server_->Join();
}

}  // namespace
}  // namespace headrace::wire
