#include "data/python/worker_pool.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <future>
#include <thread>

#include "data/python/tests/worker_support.h"
#include "data/python/worker_error.h"

namespace headrace::data::python {
namespace {

int OpenDescriptors() {
  int count = 0;
  DIR* dir = ::opendir("/proc/self/fd");
  while (::readdir(dir) != nullptr) ++count;
  ::closedir(dir);
  return count;
}

bool Alive(int pid) { return ::kill(pid, 0) == 0; }

/// One stage on a pool of its own, driven from the test's thread.
class WorkerPoolTest : public testing::Test {
 protected:
  void Load(std::vector<StageSpec::Function> functions, WorkerPoolOptions options = TestPoolOptions()) {
    pool_ = StartWorkerPool(options).ValueOrDie();
    stage_ = pool_->LoadStage({std::move(functions)}, 0, &waker_).ValueOrDie();
  }
  Result<StageResult> Run(columnar::DataBatch batch) {
    EXPECT_TRUE(waker_.WaitUntil([&] { return stage_->accepting(); }));
    auto answer = std::make_shared<std::promise<Result<StageResult>>>();
    auto future = answer->get_future();
    const Status taken = stage_->Run(std::move(batch), [answer](Result<StageResult> result) { answer->set_value(std::move(result)); });
    if (!taken.ok()) return taken;
    return future.get();
  }
  WaitableWaker waker_;
  std::unique_ptr<WorkerPool> pool_;
  std::unique_ptr<Stage> stage_;
};

TEST_F(WorkerPoolTest, FusedVerbsRunInOneTrip) {
  Load({Function(Verb::kFlatMap, "split", "str.split"), Function(Verb::kFilter, "not_the", "lambda w: w != 'the'"),
        Function(Verb::kMap, "pair", "lambda w: (w, 1)"), Function(Verb::kKeyBy, "word", "lambda t: t[0]")});
  auto result = Run(TextBatch({"the cat", "", "sat on the mat"}));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Rows(result->batch), (std::vector<std::string>{"[\"cat\",1]", "[\"sat\",1]", "[\"on\",1]", "[\"mat\",1]"}));
  EXPECT_GE(result->batch.key_column(), 0);
}

TEST_F(WorkerPoolTest, ValuesOfAllFormsComeBack) {
  Load({Function(Verb::kMap, "mix", "lambda s: {'i': 1, 'f': 1.5, 't': True, 's': s, 'b': b'x', 'n': None}.get(s[0], s)")});
  for (const auto& [in, out] :
       std::vector<std::pair<std::string, std::string>>{{"i", "1"}, {"f", "1.5"}, {"t", "true"}, {"s", "\"s\""}, {"n", "null"}}) {
    auto result = Run(TextBatch({in, in}));
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(Rows(result->batch), (std::vector<std::string>{out, out}));
  }
}

TEST_F(WorkerPoolTest, SeveralTripsAnswerInOrder) {
  Load({Function(Verb::kMap, "len", "len")});
  std::mutex mutex;
  std::vector<std::string> seen;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(waker_.WaitUntil([&] { return stage_->accepting(); }));
    ASSERT_TRUE(stage_
                    ->Run(TextBatch({std::string(static_cast<std::size_t>(i) * 3000, 'x')}),
                          [&](Result<StageResult> result) {
                            std::lock_guard lock(mutex);
                            seen.push_back(Rows(result.ValueOrDie().batch)[0]);
                            waker_.Wake();
                          })
                    .ok());
  }
  ASSERT_TRUE(waker_.WaitUntil([&] {
    std::lock_guard lock(mutex);
    return seen.size() == 50;
  }));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(seen[i], std::to_string(i * 3000));
}

