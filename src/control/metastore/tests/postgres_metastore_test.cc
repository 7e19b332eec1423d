#include <gtest/gtest.h>

#include <future>
#include <set>
#include <thread>

#include "control/metastore/tests/metastore_stores.h"
#include "control/metastore/tests/postgres_stores.h"
#include "tests/support/tcp_proxy.h"

namespace headrace::control::metastore {
namespace {

using test_support::PostgresServer;
using test_support::TcpProxy;

std::unique_ptr<Metastore> OpenAt(const test_support::PostgresAddress& address, Executor* executor) {
  return OpenPostgresMetastore(OptionsFor(address), executor).ValueOrDie();
}
LeaderGrant Lead(Metastore& store, const std::string& holder) {
  for (;;) {  // the server may be on its way back
    auto outcome = Await<LeaderGrant>([&](auto a) { store.TakeLeadership(Incarnation(holder), std::nullopt, "", a); });
    if (outcome.done()) return outcome.value();
  }
}
JobRecord Job(const std::string& id) { return JobRecord{JobId(id), "n", "file", 0, 1, ""}; }
Outcome<Nothing> Insert(Metastore& store, const LeaderGrant& grant, const JobRecord& job) {
  return Await<Nothing>([&](auto a) { store.InsertJob(grant, std::make_shared<const JobRecord>(job), a); });
}
std::set<std::string> Ids(Metastore& store) {
  for (;;) {
    const auto jobs = Await<std::vector<JobRecord>>([&](auto a) { store.ListUnfinished(a); });
    if (!jobs.done()) continue;
    std::set<std::string> ids;
    for (const JobRecord& job : jobs.value()) ids.insert(job.id.str());
    return ids;
  }
}

class PostgresMetastore : public testing::Test {
 protected:
  PostgresStores stores_;
  ThreadExecutor executor_{"answers"};
};

TEST_F(PostgresMetastore, LostReplyToACommitIsUnknownAndItsRetryFindsTheRow) {
  TcpProxy proxy(stores_.address().port);
  auto address = stores_.address();
  address.port = proxy.port();
  auto store = OpenAt(address, &executor_);
  const auto grant = Lead(*store, "one");
  proxy.LoseNextReply();
  const auto lost = Insert(*store, grant, Job("a"));
  EXPECT_EQ(proxy.lost_replies(), 1);
  EXPECT_TRUE(lost.unknown()) << lost.reason().ToString();
  EXPECT_EQ(CodeOf(lost.reason()), ErrorCode::kStoreUnavailable);
  EXPECT_EQ(Ids(*store), std::set<std::string>{"a"});
  EXPECT_TRUE(Insert(*store, grant, Job("a")).done());
}

TEST_F(PostgresMetastore, LostReplyToADeploymentNumberLeavesAGapNeverARepeat) {
  TcpProxy proxy(stores_.address().port);
  auto address = stores_.address();
  address.port = proxy.port();
  auto store = OpenAt(address, &executor_);
  const auto grant = Lead(*store, "one");
  ASSERT_TRUE(Insert(*store, grant, Job("a")).done());
  auto next = [&] { return Await<DeploymentNumber>([&](auto a) { store->NextDeployment(grant, JobId("a"), a); }); };
  EXPECT_EQ(next().value(), 1u);
  proxy.LoseNextReply();
  EXPECT_TRUE(next().unknown());
  EXPECT_EQ(next().value(), 3u);
}

TEST_F(PostgresMetastore, LostReplyToAReadIsNotDone) {
  TcpProxy proxy(stores_.address().port);
  auto address = stores_.address();
  address.port = proxy.port();
  auto store = OpenAt(address, &executor_);
  Lead(*store, "one");
  proxy.LoseNextReply();
  EXPECT_TRUE(Await<std::vector<JobRecord>>([&](auto a) { store->ListUnfinished(a); }).not_done());
}

TEST_F(PostgresMetastore, ServerOutOfReachRefusesAtOnceAndComesBackByItself) {
  TcpProxy proxy(stores_.address().port);
  auto address = stores_.address();
  address.port = proxy.port();
  auto store = OpenAt(address, &executor_);
  const auto grant = Lead(*store, "one");
  proxy.CutAll(true);
  Outcome<Nothing> away = Insert(*store, grant, Job("a"));
  while (!away.not_done()) away = Insert(*store, grant, Job("a"));  // the first one may have been under way
  EXPECT_EQ(CodeOf(away.reason()), ErrorCode::kStoreUnavailable);
  proxy.CutAll(false);
  EXPECT_EQ(Ids(*store).count("b"), 0u);
  EXPECT_TRUE(Insert(*store, grant, Job("b")).done());
}

TEST_F(PostgresMetastore, KilledServerKeepsEveryAnsweredWrite) {
  PostgresServer server;
  auto store = OpenAt(server.address(), &executor_);
  const auto grant = Lead(*store, "one");
  std::set<std::string> answered, refused;
  std::promise<void> some_done;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::string id = std::to_string(i);
      const auto outcome = Insert(*store, grant, Job(id));
      if (outcome.done()) answered.insert(id);
      if (outcome.not_done()) refused.insert(id);
      if (i == 100) some_done.set_value();
      if (outcome.not_done() && i > 100) std::this_thread::yield();
    }
  });
  some_done.get_future().wait();
  server.Kill();
  server.Start();
  const auto after = Ids(*store);
  stop = true;
  writer.join();
  EXPECT_GE(answered.size(), 100u);
  const auto all = Ids(*store);
  for (const std::string& id : answered) EXPECT_TRUE(all.count(id) == 1) << id << " was answered and is gone";
  for (const std::string& id : refused) EXPECT_TRUE(all.count(id) == 0) << id << " was refused and is there";
}

