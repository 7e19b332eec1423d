#include "data/taskmanager/task_manager.h"

#include <gtest/gtest.h>

#include "data/taskmanager/tests/task_manager_rig.h"
#include "wire/sha256.h"

namespace headrace::data::taskmanager {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using wire::TaskState;

TEST(TaskManager, RunsAJobToItsEndAndReportsEveryState) {
  TaskManagerRig rig;
  const task::WordCountInput input(5);
  rig.lines = input.lines;
  const auto answer = rig.Deploy(rig.WordCount(1));
  rig.RunFor(seconds(2));
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((*answer)->ok()) << **answer;
  for (std::uint32_t vertex = 0; vertex < 2; ++vertex) {
    EXPECT_EQ(rig.job_manager().StatesOf({JobId("job"), 1, vertex, 0}),
              (std::vector<TaskState>{TaskState::kRunning, TaskState::kFinished}));
  }
  EXPECT_EQ(rig.Counts(), input.truth);
  // Its last numbers came with the last report, however long ago the last heartbeat was.
  std::uint64_t lines = 0, words = 0, counted = 0;
  for (const auto& report : rig.job_manager().reports) {
    ASSERT_EQ(report.metrics.has_value(), report.state == TaskState::kFinished);
    if (!report.metrics) continue;
    (report.attempt.vertex == 0 ? lines : counted) += report.metrics->records_in;
    if (report.attempt.vertex == 0) words += report.metrics->records_out;
  }
  EXPECT_EQ(lines, input.lines.size());
  EXPECT_EQ(words, counted);
  EXPECT_GT(words, 0u);
  EXPECT_EQ(rig.pools_alive, 0);
  const auto cancelled = rig.Cancel(1);
  rig.Settle();
  EXPECT_TRUE(cancelled->has_value() && (*cancelled)->ok());
  EXPECT_EQ(rig.channels(), 0u);
}

TEST(TaskManager, ARepeatedDeployStartsNothingTwice) {
  TaskManagerRig rig;
  rig.endless = true;
  const auto first = rig.Deploy(rig.WordCount(1)), second = rig.Deploy(rig.WordCount(1));
  rig.RunFor(seconds(1));
  EXPECT_TRUE((*first)->ok() && (*second)->ok());
  EXPECT_EQ(rig.tasks(), 4u);
}

TEST(TaskManager, CancelLeavesNothingBehindAndIsAnsweredOnlyThen) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    TaskManagerRig rig(seed);
    rig.endless = true;
    rig.lines = task::WordCountInput(seed).lines;
    SeededRandom random(seed);
    const auto deployed = rig.Deploy(rig.WordCount(1));
    if (random.Uniform(2) == 0) rig.RunFor(milliseconds(static_cast<std::int64_t>(random.Uniform(20))));
    const auto first = rig.Cancel(1), second = rig.Cancel(1);
    rig.RunFor(milliseconds(10));
    ASSERT_TRUE(deployed->has_value());
    ASSERT_TRUE(first->has_value() && (*first)->ok() && second->has_value());
    EXPECT_EQ(rig.tasks(), 0u);
    EXPECT_EQ(rig.channels(), 0u);
    EXPECT_EQ(rig.pools_alive, 0);
  }
}

TEST(TaskManager, ADeployThatComesAfterItsCancelIsRefused) {
  TaskManagerRig rig;
  const auto cancelled = rig.Cancel(3);
  const auto late = rig.Deploy(rig.WordCount(3));
  rig.RunFor(seconds(1));
  EXPECT_TRUE((*cancelled)->ok());
  EXPECT_EQ(CodeOf(**late), ErrorCode::kStaleAttempt);
  EXPECT_EQ(rig.tasks(), 0u);
  const auto next = rig.Deploy(rig.WordCount(4));
  rig.Settle();
  EXPECT_TRUE((*next)->ok());
}

TEST(TaskManager, ANewerDeploymentReplacesAnOlderOne) {
  TaskManagerRig rig;
  rig.endless = true;
  (void)rig.Deploy(rig.WordCount(1));
  rig.RunFor(milliseconds(5));
  const auto newer = rig.Deploy(rig.WordCount(2));
  rig.RunFor(milliseconds(50));
  EXPECT_TRUE((*newer)->ok());
  EXPECT_EQ(rig.tasks(), 4u);
  EXPECT_EQ(rig.pools_alive, 1);
  EXPECT_EQ(CodeOf(**[&] {
              auto old = rig.Deploy(rig.WordCount(1));
              rig.Settle();
              return old;
            }()),
            ErrorCode::kStaleAttempt);
}

