#include <gtest/gtest.h>

#include <chrono>
#include <optional>

#include "base/metrics.h"
#include "base/random.h"
#include "control/job/dispatcher_impl.h"
#include "control/job/tests/fake_cluster.h"
#include "control/metastore/memory_metastore.h"
#include "control/metastore/tests/forwarding_metastore.h"
#include "wire/job_file.h"

namespace headrace::control::job {
namespace {

using namespace std::chrono_literals;

/// The memory store; new jobs can be refused, or written without an answer, and the list of ended ones can be held back.
class SwitchedStore final : public metastore::ForwardingMetastore {
 public:
  enum class Inserts { kWork, kAreAppliedWithoutAnswer, kAreRefusedAsDeposed };
  SwitchedStore(Executor* executor, std::shared_ptr<metastore::MemoryTables> tables)
      : ForwardingMetastore(metastore::MakeMemoryMetastore(executor, std::move(tables))), executor_(executor) {}
  Inserts inserts = Inserts::kWork;
  bool ended_are_listed = true;

  void ListFinished(std::size_t newest, metastore::Answer<std::vector<FinishedJob>> answer) override {
    if (ended_are_listed) ForwardingMetastore::ListFinished(newest, std::move(answer));
  }

  void InsertJob(metastore::LeaderGrant grant, std::shared_ptr<const metastore::JobRecord> job,
                 metastore::Answer<Nothing> answer) override {
    if (inserts == Inserts::kWork) return ForwardingMetastore::InsertJob(grant, job, answer);
    if (inserts == Inserts::kAreAppliedWithoutAnswer) ForwardingMetastore::InsertJob(grant, job, [](Outcome<Nothing>) {});
    const auto outcome = inserts == Inserts::kAreRefusedAsDeposed ? Outcome<Nothing>::NotDone(Error(ErrorCode::kDeposed, "an older epoch"))
                                                                  : Outcome<Nothing>::Unknown(Error(ErrorCode::kStoreUnavailable, "away"));
    executor_->Post([answer, outcome] { answer(outcome); });
  }

 private:
  Executor* const executor_;
};

class SubmitTest : public ::testing::Test {
 protected:
  SubmitTest() { Boot(); }

  void Boot() {
    dispatcher_.reset();
    executor_.Clear();
    store_ = std::make_unique<SwitchedStore>(&executor_, tables_);
    dispatcher_ =
        std::make_unique<DispatcherImpl>(ControlPlaneParts{&executor_, store_.get(), &cluster_, &planner_, &random_, &metrics_}, options_);
    cluster_.Attach(dispatcher_->gateway());
    dispatcher_->Start();
    executor_.RunReady();
  }
  void StartThree() {
    for (const char* id : {"tm1", "tm2", "tm3"}) cluster_.Start(id, 4);
    executor_.RunReady();
  }
  static std::string FileOf(const plan::JobGraph& graph) {
    wire::JobFile file;
    file.graph = graph;
    file.header.python_version = graph.python_version;
    return wire::WriteJobFile(file);
  }
  std::shared_ptr<std::optional<Result<SubmitAnswer>>> Submit(std::string file, std::string key = "",
                                                              std::optional<std::uint32_t> parallelism = {}) {
    auto answer = std::make_shared<std::optional<Result<SubmitAnswer>>>();
    SubmitRequest request;
    request.job_file = std::move(file);
    request.idempotency_key = std::move(key);
    request.parallelism = parallelism;
    dispatcher_->Submit(std::move(request), [answer](Result<SubmitAnswer> result) { *answer = std::move(result); });
    executor_.RunReady();
    return answer;
  }
  JobView View(const JobId& id) {
    JobView view;
    dispatcher_->GetJob(id, [&](Result<JobView> answer) {
      if (answer.ok()) view = *answer;
    });
    executor_.RunReady();
    return view;
  }
  static void ExpectRefused(const std::shared_ptr<std::optional<Result<SubmitAnswer>>>& answer, ErrorCode code, const std::string& text) {
    ASSERT_TRUE(answer->has_value()) << "no answer yet";
    ASSERT_FALSE((*answer)->ok());
    EXPECT_EQ(CodeOf((*answer)->status()), code) << (*answer)->status().message();
    EXPECT_NE((*answer)->status().message().find(text), std::string::npos) << (*answer)->status().message();
  }

