#include "base/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace headrace {
namespace {

using std::chrono::milliseconds;

TEST(ManualExecutor, RunsPostsInOrderAndTimersAtTheirInstant) {
  ManualClock clock;
  ManualExecutor executor(&clock);
  std::vector<int> ran;
  executor.PostAfter(milliseconds(20), [&] { ran.push_back(20); });
  executor.PostAfter(milliseconds(10), [&] { ran.push_back(10); });
  executor.Post([&] { ran.push_back(1); });
  executor.Post([&] { ran.push_back(2); });
  EXPECT_EQ(executor.RunReady(), 2u);
  EXPECT_EQ(ran, (std::vector{1, 2}));
  executor.RunFor(milliseconds(10));
  EXPECT_EQ(ran, (std::vector{1, 2, 10}));
  executor.RunFor(milliseconds(9));
  EXPECT_EQ(ran.size(), 3u);
  executor.RunFor(milliseconds(1));
  EXPECT_EQ(ran.back(), 20);
}

TEST(ManualExecutor, CancelOfADueTimerThatWaitsItsTurnHolds) {
  ManualClock clock;
  ManualExecutor executor(&clock);
  bool ran = false;
  Executor::TimerId second = 0;
  executor.PostAfter(milliseconds(1), [&] { executor.Cancel(second); });
  second = executor.PostAfter(milliseconds(1), [&] { ran = true; });
  executor.RunFor(milliseconds(5));
  EXPECT_FALSE(ran);
}

TEST(ManualExecutor, CancelAfterTheRunAndOfUnknownTimersIsHarmless) {
  ManualClock clock;
  ManualExecutor executor(&clock);
  const auto id = executor.PostAfter(milliseconds(0), [] {});
  EXPECT_NE(id, 0u);
  executor.RunReady();
  executor.Cancel(id);
  executor.Cancel(12345);
  EXPECT_FALSE(executor.has_ready());
  EXPECT_EQ(executor.next_timer(), MonotonicTime::max());
}

TEST(ManualExecutor, ATimerThatRearmsItselfDoesNotStarveTheClock) {
  ManualClock clock;
  ManualExecutor executor(&clock);
  int beats = 0;
  std::function<void()> beat = [&] {
    ++beats;
    executor.PostAfter(milliseconds(10), beat);
  };
  executor.PostAfter(milliseconds(10), beat);
  executor.RunFor(milliseconds(100));
  EXPECT_EQ(beats, 10);
}

TEST(ManualExecutor, ClearDropsTasksThatPostWhenTheyAreDestroyed) {
  ManualClock clock;
  ManualExecutor executor(&clock);
  bool ran = false;
  auto on_destroy = std::shared_ptr<void>(nullptr, [&](void*) { executor.Post([&] { ran = true; }); });
  executor.Post([keep = std::move(on_destroy)] {});
  executor.Clear();
  EXPECT_EQ(executor.RunReady(), 0u);
  EXPECT_FALSE(ran);
}

TEST(ManualExecutor, KnowsWhetherATurnRuns) {
  ManualClock clock;
  ManualExecutor executor(&clock);
  bool inside = false;
  executor.Post([&] { inside = executor.OnExecutor(); });
  EXPECT_FALSE(executor.OnExecutor());
  executor.RunReady();
  EXPECT_TRUE(inside);
  EXPECT_FALSE(executor.OnExecutor());
}

TEST(ThreadExecutor, RunsTasksOfManyThreadsOneAtATimeInOrderOfEachPoster) {
  ThreadExecutor executor("test-exec");
  constexpr int kThreads = 4, kEach = 2000;
  std::vector<int> last(kThreads, -1);  // unguarded on purpose: only the executor's turns touch it
  bool ordered = true;
  std::vector<std::thread> posters;
  for (int t = 0; t < kThreads; ++t) {
    posters.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        executor.Post([&, t, i] {
          ordered = ordered && last[t] == i - 1;
          last[t] = i;
        });
      }
    });
  }
  for (auto& poster : posters) poster.join();
  std::promise<void> done;
  executor.Post([&] { done.set_value(); });
  done.get_future().wait();
  EXPECT_TRUE(ordered);
  EXPECT_EQ(last, std::vector<int>(kThreads, kEach - 1));
}

TEST(ThreadExecutor, TimersRunNotBeforeTheirInstantAndPostsDoNotWaitForThem) {
  ThreadExecutor executor("test-exec");
  std::promise<void> far_cancelled;
  const auto far = executor.PostAfter(std::chrono::hours(10), [] { FAIL(); });
  const auto start = executor.clock().Now();
  std::promise<Duration> waited;
  executor.PostAfter(milliseconds(20), [&] { waited.set_value(executor.clock().Now() - start); });
  std::promise<void> posted;
  executor.Post([&] { posted.set_value(); });
  posted.get_future().wait();
  EXPECT_GE(waited.get_future().get(), milliseconds(20));
  executor.Cancel(far);
}

TEST(ThreadExecutor, StopDropsWhatWaitsAndDestroysItsCaptures) {
  auto token = std::make_shared<int>(1);
  std::weak_ptr<int> watched = token;
  {
    ThreadExecutor executor("test-exec");
    std::promise<void> started, release;
    executor.Post([&] {
      started.set_value();
      release.get_future().wait();
    });
    started.get_future().wait();
    executor.Post([keep = token] { FAIL(); });
    executor.PostAfter(std::chrono::hours(1), [keep = token] { FAIL(); });
    executor.RequestStop();
    executor.Post([keep = std::move(token)] { FAIL(); });
    release.set_value();
    executor.Join();
  }
  EXPECT_TRUE(watched.expired());
}

TEST(ThreadExecutor, ATaskThatPostsToAStoppedExecutorWhileItDiesDoesNotDeadlock) {
  auto executor = std::make_unique<ThreadExecutor>("test-exec");
  ThreadExecutor* raw = executor.get();
  auto on_destroy = std::shared_ptr<void>(nullptr, [raw](void*) { raw->Post([] {}); });
  executor->PostAfter(std::chrono::hours(1), [keep = std::move(on_destroy)] {});
  executor->RequestStop();
  executor->Join();
}

TEST(ThreadExecutor, OnExecutorIsTrueOnlyOnItsThread) {
  ThreadExecutor executor("test-exec");
  std::promise<bool> inside;
  executor.Post([&] { inside.set_value(executor.OnExecutor()); });
  EXPECT_TRUE(inside.get_future().get());
  EXPECT_FALSE(executor.OnExecutor());
}

}  // namespace
}  // namespace headrace