TEST(TaskManager, AnotherIncarnationAndADeposedLeaderAreRefused) {
  TaskManagerRig rig;
  rig.RunFor(milliseconds(5));
  const auto other = rig.Deploy(rig.WordCount(1), {1, Incarnation("jm-1")}, Incarnation("older"));
  const auto newer = rig.Cancel(0, {5, Incarnation("jm-5")});
  const auto deposed = rig.Deploy(rig.WordCount(1), {4, Incarnation("jm-4")});
  const auto twin = rig.Deploy(rig.WordCount(1), {5, Incarnation("jm-x")});
  rig.Settle();
  EXPECT_EQ(CodeOf(**other), ErrorCode::kTaskManagerLost);
  EXPECT_TRUE((*newer)->ok());
  EXPECT_EQ(CodeOf(**deposed), ErrorCode::kDeposed);
  EXPECT_EQ(CodeOf(**twin), ErrorCode::kDeposed);
}

TEST(TaskManager, AFailureIsReportedUntilItIsConfirmed) {
  TaskManagerRig rig;
  rig.lines = {"a", "b"};
  rig.endless = true;
  rig.job_manager().drop_reports = 5;
  (void)rig.Deploy(rig.WordCount(1, 1, "boom"));
  rig.RunFor(seconds(5));
  int failed = 0;
  for (const auto& report : rig.job_manager().reports) {
    if (report.state != TaskState::kFailed) continue;
    ++failed;
    EXPECT_EQ(report.failure.code, static_cast<int>(ErrorCode::kPythonRaised));
    EXPECT_EQ(report.failure.operator_name, "boom");
    EXPECT_EQ(report.failure.user_location, "user.py:42");
  }
  EXPECT_GE(failed, 2);
  const auto reports = rig.job_manager().reports.size();
  rig.RunFor(seconds(10));
  EXPECT_EQ(rig.job_manager().reports.size(), reports);
  // And every heartbeat carries it, should the confirmation have been forgotten.
  EXPECT_EQ(rig.job_manager().heartbeats.back().tasks.size(), 2u);
}

TEST(TaskManager, AStartThatFailsIsRefusedWithoutATrace) {
  TaskManagerRig rig;
  rig.pool_failure = Error(ErrorCode::kPythonStart, "no python");
  const auto answer = rig.Deploy(rig.WordCount(1));
  rig.Settle();
  EXPECT_EQ(CodeOf(**answer), ErrorCode::kPythonStart);
  EXPECT_EQ(rig.tasks(), 0u);
  EXPECT_EQ(rig.channels(), 0u);
}

TEST(TaskManager, AMissingArchiveFailsTheDeploy) {
  TaskManagerRig rig;
  auto deployment = rig.WordCount(1);
  deployment.archives.push_back({"files", BlobId(std::string(64, 'a')), 10, true});
  const auto answer = rig.Deploy(std::move(deployment));
  rig.Settle();
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ(CodeOf(**answer), ErrorCode::kNotFound);
  EXPECT_NE((*answer)->message().find("archive"), std::string::npos);
}

TEST(TaskManager, RegistersAtTheAddressThatLeads) {
  TaskManagerRig rig(1, 3);
  rig.job_manager(0).mode = FakeJobManager::Mode::kSilent;
  rig.job_manager(1).mode = FakeJobManager::Mode::kRefuse;
  rig.RunFor(seconds(8));
  EXPECT_FALSE(rig.job_manager(2).heartbeats.empty());
  rig.job_manager(2).mode = FakeJobManager::Mode::kRefuse;
  rig.job_manager(1).mode = FakeJobManager::Mode::kAnswer;
  rig.job_manager(1).leader = {2, Incarnation("jm-2")};
  const auto before = rig.job_manager(1).heartbeats.size();
  rig.RunFor(seconds(20));
  EXPECT_GT(rig.job_manager(1).heartbeats.size(), before);
}

TEST(TaskManager, BlobsComeFromTheJobManagerThatItIsRegisteredWith) {
  TaskManagerRig rig(1, 2);
  rig.job_manager(0).mode = FakeJobManager::Mode::kRefuse;
  const BlobId plan(std::string(64, 'a'));
  rig.job_manager(1).blobs[plan] = "a large plan";
  rig.RunFor(seconds(3));
  std::optional<std::string> content;
  rig.manager->FetchBlob(plan, [&](Outcome<std::string> outcome) { content = outcome.done() ? outcome.TakeValue() : "refused"; });
  rig.Settle();
  EXPECT_EQ(content, "a large plan");
  EXPECT_EQ(rig.job_manager(0).fetches, 0);
}

