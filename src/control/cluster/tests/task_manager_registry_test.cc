#include "control/cluster/task_manager_registry.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>

#include "control/cluster/leadership.h"
#include "control/cluster/tests/scripted_gateway.h"
#include "control/metastore/metastore.h"

namespace headrace::control::cluster {
namespace {

using namespace std::chrono_literals;

class RegistryTest : public ::testing::Test, public RegistryListener, public LeadershipListener {
 protected:
  RegistryTest() {
    leadership_.Start();
    executor_.RunReady();
    registry_.Start();
  }
  void OnLeading() override {}
  void OnThawed() override {}
  void OnDeposed() override {}
  std::map<JobId, DeploymentNumber> OnProcessRegistered(const ProcessKey&, const std::vector<AttemptId>& running) override {
    std::map<JobId, DeploymentNumber> stale;
    for (const AttemptId& attempt : running) stale[attempt.job] = attempt.deployment;
    return stale;
  }
  void OnProcessCleaned(const ProcessKey&, const JobId& job, DeploymentNumber up_to) override { cleaned_.emplace_back(job, up_to); }
  void OnProcessLost(const ProcessKey& process) override { lost_.push_back(process.incarnation.str()); }
  void OnTaskReport(const ProcessKey&, const wire::TaskReport&) override { ++reports_; }
  void OnHeartbeat(const ProcessKey&, const wire::HeartbeatRequest&) override { ++heartbeats_; }
  void OnCapacityChanged() override {}

  /// The answer, or nothing while it is outstanding.
  std::shared_ptr<std::optional<Outcome<wire::RegisterReply>>> Register(const std::string& id, const std::string& incarnation,
                                                                        const std::string& host, std::vector<AttemptId> running = {}) {
    wire::RegisterRequest request;
    request.id = TaskManagerId(id);
    request.incarnation = Incarnation(incarnation);
    request.host = host;
    request.slots = 4;
    request.running = std::move(running);
    auto answer = std::make_shared<std::optional<Outcome<wire::RegisterReply>>>();
    registry_.Register(request, [answer](Outcome<wire::RegisterReply> outcome) { *answer = std::move(outcome); });
    executor_.RunReady();
    return answer;
  }
  bool Beat(const std::string& id, const std::string& incarnation, std::uint64_t sequence) {
    wire::HeartbeatRequest request;
    request.id = TaskManagerId(id);
    request.incarnation = Incarnation(incarnation);
    request.sequence = sequence;
    bool known = false;
    registry_.Heartbeat(request, [&](Outcome<wire::HeartbeatReply> outcome) { known = outcome.done() && outcome.value().known; });
    return known;
  }
  ProcessStatus StatusOf(const std::string& id) { return registry_.entries().at(TaskManagerId(id)).status; }
  static Outcome<Nothing> Refused() { return Outcome<Nothing>::NotDone(Error(ErrorCode::kTaskManagerLost, "connection refused")); }
  static Outcome<Nothing> NoAnswer() { return Outcome<Nothing>::Unknown(Error(ErrorCode::kTaskManagerLost, "no answer in time")); }

