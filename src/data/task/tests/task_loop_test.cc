#include "data/task/task_loop.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <future>
#include <vector>

namespace headrace::data::task {
namespace {

/// Counts its steps and ends after `limit` of them; waits for a wake after each when told.
class CountingTask final : public StepTask {
 public:
  CountingTask(int limit, StepResult::Next next, Duration timer = Duration::max()) : limit_(limit), next_(next), timer_(timer) {}
  StepResult Step(MonotonicTime) override {
    if (++steps >= limit_) return {StepResult::Next::kDone};
    return {next_, timer_ == Duration::max() ? MonotonicTime::max() : SystemClock().Now() + timer_};
  }
  std::atomic<int> steps{0};

 private:
  int limit_;
  StepResult::Next next_;
  Duration timer_;
};

struct Started {
  std::shared_ptr<TaskHandle> handle = std::make_shared<TaskHandle>();
  std::promise<void> done;
  Started(TaskLoop& loop, std::unique_ptr<StepTask> task) {
    handle->SetTask(std::move(task), [this](const std::shared_ptr<TaskHandle>&) { done.set_value(); });
    loop.Start(handle);
  }
};

TEST(TaskLoop, EveryWakeIsFollowedByAStep) {
  // The danger: a wake that comes while the task goes to sleep is lost.
  TaskLoop loop("test");
  for (int round = 0; round < 50; ++round) {
    auto task = std::make_unique<CountingTask>(200, StepResult::Next::kWait);
    CountingTask* counting = task.get();
    Started started(loop, std::move(task));
    for (int i = 0; i < 1'000'000 && !started.handle->done(); ++i) {
      const int before = counting->steps;
      started.handle->Wake();
      while (!started.handle->done() && counting->steps == before) std::this_thread::yield();
    }
    started.done.get_future().get();
    EXPECT_EQ(counting->steps, 200);
  }
}

TEST(TaskLoop, WakesFromManyThreadsRunTheTaskAndNeverTwiceAtOnce) {
  class Exclusive final : public StepTask {
   public:
    StepResult Step(MonotonicTime) override {
      EXPECT_FALSE(inside_.exchange(true));
      ++steps;
      inside_ = false;
      return {stop ? StepResult::Next::kDone : StepResult::Next::kWait};
    }
    std::atomic<bool> stop{false};
    std::atomic<int> steps{0};

   private:
    std::atomic<bool> inside_{false};
  };
  TaskLoop loop("test");
  auto task = std::make_unique<Exclusive>();
  Exclusive* exclusive = task.get();
  Started started(loop, std::move(task));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) started.handle->Wake();
    });
  }
  for (auto& thread : threads) thread.join();
  exclusive->stop = true;
  started.handle->Wake();
  started.done.get_future().get();
  EXPECT_GT(exclusive->steps, 0);
}

TEST(TaskLoop, ATaskThatAlwaysHasWorkDoesNotStarveOthers) {
  TaskLoop loop("test");
  Started greedy(loop, std::make_unique<CountingTask>(1 << 30, StepResult::Next::kAgain));
  Started modest(loop, std::make_unique<CountingTask>(1000, StepResult::Next::kAgain));
  modest.done.get_future().get();
}

TEST(TaskLoop, ATimerStepsATaskThatNobodyWakes) {
  TaskLoop loop("test");
  Started started(loop, std::make_unique<CountingTask>(5, StepResult::Next::kWait, std::chrono::milliseconds(2)));
  started.done.get_future().get();
}

TEST(TaskLoop, WaitingTasksCostNoProcessorTime) {
  TaskLoop loop("test");
  std::vector<std::unique_ptr<Started>> idle;
  for (int i = 0; i < 20; ++i)
    idle.push_back(std::make_unique<Started>(loop, std::make_unique<CountingTask>(1000, StepResult::Next::kWait)));
  const auto used = [] {
    rusage usage = {};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec * 1'000'000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_sec * 1'000'000 + usage.ru_stime.tv_usec;
  };
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const auto before = used();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(used() - before, 30'000);
  loop.RequestStop();
  loop.Join();
}

}  // namespace
}  // namespace headrace::data::task