TEST(TaskManager, RegistersAgainWhenItIsNotKnownAndKeepsItsTasks) {
  TaskManagerRig rig;
  rig.endless = true;
  (void)rig.Deploy(rig.WordCount(1));
  rig.RunFor(seconds(2));
  const auto before = rig.job_manager().registrations.size();
  rig.job_manager().mode = FakeJobManager::Mode::kUnknownProcess;
  rig.RunFor(milliseconds(1100));
  rig.job_manager().mode = FakeJobManager::Mode::kAnswer;
  rig.RunFor(seconds(2));
  ASSERT_GT(rig.job_manager().registrations.size(), before);
  EXPECT_EQ(rig.job_manager().registrations.back().running.size(), 4u);
  EXPECT_EQ(rig.tasks(), 4u);
}

TEST(TaskManager, WithoutContactItsAttemptsAreFailedAndThenReported) {
  TaskManagerRig rig;
  rig.endless = true;
  (void)rig.Deploy(rig.WordCount(1));
  rig.RunFor(seconds(2));
  rig.job_manager().mode = FakeJobManager::Mode::kSilent;
  rig.RunFor(seconds(25));
  EXPECT_EQ(rig.tasks(), 4u);
  rig.RunFor(seconds(15));
  EXPECT_EQ(rig.tasks(), 0u);
  rig.job_manager().mode = FakeJobManager::Mode::kAnswer;
  rig.RunFor(seconds(20));
  EXPECT_EQ(rig.job_manager().StatesOf({JobId("job"), 1, 0, 0}).back(), TaskState::kFailed);
}

TEST(TaskManager, WithoutContactAStartThatIsUnderWayIsGivenUp) {
  TaskManagerRig rig;
  rig.endless = true;
  rig.RunFor(seconds(2));
  rig.job_manager().hold_fetches = true;
  auto deployment = rig.WordCount(1);
  deployment.archives.push_back({"files", wire::BlobIdOf(""), 0, true});
  const auto answer = rig.Deploy(std::move(deployment));
  rig.job_manager().mode = FakeJobManager::Mode::kSilent;
  rig.RunFor(seconds(40));
  EXPECT_FALSE(answer->has_value());
  rig.job_manager().AnswerFetches();
  rig.RunFor(seconds(1));
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ(CodeOf(**answer), ErrorCode::kNotReady) << **answer;
  EXPECT_NE((*answer)->message().find("no contact"), std::string::npos);
  EXPECT_EQ(rig.tasks(), 0u);
  EXPECT_EQ(rig.channels(), 0u);
}

TEST(TaskManager, SplitsThatComeForAnotherAttemptAreRefused) {
  TaskManagerRig rig;
  rig.endless = true;
  (void)rig.Deploy(rig.WordCount(2));
  rig.Settle();
  for (const auto& [attempt, ok] : std::vector<std::pair<AttemptId, bool>>{
           {{JobId("job"), 2, 0, 0}, true}, {{JobId("job"), 1, 0, 0}, false}, {{JobId("other"), 2, 0, 0}, false}}) {
    auto answer = std::make_shared<std::optional<Status>>();
    rig.manager->AddSplits({1, Incarnation("jm-1")}, Incarnation("inc"), attempt, {OperatorUid("uid-lines"), {{"s-1", "{}"}}, true},
                           TaskManagerRig::Into(answer));
    rig.Settle();
    EXPECT_EQ((*answer)->ok(), ok) << **answer;
  }
  EXPECT_EQ(rig.tasks(), 4u);
}

TEST(TaskManager, StopEndsEverythingAndSaysSo) {
  TaskManagerRig rig;
  rig.endless = true;
  (void)rig.Deploy(rig.WordCount(1));
  rig.RunFor(seconds(1));
  bool stopped = false;
  rig.manager->RequestStop([&] { stopped = true; });
  rig.Settle();
  EXPECT_TRUE(stopped);
  EXPECT_EQ(rig.tasks(), 0u);
  EXPECT_EQ(rig.pools_alive, 0);
  const auto refused = rig.Deploy(rig.WordCount(2));
  rig.Settle();
  EXPECT_EQ(CodeOf(**refused), ErrorCode::kNotReady);
}

}  // namespace
}  // namespace headrace::data::taskmanager
