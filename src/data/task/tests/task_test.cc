#include "data/task/task.h"

#include <gtest/gtest.h>

#include "data/task/tests/word_count_rig.h"

namespace headrace::data::task {
namespace {

TEST(TaskWordCount, IsTheSameInEveryInterleavingAndParallelism) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const WordCountInput input(seed);
    for (const std::uint32_t parallelism : {1u, 4u}) {
      WordCountRig rig(seed * 7919 + parallelism, parallelism, input.lines);
      rig.RunToEnd();
      if (testing::Test::HasFatalFailure()) return;
      for (std::size_t i = 0; i < rig.num_tasks(); ++i) {
        ASSERT_EQ(rig.task(i).outcome(), TaskOutcome::kFinished) << rig.task(i).failure().message;
      }
      ASSERT_EQ(rig.Counts(), input.truth);
    }
  }
}

TEST(TaskFailureReport, NamesTheVerbInsideAFusedStage) {
  WordCountRig rig(3, 2, {"a b", "c", "d"}, "boom");
  for (int i = 0; i < 5000 && rig.StepOnce(); ++i) {
  }
  int failed = 0;
  for (std::size_t i = 0; i < rig.num_tasks(); ++i) {
    if (rig.task(i).outcome() != TaskOutcome::kFailed) continue;
    ++failed;
    const TaskFailure& failure = rig.task(i).failure();
    EXPECT_EQ(failure.code, ErrorCode::kPythonRaised);
    EXPECT_EQ(failure.operator_name, "boom");
    EXPECT_EQ(failure.operator_uid, "uid-boom");
    EXPECT_EQ(failure.user_location, "user.py:42");
    EXPECT_EQ(failure.traceback, "Traceback");
    EXPECT_NE(failure.message.find("boom raised ValueError"), std::string::npos) << failure.message;
  }
  EXPECT_EQ(failed, 2);
}

TEST(TaskCancel, ComesThroughAtAnyMoment) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const WordCountInput input(seed);
    WordCountRig rig(seed, 3, input.lines, "split", /*endless=*/true);
    SeededRandom random(seed);
    for (std::uint64_t i = random.Uniform(400); i > 0; --i) rig.StepOnce();
    for (std::size_t i = 0; i < rig.num_tasks(); ++i) rig.task(i).RequestCancel();
    rig.RunToEnd();
    for (std::size_t i = 0; i < rig.num_tasks(); ++i) EXPECT_EQ(rig.task(i).outcome(), TaskOutcome::kCanceled);
  }
}

TEST(TaskExchangeFailure, FailsIdleTasksTooAndNamesNoOperator) {
  WordCountRig rig(5, 2, {}, "split", /*endless=*/true);
  while (rig.StepOnce()) {
  }
  rig.exchange().Break();
  rig.RunToEnd();
  for (std::size_t i = 0; i < rig.num_tasks(); ++i) {
    ASSERT_EQ(rig.task(i).outcome(), TaskOutcome::kFailed);
    const TaskFailure& failure = rig.task(i).failure();
    EXPECT_EQ(failure.code, ErrorCode::kExchangeBroken);
    EXPECT_EQ(failure.operator_name, "") << "no operator of the user's is to blame";
    EXPECT_NE(failure.message.find("the connection broke"), std::string::npos) << failure.message;
  }
}

TEST(TaskExchangeFailure, AnEndThatNobodyTookIsNoEnd) {
  WordCountRig rig(5, 2, {}, "split", /*endless=*/false, /*hold_channels=*/true);
  while (rig.StepOnce()) {
  }
  const std::size_t producers[] = {2, 3};
  for (const std::size_t i : producers) EXPECT_EQ(rig.task(i).outcome(), TaskOutcome::kNone);
  rig.exchange().Break();
  rig.RunToEnd();
  for (const std::size_t i : producers) EXPECT_EQ(rig.task(i).outcome(), TaskOutcome::kFailed);
}

TEST(TaskTimes, AWaitThatGoesOnIsCounted) {
  using std::chrono::seconds;
  TaskVitals vitals;
  const MonotonicTime open(seconds(100));
  EXPECT_EQ(vitals.TimesUntil(open).idle, Duration{}) << "not before it opened";
  vitals.StartTimes(open);
  vitals.NoteStep(open + seconds(1), open + seconds(3), TaskVitals::Doing::kWaitForConsumers);
  const auto times = vitals.TimesUntil(open + seconds(10));
  EXPECT_EQ(times.idle, seconds(1));
  EXPECT_EQ(times.busy, seconds(2));
  EXPECT_EQ(times.backpressured, seconds(7)) << "a task that nobody wakes is backpressured all the same";
}

TEST(TaskIdle, AnEndlessSourceThatSaysNothingIsNotPolled) {
  WordCountRig rig(5, 1, {}, "split", /*endless=*/true);
  int steps = 0;
  while (rig.StepOnce()) ASSERT_LT(++steps, 1000);
}

}  // namespace
}  // namespace headrace::data::task
