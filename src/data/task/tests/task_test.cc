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

TEST(TaskExchangeFailure, FailsTheTaskAndNamesNoOperator) {
  WordCountRig rig(5, 2, {"a b", "c", "d"}, "split", /*endless=*/true);
  for (int i = 0; i < 30; ++i) rig.StepOnce();
  rig.exchange().Release(JobId("job"), 1);
  for (std::size_t i = 0; i < rig.num_tasks(); ++i) rig.task(i).AddSplits({OperatorUid("nobody"), {}, false});  // wakes everything
  for (int i = 0; i < 5000 && rig.StepOnce(); ++i) {
  }
  for (std::size_t i = 0; i < rig.num_tasks(); ++i) EXPECT_EQ(rig.task(i).outcome(), TaskOutcome::kFailed);
}

TEST(TaskIdle, AnEndlessSourceThatSaysNothingIsNotPolled) {
  WordCountRig rig(5, 1, {}, "split", /*endless=*/true);
  int steps = 0;
  while (rig.StepOnce()) ASSERT_LT(++steps, 1000);
}

}  // namespace
}  // namespace headrace::data::task