TEST_F(PostgresMetastore, WriterThatWaitedForATakeoverFindsItselfDeposed) {
  auto first = OpenAt(stores_.address(), &executor_);
  auto second = OpenAt(stores_.address(), &executor_);
  auto grant = Lead(*first, "one");
  std::size_t accepted = 0, deposed = 0;
  for (int round = 0; round < 30; ++round) {
    std::vector<std::future<Outcome<Nothing>>> writes;
    for (int i = 0; i < 8; ++i) {
      auto promise = std::make_shared<std::promise<Outcome<Nothing>>>();
      writes.push_back(promise->get_future());
      first->InsertJob(grant, std::make_shared<const JobRecord>(Job(std::to_string(round) + "-" + std::to_string(i))),
                       [promise](auto o) { promise->set_value(std::move(o)); });
    }
    const auto taken = Lead(*second, "two");
    // What the new leader reads first must be all that the old one was told is written, for good.
    const auto at_takeover = Ids(*second);
    for (int i = 0; i < 8; ++i) {
      const std::string id = std::to_string(round) + "-" + std::to_string(i);
      const auto outcome = writes[static_cast<std::size_t>(i)].get();
      ASSERT_FALSE(outcome.unknown());
      EXPECT_EQ(outcome.done(), at_takeover.count(id) == 1) << id;
      ++(outcome.done() ? accepted : deposed);
    }
    EXPECT_EQ(Ids(*second), at_takeover);
    EXPECT_EQ(taken.epoch, grant.epoch + 1);
    grant = Lead(*first, "one");
    second = OpenAt(stores_.address(), &executor_);
  }
  RecordProperty("accepted", static_cast<int>(accepted));
  RecordProperty("deposed", static_cast<int>(deposed));
}

TEST_F(PostgresMetastore, OneOfManyChallengersWinsAnEpoch) {
  auto store = OpenAt(stores_.address(), &executor_);
  const auto grant = Lead(*store, "one");
  std::vector<std::unique_ptr<Metastore>> challengers;
  std::vector<std::future<Outcome<LeaderGrant>>> outcomes;
  for (int i = 0; i < 6; ++i) challengers.push_back(OpenAt(stores_.address(), &executor_));
  for (int i = 0; i < 6; ++i) {
    auto promise = std::make_shared<std::promise<Outcome<LeaderGrant>>>();
    outcomes.push_back(promise->get_future());
    challengers[static_cast<std::size_t>(i)]->TakeLeadership(Incarnation(std::to_string(i)), grant.epoch, "",
                                                             [promise](auto o) { promise->set_value(std::move(o)); });
    store->RenewLeadership(grant, [](auto) {});  // renewals take the same locks
  }
  int won = 0;
  for (auto& outcome : outcomes) {
    const auto answer = outcome.get();
    won += answer.done() ? 1 : 0;
    EXPECT_TRUE(answer.done() || CodeOf(answer.reason()) == ErrorCode::kDeposed) << answer.reason().ToString();
  }
  EXPECT_EQ(won, 1);
}

TEST_F(PostgresMetastore, ConcurrentFirstStartsMigrateOnce) {
  std::vector<std::unique_ptr<Metastore>> stores;
  for (int i = 0; i < 8; ++i) stores.push_back(OpenAt(stores_.address(), &executor_));
  for (auto& store : stores) {
    const auto ping = Await<Nothing>([&](auto a) { store->Ping(a); });
    EXPECT_TRUE(ping.done()) << ping.reason().ToString();
  }
  EXPECT_EQ(RunOn(stores_.address(), "SELECT count(*) FROM leader_epoch").value().Int64(0, 0), 1);
}

TEST_F(PostgresMetastore, NewerSchemaIsRefused) {
  {
    auto store = OpenAt(stores_.address(), &executor_);
    Lead(*store, "one");
  }
  ASSERT_TRUE(RunOn(stores_.address(), "INSERT INTO schema_version (version, what) VALUES (9999, 'from the future')").done());
  auto store = OpenAt(stores_.address(), &executor_);
  const auto refused = Await<LeaderGrant>([&](auto a) { store->TakeLeadership(Incarnation("two"), std::nullopt, "", a); });
  EXPECT_TRUE(refused.not_done());
  EXPECT_EQ(CodeOf(refused.reason()), ErrorCode::kStoreCorrupt) << refused.reason().ToString();
}

}  // namespace
}  // namespace headrace::control::metastore