TEST_F(WorkerPoolTest, ARaiseCarriesTracebackFileLineAndRow) {
  Load({Function(Verb::kMap, "ok", "lambda s: s"), Function(Verb::kMap, "parse", "def f(s):\n    return int(s)\n")});
  auto result = Run(TextBatch({"1", "x"}));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(CodeOf(result.status()), ErrorCode::kPythonRaised);
  const FunctionError* error = FunctionError::Of(result.status());
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->frame().uid, "uid-parse");
  EXPECT_EQ(error->frame().name, "parse");
  EXPECT_GT(error->frame().line, 0u);
  EXPECT_NE(error->frame().traceback.find("ValueError"), std::string::npos);
  EXPECT_NE(result.status().message().find("'x'"), std::string::npos) << result.status().message();
  // The worker lives on for its other stages.
  auto other = pool_->LoadStage({{Function(Verb::kMap, "id", "lambda s: s")}}, 0, &waker_).ValueOrDie();
  stage_ = std::move(other);
  EXPECT_TRUE(Run(TextBatch({"a"})).ok());
}

TEST_F(WorkerPoolTest, AFunctionThatDoesNotLoadFailsTheStageWithoutARow) {
  pool_ = StartWorkerPool(TestPoolOptions()).ValueOrDie();
  stage_ = pool_->LoadStage({{{Verb::kMap, OperatorUid("u"), "broken", "not a pickle"}}}, 0, &waker_).ValueOrDie();
  ASSERT_TRUE(waker_.WaitUntil([&] { return !stage_->status().ok(); }));
  EXPECT_EQ(CodeOf(stage_->status()), ErrorCode::kPythonRaised);
  EXPECT_FALSE(Run(TextBatch({"a"})).ok());
}

TEST_F(WorkerPoolTest, AKilledWorkerFailsItsTripsAndNamesTheSignal) {
  Load({Function(Verb::kMap, "slow", "def f(s):\n    import time\n    time.sleep(60)\n")});
  ASSERT_TRUE(waker_.WaitUntil([&] { return stage_->accepting(); }));
  std::promise<Result<StageResult>> answer;
  ASSERT_TRUE(stage_->Run(TextBatch({"a"}), [&](Result<StageResult> result) { answer.set_value(std::move(result)); }).ok());
  const int pid = pool_->pids().at(0);
  // Dying before it was ready is another error: wait for the Python process to be inside the function.
  while (true) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/wchan");
    std::string where;
    stat >> where;
    if (where.find("nanosleep") != std::string::npos) break;
  }
  ::kill(pid, SIGKILL);
  const auto result = answer.get_future().get();
  EXPECT_EQ(CodeOf(result.status()), ErrorCode::kPythonCrashed);
  EXPECT_NE(result.status().message().find("signal 9"), std::string::npos) << result.status().message();
  EXPECT_NE(result.status().message().find("slow"), std::string::npos);
  EXPECT_TRUE(waker_.WaitUntil([&] { return !stage_->status().ok(); }));
  EXPECT_TRUE(pool_->pids().empty());
}

TEST_F(WorkerPoolTest, AnExitInsideNativeCodeShowsWhatWasSaidLast) {
  Load({Function(Verb::kMap, "die", "def f(s):\n    import os, sys\n    os.write(2, b'last words\\n')\n    os._exit(7)\n")});
  const auto result = Run(TextBatch({"a"}));
  EXPECT_EQ(CodeOf(result.status()), ErrorCode::kPythonCrashed);
  EXPECT_NE(result.status().message().find("exit code 7"), std::string::npos) << result.status().message();
  EXPECT_NE(result.status().message().find("last words"), std::string::npos) << result.status().message();
}

TEST_F(WorkerPoolTest, AHungFunctionIsKilledAfterItsTimeout) {
  auto options = TestPoolOptions();
  options.batch_timeout_ms = 300;
  Load({Function(Verb::kMap, "forever", "def f(s):\n    while True:\n        pass\n")}, options);
  const int pid = pool_->pids().at(0);
  const auto result = Run(TextBatch({"a"}));
  EXPECT_EQ(CodeOf(result.status()), ErrorCode::kPythonHung);
  EXPECT_NE(result.status().message().find("forever"), std::string::npos);
  pool_->RequestStop();
  pool_->Join();
  EXPECT_FALSE(Alive(pid));
}