  ManualClock clock_;
  ManualExecutor executor_{&clock_};
  std::unique_ptr<metastore::Metastore> store_ = metastore::MakeMemoryMetastore(&executor_);
  Leadership leadership_{&executor_, store_.get(), Incarnation("me"), "here", {}, this};
  ScriptedConnector connector_;
  TaskManagerRegistry registry_{&executor_, &leadership_, &connector_, {}, this};
  std::vector<std::string> lost_;
  std::vector<std::pair<JobId, DeploymentNumber>> cleaned_;
  int reports_ = 0, heartbeats_ = 0;
};

TEST_F(RegistryTest, SilenceAloneIsNoLoss) {
  Register("tm", "a", "host");
  executor_.RunFor(60s);
  EXPECT_EQ(StatusOf("tm"), ProcessStatus::kSuspect);
  EXPECT_GT(connector_.processes["host"].probes, 10);
  EXPECT_TRUE(Beat("tm", "a", 1));
  EXPECT_EQ(StatusOf("tm"), ProcessStatus::kActive);
  EXPECT_TRUE(lost_.empty());
}

TEST_F(RegistryTest, ProbeWithoutAnswerIsNoLossBeforeTheTimeout) {
  Register("tm", "a", "host");
  connector_.processes["host"].probe_answer = NoAnswer();
  executor_.RunFor(4900ms);
  EXPECT_TRUE(lost_.empty());
  executor_.RunFor(1500ms);
  EXPECT_EQ(lost_, std::vector<std::string>{"a"});
}

TEST_F(RegistryTest, RefusedConnectionIsCertainLongBeforeTheTimeout) {
  Register("tm", "a", "host");
  connector_.processes["host"].probe_answer = Refused();
  registry_.NoteFailedCall({TaskManagerId("tm"), Incarnation("a")}, NoAnswer().reason());
  executor_.RunReady();
  EXPECT_EQ(lost_, std::vector<std::string>{"a"});
  EXPECT_FALSE(Beat("tm", "a", 9)) << "a lost process has to register again";
}

TEST_F(RegistryTest, RepeatedAndOvertakenHeartbeatsAreNoSignOfLife) {
  Register("tm", "a", "host");
  EXPECT_TRUE(Beat("tm", "a", 5));
  executor_.RunFor(3s);
  EXPECT_TRUE(Beat("tm", "a", 5));
  EXPECT_TRUE(Beat("tm", "a", 4));
  EXPECT_EQ(heartbeats_, 1);
  EXPECT_EQ(StatusOf("tm"), ProcessStatus::kSuspect);
}

TEST_F(RegistryTest, RegisteringAgainDoesNotMakeOldHeartbeatsNew) {
  Register("tm", "a", "host");
  EXPECT_TRUE(Beat("tm", "a", 5));
  Register("tm", "a", "host");
  EXPECT_TRUE(Beat("tm", "a", 4));
  EXPECT_EQ(heartbeats_, 1);
  EXPECT_TRUE(Beat("tm", "a", 6));
  EXPECT_EQ(heartbeats_, 2);
}

TEST_F(RegistryTest, UnknownIncarnationIsToldToRegister) {
  EXPECT_FALSE(Beat("tm", "a", 1));
  Register("tm", "a", "host");
  EXPECT_FALSE(Beat("tm", "b", 1));
  EXPECT_TRUE(Beat("tm", "a", 1));
}

TEST_F(RegistryTest, NewProcessWithTheSameIdWaitsUntilTheOldOneIsKnownDead) {
  Register("tm", "old", "host");
  const auto early = Register("tm", "new", "host2");
  ASSERT_TRUE(early->has_value());
  EXPECT_TRUE((*early)->not_done()) << "the old one answered the probe";
  EXPECT_EQ(CodeOf((*early)->reason()), ErrorCode::kConflict);
  connector_.processes["host"].probe_answer = NoAnswer();
  EXPECT_TRUE((*Register("tm", "new", "host2"))->not_done()) << "its fate is unknown";
  connector_.processes["host"].probe_answer = Refused();
  EXPECT_TRUE((*Register("tm", "new", "host2"))->done());
  EXPECT_EQ(lost_, std::vector<std::string>{"old"});
  EXPECT_TRUE(Beat("tm", "new", 1));
}

TEST_F(RegistryTest, RegisteringTwiceIsOneProcess) {
  Register("tm", "a", "host");
  EXPECT_TRUE((*Register("tm", "a", "host"))->done());
  EXPECT_EQ(registry_.entries().size(), 1u);
  EXPECT_TRUE(lost_.empty());
}

TEST_F(RegistryTest, LeftoversAreCancelledBeforeTheSlotsCount) {
  connector_.processes["host"].cancel_answer = NoAnswer();
  Register("tm", "a", "host", {AttemptId{JobId("j"), 3, 0, 0}});
  EXPECT_FALSE(registry_.entries().at(TaskManagerId("tm")).usable());
  EXPECT_TRUE(cleaned_.empty()) << "nobody knows";
  connector_.processes["host"].cancel_answer = Outcome<Nothing>::Done({});
  executor_.RunFor(1s);
  EXPECT_EQ(cleaned_, (std::vector<std::pair<JobId, DeploymentNumber>>{{JobId("j"), 3}}));
  EXPECT_TRUE(registry_.entries().at(TaskManagerId("tm")).usable());
  EXPECT_EQ(connector_.processes["host"].cancels.back(), std::pair(JobId("j"), DeploymentNumber{3}));
}

TEST_F(RegistryTest, ReportsOfUnknownProcessesAreRefused) {
  Outcome<Nothing> answer = Outcome<Nothing>::Done({});
  registry_.ReportTask({TaskManagerId("tm"), Incarnation("a")}, {}, [&](Outcome<Nothing> outcome) { answer = std::move(outcome); });
  EXPECT_TRUE(answer.not_done());
  EXPECT_EQ(reports_, 0);
}

TEST_F(RegistryTest, RefusalIsBelievedWhenTheStoreConfirmsIt) {
  Register("tm", "a", "host");
  registry_.NoteFailedCall({TaskManagerId("tm"), Incarnation("a")}, Error(ErrorCode::kDeposed, "epoch 9 leads"));
  executor_.RunReady();
  EXPECT_FALSE(leadership_.deposed());
  store_->TakeLeadership(Incarnation("other"), std::nullopt, "there", [](Outcome<metastore::LeaderGrant>) {});
  registry_.NoteFailedCall({TaskManagerId("tm"), Incarnation("a")}, Error(ErrorCode::kDeposed, "epoch 9 leads"));
  executor_.RunReady();
  EXPECT_TRUE(leadership_.deposed());
  EXPECT_TRUE((*Register("tm2", "x", "host"))->not_done());
}

}  // namespace
}  // namespace headrace::control::cluster