  ControlPlaneOptions options_;
  ManualClock clock_;
  ManualExecutor executor_{&clock_};
  SeededRandom random_{42};
  MetricsRegistry metrics_;
  FakeCluster cluster_{&executor_};
  FakePlanner planner_{&executor_};
  std::shared_ptr<metastore::MemoryTables> tables_ = metastore::MakeMemoryTables();
  std::unique_ptr<SwitchedStore> store_;
  std::unique_ptr<DispatcherImpl> dispatcher_;
};

TEST_F(SubmitTest, RunsAndAnswersWithTheTrueStatus) {
  StartThree();
  const auto answer = Submit(FileOf(SourceAndSink(12)));
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status().message();
  EXPECT_EQ((**answer)->status, JobState::kRunning);
  const JobView view = View((**answer)->job);
  EXPECT_EQ(view.vertices.size(), 2u);
  EXPECT_EQ(view.slots_needed, 12u);
  ASSERT_NE(view.plan, nullptr);
  EXPECT_EQ(view.plan->job_name, "numbers");
}

TEST_F(SubmitTest, MoreThanAllSlotsIsRefusedAtOnceWithTheNumbers) {
  StartThree();
  ExpectRefused(Submit(FileOf(SourceAndSink(13))), ErrorCode::kNotEnoughSlots, "need 13 slots, 12 free");
}

TEST_F(SubmitTest, OccupiedSlotsAreWaitedForTenSeconds) {
  StartThree();
  const auto first = Submit(FileOf(SourceAndSink(10)));
  const auto second = Submit(FileOf(SourceAndSink(4)));
  executor_.RunFor(9s);
  EXPECT_FALSE(second->has_value());
  executor_.RunFor(2s);
  ExpectRefused(second, ErrorCode::kNotEnoughSlots, "need 4 slots, 2 free");
  const auto third = Submit(FileOf(SourceAndSink(4)));
  executor_.RunFor(3s);
  bool cancelled = false;
  dispatcher_->Cancel((**first)->job, [&](Result<JobState> state) { cancelled = state.ok() && *state == JobState::kCanceled; });
  executor_.RunReady();
  EXPECT_TRUE(cancelled);
  ASSERT_TRUE(third->has_value()) << "slots came free";
  EXPECT_TRUE((*third)->ok());
}

TEST_F(SubmitTest, FilesOfWaitingSubmissionsDoNotFillTheMemory) {
  const std::string file = FileOf(SourceAndSink(4));
  options_.most_waiting_bytes = file.size() * 2;
  Boot();
  const auto first = Submit(file), second = Submit(file);  // no slots yet
  ExpectRefused(Submit(file), ErrorCode::kTooManyRequests, "2 submissions");
  StartThree();
  executor_.RunFor(1s);
  ASSERT_TRUE(first->has_value() && second->has_value());
  EXPECT_TRUE((*first)->ok() && (*second)->ok());
  EXPECT_TRUE((*Submit(file))->ok()) << "nobody waits any more";
}

TEST_F(SubmitTest, JobsOfNobodyAreNotStored) {
  StartThree();
  Submit(FileOf(SourceAndSink(13)));
  std::size_t jobs = 99;
  dispatcher_->ListJobs([&](Result<std::vector<JobView>> views) { jobs = views->size(); });
  executor_.RunReady();
  EXPECT_EQ(jobs, 0u);
  Boot();
  dispatcher_->ListJobs([&](Result<std::vector<JobView>> views) { jobs = views->size(); });
  executor_.RunReady();
  EXPECT_EQ(jobs, 0u);
}

TEST_F(SubmitTest, BadInputNamesWhatIsWrong) {
  StartThree();
  ExpectRefused(Submit("hello"), ErrorCode::kNotAJobFile, "");
  ExpectRefused(Submit(FileOf(SourceAndSink(100'000))), ErrorCode::kBadParallelism, "100000");
  ExpectRefused(Submit(FileOf(SourceAndSink(2)), "", 0), ErrorCode::kBadParallelism, "0");
  plan::JobGraph no_sink = SourceAndSink(1);
  no_sink.operators.pop_back();
  ExpectRefused(Submit(FileOf(no_sink)), ErrorCode::kNoSink, "numbers");
}

TEST_F(SubmitTest, OtherPythonIsRefused) {
  StartThree();
  plan::JobGraph graph = SourceAndSink(1);
  plan::OperatorSpec map;
  map.uid = OperatorUid("map");
  map.name = "map";
  map.inputs = {{OperatorUid("source"), plan::Partitioning::kAuto}};
  map.kind = plan::PythonFunction{plan::PythonFunction::Verb::kMap, "x", "f"};
  graph.operators[1].inputs[0].uid = map.uid;
  graph.operators.push_back(map);
  graph.python_version = "3.13";
  ExpectRefused(Submit(FileOf(graph)), ErrorCode::kPythonVersion, "Python 3.13");
}

TEST_F(SubmitTest, SlotsOfOtherPythonsAreNoFreeSlots) {
  cluster_.Start("tm1", 4, "3.11");
  cluster_.Start("tm2", 4, "3.12");
  executor_.RunReady();
  plan::JobGraph graph = SourceAndSink(6);
  graph.operators[1].kind = plan::PythonFunction{plan::PythonFunction::Verb::kMap, "x", "f"};
  graph.operators[1].inputs[0].partitioning = plan::Partitioning::kAuto;
  plan::OperatorSpec sink;
  sink.uid = OperatorUid("out");
  sink.name = "out";
  sink.inputs = {{graph.operators[1].uid, plan::Partitioning::kAuto}};
  sink.kind = plan::SinkSpec{{"blackhole", {}, "", false}};
  graph.operators.push_back(sink);
  graph.python_version = "3.11";
  const auto answer = Submit(FileOf(graph));
  executor_.RunFor(11s);
  ExpectRefused(answer, ErrorCode::kNotEnoughSlots, "need 6 slots, 4 free with Python 3.11");
}

TEST_F(SubmitTest, MissingTopicIsRefusedAndAnAbsentBrokerIsAWarning) {
  StartThree();
  planner_.source_answer =
      Outcome<std::vector<plan::SourceSplit>>::NotDone(Error(ErrorCode::kUnknownTopic, "topic \"lines\" does not exist"));
  ExpectRefused(Submit(FileOf(SourceAndSink(1))), ErrorCode::kUnknownTopic, "lines");
  planner_.source_answer =
      Outcome<std::vector<plan::SourceSplit>>::NotDone(Error(ErrorCode::kBrokerUnreachable, "broker k:9092 does not answer."));
  const auto answer = Submit(FileOf(SourceAndSink(1)));
  executor_.RunFor(6s);
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok());
  EXPECT_EQ((**answer)->status, JobState::kInitializing);
  ASSERT_EQ((**answer)->warnings.size(), 1u);
  EXPECT_NE(View((**answer)->job).reason.find("k:9092 does not answer"), std::string::npos);
  planner_.source_answer = Outcome<std::vector<plan::SourceSplit>>::Done({{"s-0", "{}"}});
  executor_.RunFor(20s);
  EXPECT_EQ(View((**answer)->job).state, JobState::kRunning);
}

TEST_F(SubmitTest, PromisesThatAreNotKeptYetAreSaid) {
  StartThree();
  plan::JobGraph graph = SourceAndSink(1, /*kafka=*/true);
  graph.settings.checkpoint_interval_ms = 60'000;
  const auto answer = Submit(FileOf(graph));
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status().message();
  ASSERT_EQ((**answer)->warnings.size(), 2u);
  EXPECT_NE((**answer)->warnings[0].find("at least once"), std::string::npos);
  EXPECT_NE((**answer)->warnings[1].find("not active yet"), std::string::npos);
}

TEST_F(SubmitTest, SameKeyIsOneJobEvenAcrossARestart) {
  StartThree();
  const auto first = Submit(FileOf(SourceAndSink(2)), "key");
  const auto second = Submit(FileOf(SourceAndSink(2)), "key");
  ASSERT_TRUE((*first)->ok() && (*second)->ok());
  EXPECT_EQ((**first)->job, (**second)->job);
  Boot();
  StartThree();
  executor_.RunFor(5s);
  const auto third = Submit(FileOf(SourceAndSink(2)), "key");
  ASSERT_TRUE((*third)->ok());
  EXPECT_EQ((**third)->job, (**first)->job);
  EXPECT_EQ(View((**first)->job).state, JobState::kRunning) << "taken up again";
  EXPECT_EQ(View((**first)->job).deployment, 2u);
}

TEST_F(SubmitTest, WhoAsksAgainWithTheKeyWhileTheStoreIsAwayIsAnswered) {
  StartThree();
  store_->inserts = SwitchedStore::Inserts::kAreAppliedWithoutAnswer;
  const auto first = Submit(FileOf(SourceAndSink(2)), "key");
  executor_.RunFor(21s);
  ExpectRefused(first, ErrorCode::kStoreUnavailable, "not known");
  const auto second = Submit(FileOf(SourceAndSink(2)), "key");
  executor_.RunFor(21s);
  ExpectRefused(second, ErrorCode::kStoreUnavailable, "not known");
  const auto third = Submit(FileOf(SourceAndSink(2)), "key");
  executor_.RunFor(1s);
  store_->inserts = SwitchedStore::Inserts::kWork;
  executor_.RunFor(10s);
  ASSERT_TRUE(third->has_value());
  ASSERT_TRUE((*third)->ok()) << (*third)->status().message();
  EXPECT_EQ((**third)->status, JobState::kRunning);
  const auto fourth = Submit(FileOf(SourceAndSink(2)), "key");
  EXPECT_EQ((**fourth)->job, (**third)->job);
}

TEST_F(SubmitTest, RefusalOfAnOlderEpochIsNoReasonToForgetAJobThatMayBeStored) {
  StartThree();
  store_->inserts = SwitchedStore::Inserts::kAreAppliedWithoutAnswer;
  const auto answer = Submit(FileOf(SourceAndSink(2)), "key");
  store_->inserts = SwitchedStore::Inserts::kAreRefusedAsDeposed;
  executor_.RunFor(2s);
  EXPECT_FALSE(answer->has_value()) << "the store still names this JobManager";
  store_->inserts = SwitchedStore::Inserts::kWork;
  executor_.RunFor(2s);
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status().message();
  EXPECT_EQ((**answer)->status, JobState::kRunning);
}

TEST_F(SubmitTest, NoJobIsDeniedBeforeTheStoredOnesWereRead) {
  StartThree();
  const auto answer = Submit(FileOf(SourceAndSink(2)));
  ASSERT_TRUE((*answer)->ok());
  const auto start = [&](bool ended_are_listed) {
    dispatcher_.reset();
    executor_.Clear();
    store_->ended_are_listed = ended_are_listed;
    dispatcher_ =
        std::make_unique<DispatcherImpl>(ControlPlaneParts{&executor_, store_.get(), &cluster_, &planner_, &random_, &metrics_}, options_);
    dispatcher_->Start();
    executor_.RunReady();
  };
  start(/*ended_are_listed=*/false);
  ErrorCode listed{}, found{}, cancelled{};
  dispatcher_->ListJobs([&](const Result<std::vector<JobView>>& views) { listed = CodeOf(views.status()); });
  dispatcher_->GetJob((**answer)->job, [&](const Result<JobView>& view) { found = CodeOf(view.status()); });
  dispatcher_->Cancel((**answer)->job, [&](const Result<JobState>& state) { cancelled = CodeOf(state.status()); });
  ClusterView cluster;
  dispatcher_->GetCluster([&](ClusterView view) { cluster = std::move(view); });
  executor_.RunReady();
  EXPECT_EQ(listed, ErrorCode::kNotReady);
  EXPECT_EQ(found, ErrorCode::kNotReady);
  EXPECT_EQ(cancelled, ErrorCode::kNotReady);
  EXPECT_FALSE(cluster.leader);
  EXPECT_EQ(cluster.leader_address, "") << "nobody can serve requests yet";
  start(/*ended_are_listed=*/true);
  EXPECT_EQ(View((**answer)->job).id, (**answer)->job);
}

TEST_F(SubmitTest, SplitsAreResolvedOnceForTheWholeLife) {
  StartThree();
  const auto answer = Submit(FileOf(SourceAndSink(2)));
  ASSERT_TRUE((*answer)->ok());
  EXPECT_EQ(planner_.asked, 1) << "the submit check and the first deployment share one answer";
  planner_.source_answer = Outcome<std::vector<plan::SourceSplit>>::NotDone(Error(ErrorCode::kBrokerUnreachable, "away"));
  Boot();
  StartThree();
  executor_.RunFor(5s);
  EXPECT_EQ(View((**answer)->job).state, JobState::kRunning) << "a restart reads from the stored positions, without asking";
  EXPECT_EQ(planner_.asked, 1);
}

TEST_F(SubmitTest, ValidateRunsNothing) {
  StartThree();
  std::shared_ptr<const plan::ExecutionPlan> plan;
  SubmitRequest request;
  request.job_file = FileOf(SourceAndSink(3));
  dispatcher_->Validate(request, [&](Result<std::shared_ptr<const plan::ExecutionPlan>> answer) { plan = answer.ValueOr(nullptr); });
  executor_.RunFor(1s);
  ASSERT_NE(plan, nullptr);
  EXPECT_EQ(plan->vertices.size(), 2u);
  std::size_t jobs = 99;
  dispatcher_->ListJobs([&](Result<std::vector<JobView>> views) { jobs = views->size(); });
  executor_.RunReady();
  EXPECT_EQ(jobs, 0u);
}

TEST_F(SubmitTest, CancelOfUnknownAndEndedJobs) {
  StartThree();
  ErrorCode code{};
  dispatcher_->Cancel(JobId("nothing"), [&](Result<JobState> answer) { code = CodeOf(answer.status()); });
  executor_.RunReady();
  EXPECT_EQ(code, ErrorCode::kNotFound);
  const auto answer = Submit(FileOf(SourceAndSink(2)));
  int cancelled = 0;
  for (int i = 0; i < 2; ++i) dispatcher_->Cancel((**answer)->job, [&](Result<JobState> state) { cancelled += state.ok() ? 1 : 0; });
  executor_.RunFor(1s);
  EXPECT_EQ(cancelled, 2) << "cancelling twice is cancelling";
  Boot();
  dispatcher_->Cancel((**answer)->job, [&](Result<JobState> state) { cancelled += state.ok() ? 1 : 0; });
  executor_.RunReady();
  EXPECT_EQ(cancelled, 3) << "also when another JobManager did it";
}

TEST_F(SubmitTest, JobsThatEndedLongAgoAreStillKnown) {
  StartThree();
  const auto first = Submit(FileOf(SourceAndSink(1)), "key");
  ASSERT_TRUE((*first)->ok());
  for (int i = 0; i < 210; ++i) {
    const JobId job = i == 0 ? (**first)->job : (**Submit(FileOf(SourceAndSink(1))))->job;
    dispatcher_->Cancel(job, [](Result<JobState>) {});
    executor_.RunReady();
  }
  std::size_t listed = 0;
  dispatcher_->ListJobs([&](Result<std::vector<JobView>> views) { listed = views->size(); });
  executor_.RunReady();
  EXPECT_LE(listed, 201u);
  EXPECT_EQ(View((**first)->job).state, JobState::kCanceled);
  ErrorCode code = ErrorCode::kNotFound;
  dispatcher_->Cancel((**first)->job, [&](Result<JobState> answer) { code = answer.ok() ? ErrorCode{} : CodeOf(answer.status()); });
  executor_.RunReady();
  EXPECT_EQ(code, ErrorCode{}) << "cancelling twice is cancelling";
  const auto again = Submit(FileOf(SourceAndSink(1)), "key");
  ASSERT_TRUE((*again)->ok()) << (*again)->status().message();
  EXPECT_EQ((**again)->job, (**first)->job);
  EXPECT_EQ((**again)->status, JobState::kCanceled);
}

TEST_F(SubmitTest, JobThatSetsNoRestartStrategyTakesTheClusters) {
  options_.default_restart.kind = plan::RestartSettings::Kind::kNone;
  Boot();
  StartThree();
  const auto answer = Submit(FileOf(SourceAndSink(1)));
  plan::JobGraph own = SourceAndSink(1);
  own.settings.restart = {plan::RestartSettings::Kind::kFixedDelay, 5, 1000, 0, 0};
  const auto with_own = Submit(FileOf(own));
  for (const char* id : {"tm1", "tm2", "tm3"}) cluster_.FailTasks(id);
  executor_.RunFor(5s);
  EXPECT_EQ(View((**answer)->job).state, JobState::kFailed);
  EXPECT_EQ(View((**with_own)->job).state, JobState::kRunning);
  EXPECT_EQ(View((**with_own)->job).restarts, 1u);
}

TEST_F(SubmitTest, EndedJobShowsNoRunningTask) {
  StartThree();
  const auto answer = Submit(FileOf(SourceAndSink(3)));
  dispatcher_->Cancel((**answer)->job, [](Result<JobState>) {});
  executor_.RunReady();
  const JobView view = View((**answer)->job);
  ASSERT_EQ(view.state, JobState::kCanceled);
  for (const auto& vertex : view.vertices) {
    for (const auto& subtask : vertex.subtasks) EXPECT_EQ(subtask.state, wire::TaskState::kCanceled) << vertex.name;
  }
}

TEST_F(SubmitTest, ChangesAreToldOnceTheyCanBeRead) {
  std::vector<std::pair<bool, std::uint32_t>> seen;  // (leads, free slots)
  JobState state = JobState::kCreated;
  std::optional<JobId> job;
  options_.on_change = [&] {
    dispatcher_->GetCluster([&](ClusterView view) { seen.emplace_back(view.leader, view.available_slots); });
    if (job) dispatcher_->GetJob(*job, [&](Result<JobView> view) { state = view->state; });
  };
  Boot();
  ASSERT_FALSE(seen.empty());
  EXPECT_TRUE(seen.back().first);
  StartThree();
  EXPECT_EQ(seen.back().second, 12u);
  const auto answer = Submit(FileOf(SourceAndSink(4)));
  job = (**answer)->job;
  dispatcher_->Cancel(*job, [](Result<JobState>) {});
  executor_.RunReady();
  EXPECT_EQ(state, JobState::kCanceled);
  EXPECT_EQ(seen.back().second, 12u);
}

TEST_F(SubmitTest, MetricsAndClusterViewAgree) {
  StartThree();
  Submit(FileOf(SourceAndSink(5)));
  executor_.RunFor(2s);
  ClusterView cluster;
  dispatcher_->GetCluster([&](ClusterView view) { cluster = view; });
  executor_.RunReady();
  EXPECT_EQ(cluster.total_slots, 12u);
  EXPECT_EQ(cluster.available_slots, 7u);
  EXPECT_EQ(cluster.running_jobs, 1u);
  EXPECT_TRUE(cluster.leader);
  const std::string text = metrics_.Expose();
  EXPECT_NE(text.find("headrace_slots{state=\"free\"} 7"), std::string::npos) << text;
  EXPECT_NE(text.find("headrace_leader 1"), std::string::npos);
  EXPECT_NE(text.find("headrace_jobs{state=\"running\"} 1"), std::string::npos);
}

}  // namespace
}  // namespace headrace::control::job
