#include <gtest/gtest.h>

#include "base/status.h"
#include "control/job/blob_store.h"
#include "control/job/exception_history.h"
#include "control/job/execution_graph.h"
#include "control/job/tests/fake_cluster.h"

namespace headrace::control::job {
namespace {

using cluster::ProcessKey;
using wire::TaskState;

ExceptionEntry Entry(const std::string& message) {
  ExceptionEntry entry;
  entry.failure.message = message;
  return entry;
}

TEST(ExceptionHistory, FirstCauseIsNeverPushedOut) {
  ExceptionHistory history;
  for (int i = 0; i < 100; ++i) history.Add(Entry(std::to_string(i)));
  const auto entries = history.entries();
  ASSERT_EQ(entries.size(), 21u);
  EXPECT_EQ(entries.front().failure.message, "0");
  EXPECT_EQ(entries[1].failure.message, "80");
  EXPECT_EQ(history.newest()->failure.message, "99");
}

TEST(ExceptionHistory, ResultRowKeepsWhatPeopleRead) {
  ExceptionEntry entry = Entry("value is not UTF-8: \xff");
  entry.failure.code = 1401;
  entry.failure.traceback = "line 1\nline 2";
  entry.failure.user_location = "job.py:12";
  entry.task_name = "map (1/4)";
  const ExceptionEntry read = FailureFromJson(FailureJson(entry));
  EXPECT_EQ(read.failure.code, 1401);
  EXPECT_EQ(read.failure.traceback, entry.failure.traceback);
  EXPECT_EQ(read.failure.user_location, "job.py:12");
  EXPECT_EQ(read.task_name, "map (1/4)");
  EXPECT_EQ(FailureFromJson("").failure.message, "");
  EXPECT_EQ(FailureFromJson("[1]").failure.message, "");
}

class ExecutionGraphTest : public ::testing::Test {
 protected:
  ExecutionGraphTest() {
    plan_ = *plan::Chain(*plan::Validate(SourceAndSink(2)));
    graph_.Reset(JobId("j"), 3, plan_, {{a_, 0}, {b_, 0}});
  }
  wire::TaskReport Report(std::uint32_t vertex, std::uint32_t subtask, TaskState state, DeploymentNumber deployment = 3) {
    return {AttemptId{JobId("j"), deployment, vertex, subtask}, state, {}, {}};
  }
  const ProcessKey a_{TaskManagerId("a"), Incarnation("1")}, b_{TaskManagerId("b"), Incarnation("1")};
  std::shared_ptr<const plan::ExecutionPlan> plan_;
  ExecutionGraph graph_;
};

TEST_F(ExecutionGraphTest, LateAndForeignReportsChangeNothing) {
  EXPECT_TRUE(graph_.Apply(a_, Report(0, 0, TaskState::kFinished)));
  EXPECT_FALSE(graph_.Apply(a_, Report(0, 0, TaskState::kRunning))) << "overtaken";
  EXPECT_FALSE(graph_.Apply(a_, Report(0, 0, TaskState::kFailed))) << "an end is final";
  EXPECT_FALSE(graph_.Apply(a_, Report(0, 1, TaskState::kRunning))) << "that task is elsewhere";
  EXPECT_FALSE(graph_.Apply(b_, Report(0, 1, TaskState::kRunning, 2))) << "an older deployment";
  EXPECT_EQ(graph_.Find(Report(0, 1, TaskState::kRunning).attempt)->state, TaskState::kDeploying);
}

TEST_F(ExecutionGraphTest, TaskMissingInThreeHeartbeatsIsGone) {
  wire::HeartbeatRequest heartbeat;
  for (std::uint32_t v = 0; v < 2; ++v) graph_.Apply(a_, Report(v, 0, TaskState::kRunning));
  heartbeat.tasks = {Report(0, 0, TaskState::kRunning)};
  EXPECT_TRUE(graph_.NoteHeartbeat(a_, heartbeat, 3).empty());
  EXPECT_TRUE(graph_.NoteHeartbeat(a_, heartbeat, 3).empty());
  EXPECT_EQ(graph_.NoteHeartbeat(a_, heartbeat, 3), std::vector<AttemptId>{Report(1, 0, TaskState::kRunning).attempt});
  EXPECT_TRUE(graph_.NoteHeartbeat(a_, heartbeat, 3).empty()) << "said once";
}

TEST_F(ExecutionGraphTest, WhyASourceWaitsIsSaidForTheJob) {
  wire::HeartbeatRequest heartbeat;
  heartbeat.metrics.resize(1);
  heartbeat.metrics[0].attempt = Report(0, 0, TaskState::kRunning).attempt;
  heartbeat.metrics[0].waiting_reason = "broker k:9092 does not answer";
  EXPECT_EQ(graph_.WaitingReason(), "");
  graph_.NoteHeartbeat(b_, heartbeat, 3);
  EXPECT_EQ(graph_.WaitingReason(), "") << "not from the process that runs it";
  graph_.NoteHeartbeat(a_, heartbeat, 3);
  EXPECT_EQ(graph_.WaitingReason(), graph_.TaskName(heartbeat.metrics[0].attempt) + ": broker k:9092 does not answer");
}

TEST_F(ExecutionGraphTest, SamplesOfBadRecordsStayWhenTheNextHeartbeatHasNone) {
  wire::HeartbeatRequest heartbeat;
  heartbeat.metrics.resize(1);
  heartbeat.metrics[0].attempt = Report(0, 0, TaskState::kRunning).attempt;
  heartbeat.metrics[0].bad_records = 1;
  heartbeat.metrics[0].bad_record_samples = {"first"};
  graph_.NoteHeartbeat(a_, heartbeat, 3);
  heartbeat.metrics[0].bad_record_samples.clear();
  graph_.NoteHeartbeat(a_, heartbeat, 3);
  const auto samples = [&] { return graph_.View(*plan_)[0].subtasks[0].metrics.bad_record_samples; };
  EXPECT_EQ(samples(), std::vector<std::string>{"first"});
  heartbeat.metrics[0].bad_record_samples.assign(9, "later");
  for (int i = 0; i < 3; ++i) graph_.NoteHeartbeat(a_, heartbeat, 3);
  EXPECT_EQ(samples(), std::vector<std::string>(10, "later")) << "the newest, and not without an end";
}

TEST_F(ExecutionGraphTest, LastReportCarriesTheLastCounts) {
  const auto counts = [&](std::uint64_t records) {
    wire::TaskMetrics metrics;
    metrics.attempt = Report(0, 0, TaskState::kRunning).attempt;
    metrics.records_in = records;
    return metrics;
  };
  wire::HeartbeatRequest overtaken;
  overtaken.tasks = {Report(0, 0, TaskState::kRunning)};
  overtaken.metrics = {counts(5)};
  wire::TaskReport last = Report(0, 0, TaskState::kFinished);
  last.metrics = counts(1'000'000);
  ASSERT_TRUE(graph_.Apply(a_, last));
  EXPECT_EQ(graph_.Find(last.attempt)->metrics.records_in, 1'000'000u);
  overtaken.metrics[0].bad_record_samples = {"line 7"};
  graph_.NoteHeartbeat(a_, overtaken, 3);
  EXPECT_EQ(graph_.Find(last.attempt)->metrics.records_in, 1'000'000u) << "an overtaken heartbeat knows less";
  EXPECT_EQ(graph_.Find(last.attempt)->metrics.bad_record_samples, std::vector<std::string>{"line 7"}) << "but what it alone has, stays";
}

TEST_F(ExecutionGraphTest, DeploymentOnItsWayIsNotMissed) {
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(graph_.NoteHeartbeat(a_, {}, 3).empty());
  graph_.NoteTaken();
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(graph_.NoteHeartbeat(a_, {}, 3).empty());
  EXPECT_EQ(graph_.NoteHeartbeat(a_, {}, 3).size(), 2u);
}

TEST_F(ExecutionGraphTest, ProcessWhoseTasksFinishedIsNotNeeded) {
  EXPECT_TRUE(graph_.NeedsProcess(a_));
  for (std::uint32_t v = 0; v < 2; ++v) graph_.Apply(a_, Report(v, 0, TaskState::kFinished));
  EXPECT_FALSE(graph_.NeedsProcess(a_));
  EXPECT_FALSE(graph_.all_finished());
}

TEST(BlobStore, LivesAsLongAsOneJobUsesIt) {
  BlobStore blobs;
  blobs.Add(BlobId("x"), "content");
  blobs.Add(BlobId("x"), "content");
  blobs.Remove(BlobId("x"));
  ASSERT_NE(blobs.Find(BlobId("x")), nullptr);
  blobs.Remove(BlobId("x"));
  EXPECT_EQ(blobs.Find(BlobId("x")), nullptr);
}

}  // namespace
}  // namespace headrace::control::job
