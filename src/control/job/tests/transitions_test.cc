#include "control/job/transitions.h"

#include <gtest/gtest.h>

#include <set>

namespace headrace::control::job {
namespace {

std::vector<JobState> AllStates() {
  std::vector<JobState> states;
  for (int i = 0; i <= static_cast<int>(JobState::kReconciling); ++i) states.push_back(static_cast<JobState>(i));
  return states;
}

TEST(Transitions, NothingLeavesAnEnd) {
  for (const JobState from : {JobState::kFinished, JobState::kFailed, JobState::kCanceled, JobState::kSuspended}) {
    for (const JobState to : AllStates()) EXPECT_FALSE(MayChange(from, to)) << NameOf(from) << " -> " << NameOf(to);
  }
}

TEST(Transitions, EveryLiveStateCanBeCancelledAndEnds) {
  for (const JobState from : {JobState::kInitializing, JobState::kCreated, JobState::kRunning, JobState::kRestarting, JobState::kFailing}) {
    EXPECT_TRUE(MayChange(from, JobState::kCancelling)) << NameOf(from);
    std::set<JobState> reached{from};
    for (bool grew = true; grew;) {
      grew = false;
      for (const JobState a : std::set<JobState>(reached)) {
        for (const JobState b : AllStates()) grew |= MayChange(a, b) && reached.insert(b).second;
      }
    }
    EXPECT_TRUE(reached.count(JobState::kFinished) && reached.count(JobState::kFailed) && reached.count(JobState::kCanceled));
  }
}

TEST(Transitions, NoWayBackToTheBeginningAndNoEndWithoutStopping) {
  for (const JobState from : AllStates()) {
    EXPECT_FALSE(MayChange(from, JobState::kInitializing));
    EXPECT_EQ(MayChange(from, JobState::kCreated), from == JobState::kInitializing) << NameOf(from);
    EXPECT_TRUE(!MayChange(from, JobState::kCanceled) || from == JobState::kCancelling || from == JobState::kFailing);
  }
  EXPECT_FALSE(MayChange(JobState::kRunning, JobState::kFailed)) << "tasks must be stopped first";
}

TEST(Transitions, NamesAreThoseOfTheInterface) {
  EXPECT_STREQ(NameOf(JobState::kCanceled), "CANCELED");
  EXPECT_STREQ(NameOf(JobState::kCancelling), "CANCELLING");
  std::set<std::string> names;
  for (const JobState state : AllStates()) names.insert(NameOf(state));
  EXPECT_EQ(names.size(), 12u);
}

}  // namespace
}  // namespace headrace::control::job