TEST_F(WorkerPoolTest, AMissingPackageSaysSo) {
  auto options = TestPoolOptions();
  ::setenv("PYTHONPATH", "/nonexistent", 1);
  options.python_executable = "/usr/bin/python3";
  Load({{Verb::kMap, OperatorUid("u"), "f", ""}}, options);
  ASSERT_TRUE(waker_.WaitUntil([&] { return !stage_->status().ok(); }));
  EXPECT_EQ(CodeOf(stage_->status()), ErrorCode::kPythonStart);
  EXPECT_NE(stage_->status().message().find("headrace"), std::string::npos) << stage_->status().message();
}

TEST_F(WorkerPoolTest, AMissingInterpreterIsAnErrorOfStart) {
  auto options = TestPoolOptions();
  options.python_executable = "/nonexistent/python";
  const auto pool = StartWorkerPool(options);
  ASSERT_FALSE(pool.ok());
  EXPECT_EQ(CodeOf(pool.status()), ErrorCode::kPythonStart);
}

TEST_F(WorkerPoolTest, AWorkerHasNoOtherDescriptorsAndNoSecrets) {
  ::setenv("POSTGRES_PASSWORD", "secret", 1);
  const int leaked = ::open("/dev/null", O_RDONLY);  // without close-on-exec, as a careless library would
  Load({Function(Verb::kFlatMap, "look",
                 "def f(s):\n    import os\n    return [str(len(os.listdir('/proc/self/fd'))), str('POSTGRES_PASSWORD' in os.environ), "
                 "str(os.getpgid(0) == os.getpid())]\n")});
  const auto result = Run(TextBatch({"a"}));
  ::close(leaked);
  ASSERT_TRUE(result.ok()) << result.status();
  // 0 1 2, the socket, the memory of 4 arenas twice, and the listing itself.
  EXPECT_EQ(Rows(result->batch), (std::vector<std::string>{"\"13\"", "\"False\"", "\"True\""}));
}

TEST_F(WorkerPoolTest, StopLeavesNoProcessNoDescriptorEvenInTheMiddleOfATrip) {
  const int before = OpenDescriptors();
  std::vector<int> pids;
  for (int round = 0; round < 3; ++round) {
    auto options = TestPoolOptions();
    options.workers = 2;
    options.stop_grace_ms = 50;
    Load({Function(Verb::kMap, "child",
                   "def f(s):\n    import subprocess, time\n    subprocess.Popen(['sleep', '100'])\n    time.sleep(100)\n")},
         options);
    pids = pool_->pids();
    ASSERT_EQ(pids.size(), 2u);
    std::atomic<int> answers{0};
    ASSERT_TRUE(waker_.WaitUntil([&] { return stage_->accepting(); }));
    ASSERT_TRUE(stage_->Run(TextBatch({"a"}), [&](Result<StageResult> result) { answers += result.ok() ? 100 : 1; }).ok());
    pool_->RequestStop();
    pool_->Join();
    EXPECT_EQ(answers, 1);
    for (const int pid : pids) {
      EXPECT_FALSE(Alive(pid));
      // What the function started was killed with its group; the system's init reaps it a moment later.
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
      while (::kill(-pid, 0) == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
      EXPECT_NE(::kill(-pid, 0), 0);
    }
    stage_.reset();
    pool_.reset();
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(WorkerPoolTest, NoCallbackRunsAfterTheStageIsGone) {
  Load({Function(Verb::kMap, "id", "lambda s: s")});
  for (int i = 0; i < 100; ++i) {
    auto stage = pool_->LoadStage({{Function(Verb::kMap, "nap", "lambda s: s")}}, 0, &waker_).ValueOrDie();
    if (i > 3) break;
    auto alive = std::make_unique<std::atomic<bool>>(true);
    ASSERT_TRUE(waker_.WaitUntil([&] { return stage->accepting(); }));
    ASSERT_TRUE(stage->Run(TextBatch({"a"}), [flag = alive.get()](Result<StageResult>) { EXPECT_TRUE(flag->load()); }).ok());
    stage.reset();
    *alive = false;
  }
  EXPECT_TRUE(Run(TextBatch({"a"})).ok());
}

}  // namespace
}  // namespace headrace::data::python
