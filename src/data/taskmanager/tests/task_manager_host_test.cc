#include "data/taskmanager/task_manager_host.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <sstream>

#include "base/random.h"
#include "data/taskmanager/tests/host_rig.h"

namespace headrace::data::taskmanager {
namespace {

using wire::TaskState;

std::vector<std::string> RandomLines(std::size_t lines, std::map<std::string, std::int64_t>* truth) {
  SeededRandom random(9);
  std::vector<std::string> all;
  for (std::size_t i = 0; i < lines; ++i) {
    std::string line;
    for (int w = 0; w < 10; ++w) {
      const std::string word = "w" + std::to_string(random.Uniform(random.Uniform(500) + 1));
      ++(*truth)[word];
      line += (w == 0 ? "" : " ") + word;
    }
    all.push_back(line);
  }
  return all;
}

/// Processes whose parent is this one.
std::vector<int> Children() {
  std::vector<int> children;
  DIR* proc = ::opendir("/proc");
  for (dirent* entry; (entry = ::readdir(proc)) != nullptr;) {
    const int pid = std::atoi(entry->d_name);
    if (pid <= 0) continue;
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::stringstream text;
    text << stat.rdbuf();
    const auto end = text.str().rfind(')');
    if (end == std::string::npos) continue;
    char state = 0;
    int parent = 0;
    if (std::sscanf(text.str().c_str() + end + 1, " %c %d", &state, &parent) == 2 && parent == ::getpid() && state != 'Z')
      children.push_back(pid);
  }
  ::closedir(proc);
  return children;
}

int OpenDescriptors() {
  int count = 0;
  DIR* dir = ::opendir("/proc/self/fd");
  while (::readdir(dir) != nullptr) ++count;
  ::closedir(dir);
  return count;
}

TEST(TaskManagerHost, WordCountOverTwoProcessesWorthOfLoopsEqualsTheTruth) {
  std::map<std::string, std::int64_t> truth;
  const auto lines = RandomLines(20'000, &truth);
  for (const std::uint32_t parallelism : {1u, 4u}) {
    HostRig rig(parallelism == 1 ? 1 : 2);
    const auto plan = rig.WordCount(lines, parallelism);
    rig.Deploy(plan);
    ASSERT_TRUE(rig.WaitForAll(TaskState::kFinished, plan->num_subtasks()));
    EXPECT_EQ(rig.counts(), truth);
    rig.Cancel();
    EXPECT_TRUE(Children().empty());
  }
}

TEST(TaskManagerHost, AFunctionThatRaisesIsReportedWithItsPlace) {
  HostRig rig;
  const auto plan = rig.WordCount({"a b c", "d boom e"}, 2, "lambda w: (w, 1 if w != 'boom' else 1 // 0)");
  rig.Deploy(plan);
  wire::TaskFailure failure;
  ASSERT_TRUE(rig.job_manager->WaitUntil([&](const auto& states) {
    for (const auto& [attempt, report] : states) {
      if (report.state == TaskState::kFailed) failure = report.failure;
    }
    return failure.code != 0;
  }));
  EXPECT_EQ(failure.code, static_cast<int>(ErrorCode::kPythonRaised));
  EXPECT_EQ(failure.operator_uid, "pair");
  EXPECT_NE(failure.message.find("ZeroDivisionError"), std::string::npos) << failure.message;
  EXPECT_NE(failure.traceback.find("ZeroDivisionError"), std::string::npos);
  EXPECT_NE(failure.user_location.find(":"), std::string::npos);
  rig.Cancel();
}

TEST(TaskManagerHost, AKilledWorkerFailsItsJobAndTheNextDeploymentRuns) {
  std::map<std::string, std::int64_t> truth;
  const auto lines = RandomLines(500, &truth);
  HostRig rig;
  const auto slow = rig.WordCount(lines, 2, "def f(w):\n    import time\n    time.sleep(0.05)\n    return (w, 1)\n");
  rig.Deploy(slow);
  ASSERT_TRUE(rig.WaitForStarted(1, slow->num_subtasks()));
  for (const int pid : Children()) ::kill(pid, SIGKILL);
  ASSERT_TRUE(rig.job_manager->WaitUntil([](const auto& states) {
    return std::any_of(states.begin(), states.end(), [](const auto& item) {
      return item.second.state == TaskState::kFailed && (item.second.failure.code == static_cast<int>(ErrorCode::kPythonCrashed) ||
                                                         item.second.failure.code == static_cast<int>(ErrorCode::kPythonStart));
    });
  }));
  rig.Cancel(1);
  const auto plan = rig.WordCount(lines, 2);
  rig.Deploy(plan, 2);
  ASSERT_TRUE(rig.job_manager->WaitUntil([&](const auto& states) {
    std::size_t finished = 0;
    for (const auto& [attempt, report] : states) finished += attempt.deployment == 2 && report.state == TaskState::kFinished ? 1 : 0;
    return finished == plan->num_subtasks();
  }));
  EXPECT_EQ(rig.counts(), truth);
}

TEST(TaskManagerHost, CancelInTheMiddleIsQuickAndLeavesNothing) {
  HostRig rig;
  const int before = OpenDescriptors();
  for (DeploymentNumber number = 1; number <= 3; ++number) {
    const auto plan = rig.WordCount({"a b", "c d"}, 4, "def f(w):\n    import time\n    time.sleep(100)\n");
    rig.Deploy(plan, number);
    ASSERT_TRUE(rig.WaitForStarted(number, plan->num_subtasks()));
    EXPECT_FALSE(Children().empty());
    const auto start = std::chrono::steady_clock::now();
    rig.Cancel(number);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
    EXPECT_TRUE(Children().empty());
  }
  // Connections between the two exchanges may stay: two ends in this process, each way.
  EXPECT_LE(OpenDescriptors(), before + 8);
}

}  // namespace
}  // namespace headrace::data::taskmanager
