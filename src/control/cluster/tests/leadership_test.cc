#include "control/cluster/leadership.h"

#include <gtest/gtest.h>

#include <chrono>
#include <utility>

#include "control/metastore/memory_metastore.h"
#include "control/metastore/tests/forwarding_metastore.h"

namespace headrace::control::cluster {
namespace {

using namespace std::chrono_literals;
using metastore::LeaderGrant;

/// The memory store with a switch for the two calls of leadership.
class SwitchedStore final : public metastore::ForwardingMetastore {
 public:
  SwitchedStore(Executor* executor, std::shared_ptr<metastore::MemoryTables> tables)
      : ForwardingMetastore(metastore::MakeMemoryMetastore(executor, std::move(tables))), executor_(executor) {}
  bool renewals_are_answered = true;
  bool lose_next_take_answer = false;
  Duration renewal_takes{};

  void TakeLeadership(Incarnation holder, std::optional<LeaderEpoch> expected, std::string address,
                      metastore::Answer<LeaderGrant> answer) override {
    if (!std::exchange(lose_next_take_answer, false)) return ForwardingMetastore::TakeLeadership(holder, expected, address, answer);
    ForwardingMetastore::TakeLeadership(holder, expected, address, [](Outcome<LeaderGrant>) {});
    executor_->Post([answer] { answer(Outcome<LeaderGrant>::Unknown(Error(ErrorCode::kStoreUnavailable, "lost"))); });
  }
  void RenewLeadership(LeaderGrant grant, metastore::Answer<Nothing> answer) override {
    if (renewals_are_answered) {
      executor_->PostAfter(renewal_takes, [this, grant, answer] { ForwardingMetastore::RenewLeadership(grant, answer); });
      return;
    }
    executor_->Post([answer] { answer(Outcome<Nothing>::Unknown(Error(ErrorCode::kStoreUnavailable, "away"))); });
  }

 private:
  Executor* const executor_;
};

class LeadershipTest : public ::testing::Test, public LeadershipListener {
 protected:
  void OnLeading() override { ++leading_; }
  void OnThawed() override { ++thawed_; }
  void OnDeposed() override { ++deposed_; }
  ManualClock clock_;
  ManualExecutor executor_{&clock_};
  std::shared_ptr<metastore::MemoryTables> tables_ = metastore::MakeMemoryTables();
  SwitchedStore store_{&executor_, tables_};
  Leadership leadership_{&executor_, &store_, Incarnation("me"), "here:8081", {}, this};
  int leading_ = 0, thawed_ = 0, deposed_ = 0;
};

TEST_F(LeadershipTest, FreezesFourSecondsAfterTheLastGoodSendAndThaws) {
  leadership_.Start();
  executor_.RunFor(3s);
  EXPECT_EQ(leading_, 1);
  EXPECT_TRUE(leadership_.may_act());
  store_.renewals_are_answered = false;
  executor_.RunFor(3900ms);
  EXPECT_TRUE(leadership_.may_act());
  executor_.RunFor(200ms);
  EXPECT_FALSE(leadership_.may_act());
  EXPECT_TRUE(leadership_.leading()) << "frozen, not deposed: heartbeats go on";
  executor_.RunFor(2s);
  store_.renewals_are_answered = true;
  executor_.RunFor(2s);
  EXPECT_TRUE(leadership_.may_act());
  EXPECT_EQ(thawed_, 1);
  EXPECT_EQ(deposed_, 0);
}

TEST_F(LeadershipTest, FreezeThatEndsBeforeTheNextRenewalIsThawedToo) {
  store_.renewal_takes = 2700ms;
  leadership_.Start();
  executor_.RunFor(4100ms);
  EXPECT_FALSE(leadership_.may_act()) << "the renewal of 1.5 s is still on its way";
  executor_.RunFor(200ms);
  EXPECT_TRUE(leadership_.may_act());
  EXPECT_EQ(thawed_, 1) << "whoever found the lease stale waits for this call";
}

TEST_F(LeadershipTest, LostAnswerOfTakingOverIsReadBack) {
  store_.lose_next_take_answer = true;
  leadership_.Start();
  executor_.RunFor(2s);
  EXPECT_EQ(leading_, 1);
  EXPECT_EQ(leadership_.grant().epoch, 1u) << "the epoch that was taken, not a second one";
}

TEST_F(LeadershipTest, StopsWhenAnotherTakesOver) {
  leadership_.Start();
  executor_.RunFor(1s);
  auto other = metastore::MakeMemoryMetastore(&executor_, tables_);
  other->TakeLeadership(Incarnation("other"), std::nullopt, "there", [](Outcome<LeaderGrant>) {});
  executor_.RunFor(2s);
  EXPECT_EQ(deposed_, 1);
  EXPECT_FALSE(leadership_.may_act());
}

TEST_F(LeadershipTest, EmptiedStoreIsRaisedAboveWhatProcessesRemember) {
  leadership_.Start();
  executor_.RunReady();
  leadership_.NoteOtherLeader({7, Incarnation("before the store was lost")});
  EXPECT_FALSE(leadership_.may_act());
  executor_.RunFor(1s);
  EXPECT_TRUE(leadership_.may_act());
  EXPECT_EQ(leadership_.grant().epoch, 8u);
  EXPECT_EQ(deposed_, 0);
  leadership_.NoteOtherLeader({3, Incarnation("long ago")});
  EXPECT_TRUE(leadership_.may_act()) << "a lower epoch says nothing";
}

}  // namespace
}  // namespace headrace::control::cluster
