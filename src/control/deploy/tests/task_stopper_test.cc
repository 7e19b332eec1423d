#include "control/deploy/task_stopper.h"

#include <gtest/gtest.h>

#include <chrono>

#include "control/cluster/tests/scripted_gateway.h"

namespace headrace::control::deploy {
namespace {

using namespace std::chrono_literals;
using cluster::ProcessKey;

/// One TaskManager that is registered, and a job that has deployment 4 on it.
class TaskStopperTest : public ::testing::Test, public cluster::RegistryListener, public cluster::LeadershipListener {
 protected:
  TaskStopperTest() {
    leadership_.Start();
    executor_.RunReady();
    wire::RegisterRequest request;
    request.id = tm_.id;
    request.incarnation = tm_.incarnation;
    request.host = "host";
    request.slots = 4;
    registry_.Register(request, [](Outcome<wire::RegisterReply>) {});
    executor_.RunReady();
  }
  void OnLeading() override {}
  void OnThawed() override {}
  void OnDeposed() override {}
  std::map<JobId, DeploymentNumber> OnProcessRegistered(const ProcessKey&, const std::vector<AttemptId>&) override { return {}; }
  void OnProcessCleaned(const ProcessKey&, const JobId&, DeploymentNumber) override {}
  void OnProcessLost(const ProcessKey&) override {}
  void OnTaskReport(const ProcessKey&, const wire::TaskReport&) override {}
  void OnHeartbeat(const ProcessKey&, const wire::HeartbeatRequest&) override {}
  void OnCapacityChanged() override {}

  cluster::ScriptedProcess& process() { return connector_.processes["host"]; }

  const ProcessKey tm_{TaskManagerId("tm"), Incarnation("a")};
  ManualClock clock_;
  ManualExecutor executor_{&clock_};
  std::unique_ptr<metastore::Metastore> store_ = metastore::MakeMemoryMetastore(&executor_);
  cluster::Leadership leadership_{&executor_, store_.get(), Incarnation("me"), "here", {}, this};
  cluster::ScriptedConnector connector_;
  cluster::TaskManagerRegistry registry_{&executor_, &leadership_, &connector_, {}, this};
  TouchedProcesses touched_{{tm_, 4}};
  TaskStopper stopper_{&executor_, &leadership_, &registry_, JobId("j"), &touched_};
  int stopped_ = 0;
};

TEST_F(TaskStopperTest, AsksAgainUntilNothingIsLeft) {
  process().cancel_answer = Outcome<Nothing>::NotDone(Error(ErrorCode::kNotReady, "it stops"));
  stopper_.Start([this] { ++stopped_; });
  executor_.RunFor(1s);
  EXPECT_GE(process().cancels.size(), 3u);
  EXPECT_EQ(stopped_, 0);
  process().cancel_answer = Outcome<Nothing>::Done({});
  executor_.RunFor(1s);
  EXPECT_EQ(stopped_, 1);
  EXPECT_TRUE(touched_.empty());
}

TEST_F(TaskStopperTest, WhatIsDeployedAfterwardsIsLeftAlone) {
  process().cancel_answer = Outcome<Nothing>::Unknown(Error(ErrorCode::kTaskManagerLost, "no answer in time"));
  stopper_.Start([this] { ++stopped_; });
  executor_.RunReady();
  touched_.erase(tm_);  // it counts as lost
  stopper_.OnProcessLost();
  EXPECT_EQ(stopped_, 1);
  touched_[tm_] = 5;  // it came back and was given the next deployment
  process().cancel_answer = Outcome<Nothing>::Done({});
  executor_.RunFor(5s);
  EXPECT_EQ(touched_.count(tm_), 1u);
  for (const auto& [job, up_to] : process().cancels) EXPECT_EQ(up_to, 4u);
}

}  // namespace
}  // namespace headrace::control::deploy
