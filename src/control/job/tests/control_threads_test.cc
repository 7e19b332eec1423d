#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include "base/random.h"
#include "control/job/dispatcher_impl.h"
#include "control/job/tests/fake_cluster.h"
#include "control/metastore/metastore.h"

namespace headrace::control::job {
namespace {

using namespace std::chrono_literals;

/// Real threads: the control executor, one of the TaskManagers, and callers. Worth most under ThreadSanitizer.
TEST(ControlThreads, CallersFromManyThreads) {
  ThreadExecutor control("control"), side("side"), machines("machines");
  auto store = metastore::MakeMemoryMetastore(&control);
  FakeCluster cluster(&machines);
  FakePlanner planner(&control);
  SystemRandom random;
  ControlPlaneOptions options;
  options.read_job_file = [](std::string_view) -> Result<plan::JobGraph> { return SourceAndSink(2); };
  auto dispatcher =
      std::make_unique<DispatcherImpl>(ControlPlaneParts{&control, store.get(), &cluster, &planner, &random, nullptr, &side}, options);
  cluster.Attach(dispatcher->gateway());
  dispatcher->Start();
  for (const char* id : {"tm1", "tm2", "tm3"}) cluster.Start(id, 4);
  const auto slots = [&] {
    std::promise<std::uint32_t> total;
    dispatcher->GetCluster([&](ClusterView view) { total.set_value(view.leader ? view.total_slots : 0); });
    return total.get_future().get();
  };
  while (slots() != 12) std::this_thread::yield();

  std::atomic<int> ran{0}, cancelled{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        std::promise<Result<SubmitAnswer>> submitted;
        dispatcher->Submit({"file", {}, "", ""}, [&](Result<SubmitAnswer> answer) { submitted.set_value(std::move(answer)); });
        const Result<SubmitAnswer> answer = submitted.get_future().get();
        ASSERT_TRUE(answer.ok()) << answer.status().message();
        if (answer->status == JobState::kRunning) ++ran;
        std::promise<void> listed;
        dispatcher->ListJobs([&](Result<std::vector<JobView>>) { listed.set_value(); });
        listed.get_future().get();
        std::promise<Result<JobState>> ended;
        dispatcher->Cancel(answer->job, [&](Result<JobState> state) { ended.set_value(std::move(state)); });
        if (ended.get_future().get().ok()) ++cancelled;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(ran, 80);
  EXPECT_EQ(cancelled, 80);
  machines.RequestStop();
  machines.Join();
  side.RequestStop();
  side.Join();
  control.RequestStop();
  control.Join();
  dispatcher.reset();
}

}  // namespace
}  // namespace headrace::control::job
