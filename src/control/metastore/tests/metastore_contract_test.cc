// One contract, every store. Named for what would go wrong.
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "control/metastore/tests/metastore_stores.h"
#include "control/metastore/tests/postgres_stores.h"

namespace headrace::control::metastore {
namespace {

JobRecord SomeJob(const std::string& id, const std::string& key = "") {
  return JobRecord{JobId(id), "word count ✓", std::string("\x80\x05\x00\xff'\\x", 7), 3, 1'700'000'000'123, key};
}

template <typename Stores>
class MetastoreContract : public testing::Test {
 protected:
  void SetUp() override { Reopen(); }
  void TearDown() override { Close(); }
  void Close() {
    if (!store_) return;
    store_->RequestStop();
    store_->Join();
    store_.reset();
  }
  void Reopen() {
    Close();
    store_ = stores_.Open(&executor_);
    ASSERT_NE(store_, nullptr);
  }

  Outcome<LeaderGrant> Take(const std::string& holder, std::optional<LeaderEpoch> expected = std::nullopt) {
    return Await<LeaderGrant>([&](auto a) { store_->TakeLeadership(Incarnation(holder), expected, holder + ":6123", a); });
  }
  LeaderGrant Lead(const std::string& holder) {
    auto outcome = Take(holder);
    EXPECT_TRUE(outcome.done()) << outcome.reason().ToString();
    return outcome.done() ? outcome.value() : LeaderGrant{};
  }
  Outcome<Nothing> Insert(const LeaderGrant& grant, const JobRecord& job) {
    return Await<Nothing>([&](auto a) { store_->InsertJob(grant, std::make_shared<const JobRecord>(job), a); });
  }
  Outcome<JobResult> End(const LeaderGrant& grant, const JobResult& result) {
    return Await<JobResult>([&](auto a) { store_->InsertResult(grant, result, a); });
  }
  Outcome<DeploymentNumber> Next(const LeaderGrant& grant, const std::string& job) {
    return Await<DeploymentNumber>([&](auto a) { store_->NextDeployment(grant, JobId(job), a); });
  }
  Outcome<std::vector<SplitRecord>> AddSplits(const LeaderGrant& grant, const std::string& job, std::vector<SplitRecord> splits) {
    return Await<std::vector<SplitRecord>>([&](auto a) { store_->InsertSplits(grant, JobId(job), splits, a); });
  }
  Metastore::Leader Leader() {
    auto outcome = Await<Metastore::Leader>([&](auto a) { store_->ReadLeader(a); });
    EXPECT_TRUE(outcome.done()) << outcome.reason().ToString();
    return outcome.done() ? outcome.value() : Metastore::Leader{};
  }
  std::vector<JobRecord> Unfinished() {
    auto outcome = Await<std::vector<JobRecord>>([&](auto a) { store_->ListUnfinished(a); });
    EXPECT_TRUE(outcome.done()) << outcome.reason().ToString();
    return outcome.done() ? outcome.value() : std::vector<JobRecord>{};
  }

  template <typename T>
  static void ExpectRefused(const Outcome<T>& outcome, ErrorCode code) {
    EXPECT_TRUE(outcome.not_done()) << outcome.reason().ToString();
    EXPECT_EQ(CodeOf(outcome.reason()), code) << outcome.reason().ToString();
  }

  Stores stores_;
  ThreadExecutor executor_{"answers"};
  std::unique_ptr<Metastore> store_;
};

using AllStores = testing::Types<MemoryStores, SqliteStores, PostgresStores>;
TYPED_TEST_SUITE(MetastoreContract, AllStores);

TYPED_TEST(MetastoreContract, AnswersComeOnTheExecutorNotOnTheCallersStack) {
  auto promise = std::make_shared<std::promise<bool>>();
  this->store_->Ping([promise, this](Outcome<Nothing> o) { promise->set_value(o.done() && this->executor_.OnExecutor()); });
  EXPECT_TRUE(promise->get_future().get());
}

TYPED_TEST(MetastoreContract, EpochRisesByOneAndNeverTwiceForOneExpectation) {
  EXPECT_EQ(this->Leader().epoch, 0u);
  const auto first = this->Lead("one");
  EXPECT_EQ(first.epoch, 1u);
  auto second = this->Take("two", first.epoch);
  ASSERT_TRUE(second.done());
  EXPECT_EQ(second.value().epoch, 2u);
  this->ExpectRefused(this->Take("three", first.epoch), ErrorCode::kDeposed);
  const auto leader = this->Leader();
  EXPECT_EQ(leader.epoch, 2u);
  EXPECT_EQ(leader.holder.str(), "two");
  EXPECT_EQ(leader.address, "two:6123");
}

TYPED_TEST(MetastoreContract, BeatMovesWithEachRenewalOnly) {
  const auto grant = this->Lead("one");
  const auto before = this->Leader().beat;
  EXPECT_EQ(this->Leader().beat, before);
  EXPECT_TRUE(Await<Nothing>([&](auto a) { this->store_->RenewLeadership(grant, a); }).done());
  EXPECT_EQ(this->Leader().beat, before + 1);
}

TYPED_TEST(MetastoreContract, DeposedHolderWritesNothing) {
  const auto old_grant = this->Lead("one");
  ASSERT_TRUE(this->Insert(old_grant, SomeJob("a")).done());
  const auto grant = this->Lead("two");
  this->ExpectRefused(Await<Nothing>([&](auto a) { this->store_->RenewLeadership(old_grant, a); }), ErrorCode::kDeposed);
  this->ExpectRefused(this->Insert(old_grant, SomeJob("b")), ErrorCode::kDeposed);
  this->ExpectRefused(this->AddSplits(old_grant, "a", {{OperatorUid("s"), "0", "p"}}), ErrorCode::kDeposed);
  this->ExpectRefused(this->Next(old_grant, "a"), ErrorCode::kDeposed);
  this->ExpectRefused(this->End(old_grant, JobResult{JobId("a"), "CANCELED", "", 5}), ErrorCode::kDeposed);
  EXPECT_EQ(this->Unfinished().size(), 1u);
  EXPECT_EQ(this->Next(grant, "a").value(), 1u);
  EXPECT_TRUE(Await<std::vector<SplitRecord>>([&](auto a) { this->store_->ListSplits(JobId("a"), a); }).value().empty());
}

TYPED_TEST(MetastoreContract, SameEpochOfAnotherHolderIsNoGrant) {
  const auto grant = this->Lead("one");
  this->ExpectRefused(this->Insert(LeaderGrant{grant.epoch, Incarnation("other")}, SomeJob("a")), ErrorCode::kDeposed);
  this->ExpectRefused(this->Insert(LeaderGrant{0, Incarnation("")}, SomeJob("a")), ErrorCode::kDeposed);
  EXPECT_TRUE(this->Unfinished().empty());
}

TYPED_TEST(MetastoreContract, JobComesBackByteForByteAfterReopening) {
  const auto grant = this->Lead("one");
  std::string all_bytes;
  for (int i = 0; i < 70'000; ++i) all_bytes.push_back(static_cast<char>(i * 7));
  JobRecord job = SomeJob("a", "key'1");
  job.job_file = all_bytes;
  ASSERT_TRUE(this->Insert(grant, job).done());
  ASSERT_TRUE(this->Insert(grant, JobRecord{JobId("b"), "", "", 0, 0, ""}).done());
  this->Reopen();
  const auto jobs = this->Unfinished();
  ASSERT_EQ(jobs.size(), 2u);
  EXPECT_EQ(jobs[0], job);
  EXPECT_EQ(jobs[1], (JobRecord{JobId("b"), "", "", 0, 0, ""}));
  EXPECT_EQ(this->Leader().epoch, grant.epoch);
}

TYPED_TEST(MetastoreContract, OldestJobComesFirst) {
  const auto grant = this->Lead("one");
  for (const char* id : {"c", "a", "b"}) ASSERT_TRUE(this->Insert(grant, SomeJob(id)).done());
  const auto jobs = this->Unfinished();
  ASSERT_EQ(jobs.size(), 3u);
  EXPECT_EQ(jobs[0].id.str() + jobs[1].id.str() + jobs[2].id.str(), "cab");
}

TYPED_TEST(MetastoreContract, RepeatedInsertIsOneJob) {
  const auto grant = this->Lead("one");
  ASSERT_TRUE(this->Insert(grant, SomeJob("a", "k")).done());
  EXPECT_TRUE(this->Insert(grant, SomeJob("a", "k")).done());
  EXPECT_EQ(this->Unfinished().size(), 1u);
  JobRecord other = SomeJob("a", "k");
  other.job_file += "!";
  this->ExpectRefused(this->Insert(grant, other), ErrorCode::kConflict);
  EXPECT_EQ(this->Unfinished().at(0).job_file, SomeJob("a").job_file);
}

TYPED_TEST(MetastoreContract, IdempotencyKeyStartsOneJobOnly) {
  const auto grant = this->Lead("one");
  ASSERT_TRUE(this->Insert(grant, SomeJob("a", "k")).done());
  this->ExpectRefused(this->Insert(grant, SomeJob("b", "k")), ErrorCode::kConflict);
  ASSERT_TRUE(this->Insert(grant, SomeJob("c")).done());
  ASSERT_TRUE(this->Insert(grant, SomeJob("d")).done()) << "an empty key is no key";
  auto find = [this](const std::string& key) {
    return Await<std::optional<JobId>>([&](auto a) { this->store_->FindByIdempotencyKey(key, a); }).value();
  };
  EXPECT_EQ(find("k"), JobId("a"));
  EXPECT_EQ(find("unknown"), std::nullopt);
  EXPECT_EQ(find(""), std::nullopt);
}

TYPED_TEST(MetastoreContract, TextThatADatabaseCannotHoldIsRefusedAlike) {
  const auto grant = this->Lead("one");
  JobRecord job = SomeJob("a");
  job.name = std::string("a\0b", 3);
  this->ExpectRefused(this->Insert(grant, job), ErrorCode::kBadRequest);
  job.name = "\xff\xfe";
  this->ExpectRefused(this->Insert(grant, job), ErrorCode::kBadRequest);
  job.name = "ok";
  job.idempotency_key = std::string(5000, 'x');
  this->ExpectRefused(this->Insert(grant, job), ErrorCode::kBadRequest);
}

TYPED_TEST(MetastoreContract, StoredSplitPositionsAreNeverOverwritten) {
  const auto grant = this->Lead("one");
  ASSERT_TRUE(this->Insert(grant, SomeJob("a")).done());
  const std::string payload = std::string("\0\x01{\"offset\":\\7},\"", 17);
  const SplitRecord first{OperatorUid("source \"x\""), "topic/0", payload};
  auto stored = this->AddSplits(grant, "a", {first});
  ASSERT_TRUE(stored.done()) << stored.reason().ToString();
  EXPECT_EQ(stored.value(), std::vector<SplitRecord>{first});
  const SplitRecord moved{first.source, first.split_id, "other"};
  const SplitRecord second{first.source, "topic/1,}{\\", ""};
  stored = this->AddSplits(grant, "a", {second, moved});
  ASSERT_TRUE(stored.done()) << stored.reason().ToString();
  EXPECT_EQ(stored.value(), (std::vector<SplitRecord>{first, second}));
  EXPECT_EQ(this->AddSplits(grant, "a", {}).value().size(), 2u);
  this->Reopen();
  EXPECT_EQ(Await<std::vector<SplitRecord>>([&](auto a) { this->store_->ListSplits(JobId("a"), a); }).value(),
            (std::vector<SplitRecord>{first, second}));
}

TYPED_TEST(MetastoreContract, SplitsOfManyPartitionsComeInByteOrder) {
  const auto grant = this->Lead("one");
  ASSERT_TRUE(this->Insert(grant, SomeJob("a")).done());
  std::vector<SplitRecord> splits;
  for (int i = 2999; i >= 0; --i)
    splits.push_back({OperatorUid(i % 2 == 0 ? "Zeta" : "alpha"), "t/" + std::to_string(i), std::to_string(i)});
  const auto stored = this->AddSplits(grant, "a", splits);
  ASSERT_TRUE(stored.done()) << stored.reason().ToString();
  ASSERT_EQ(stored.value().size(), 3000u);
  EXPECT_EQ(stored.value().front().source.str(), "Zeta");
  EXPECT_TRUE(std::is_sorted(stored.value().begin(), stored.value().end(), [](const auto& a, const auto& b) {
    return std::pair(a.source, a.split_id) < std::pair(b.source, b.split_id);
  }));
}

TYPED_TEST(MetastoreContract, DeploymentNumberIsNeverAnsweredTwice) {
  const auto grant = this->Lead("one");
  ASSERT_TRUE(this->Insert(grant, SomeJob("a")).done());
  ASSERT_TRUE(this->Insert(grant, SomeJob("b")).done());
  EXPECT_EQ(this->Next(grant, "a").value(), 1u);
  EXPECT_EQ(this->Next(grant, "a").value(), 2u);
  EXPECT_EQ(this->Next(grant, "b").value(), 1u);
  this->Reopen();
  EXPECT_EQ(this->Next(this->Lead("two"), "a").value(), 3u);
}

TYPED_TEST(MetastoreContract, FirstResultStands) {
  const auto grant = this->Lead("one");
  ASSERT_TRUE(this->Insert(grant, SomeJob("a")).done());
  const JobResult failed{JobId("a"), "FAILED", "{\"message\":\"dé\"}", 77};
  EXPECT_EQ(this->End(grant, failed).value(), failed);
  EXPECT_EQ(this->End(grant, JobResult{JobId("a"), "FINISHED", "", 99}).value(), failed);
  this->Reopen();
  EXPECT_EQ(this->End(this->Lead("two"), JobResult{JobId("a"), "CANCELED", "", 1}).value(), failed);
}

TYPED_TEST(MetastoreContract, JobWithAResultNeverRunsAgain) {
  const auto grant = this->Lead("one");
  ASSERT_TRUE(this->Insert(grant, SomeJob("a", "k")).done());
  ASSERT_TRUE(this->End(grant, JobResult{JobId("a"), "FINISHED", "", 1}).done());
  EXPECT_TRUE(this->Unfinished().empty());
  this->ExpectRefused(this->Next(grant, "a"), ErrorCode::kConflict);
  this->ExpectRefused(this->AddSplits(grant, "a", {{OperatorUid("s"), "0", "p"}}), ErrorCode::kConflict);
  EXPECT_TRUE(this->Insert(grant, SomeJob("a", "k")).done()) << "a repeated submit still finds its job";
  EXPECT_TRUE(this->Unfinished().empty());
}

TYPED_TEST(MetastoreContract, NewestResultsComeFirstWithoutTheirFiles) {
  const auto grant = this->Lead("one");
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(this->Insert(grant, SomeJob(id)).done());
  for (const char* id : {"b", "c", "a"}) ASSERT_TRUE(this->End(grant, JobResult{JobId(id), "FINISHED", "", 1}).done());
  auto list = [this](std::size_t n) {
    return Await<std::vector<Metastore::FinishedJob>>([&](auto a) { this->store_->ListFinished(n, a); }).value();
  };
  ASSERT_EQ(list(2).size(), 2u);
  EXPECT_EQ(list(2)[0].job.id.str(), "a");
  EXPECT_EQ(list(2)[1].job.id.str(), "c");
  EXPECT_TRUE(list(2)[0].job.job_file.empty());
  EXPECT_EQ(list(2)[0].job.name, SomeJob("a").name);
  EXPECT_EQ(list(2)[0].result.state, "FINISHED");
  EXPECT_EQ(list(0).size(), 0u);
  EXPECT_EQ(list(static_cast<std::size_t>(-1)).size(), 3u);
}

TYPED_TEST(MetastoreContract, EndedJobIsFoundByItsIdAndOnlyWhenItEnded) {
  const auto grant = this->Lead("one");
  for (const char* id : {"a", "b"}) ASSERT_TRUE(this->Insert(grant, SomeJob(id)).done());
  const JobResult failed{JobId("b"), "FAILED", "{}", 77};
  ASSERT_TRUE(this->End(grant, failed).done());
  const auto find = [this](const char* id) {
    return Await<std::optional<Metastore::FinishedJob>>([&](auto a) { this->store_->FindFinished(JobId(id), a); }).value();
  };
  ASSERT_TRUE(find("b").has_value());
  EXPECT_EQ(find("b")->result, failed);
  EXPECT_EQ(find("b")->job.name, SomeJob("b").name);
  EXPECT_TRUE(find("b")->job.job_file.empty());
  EXPECT_FALSE(find("a").has_value()) << "it has not ended";
  EXPECT_FALSE(find("c").has_value());
}

TYPED_TEST(MetastoreContract, UnknownJobIsNotFound) {
  const auto grant = this->Lead("one");
  this->ExpectRefused(this->Next(grant, "x"), ErrorCode::kNotFound);
  this->ExpectRefused(this->AddSplits(grant, "x", {{OperatorUid("s"), "0", "p"}}), ErrorCode::kNotFound);
  this->ExpectRefused(this->End(grant, JobResult{JobId("x"), "FAILED", "", 1}), ErrorCode::kNotFound);
}

TYPED_TEST(MetastoreContract, CallsInFlightAtStopAreAnsweredOnceEach) {
  const auto grant = this->Lead("one");
  std::atomic<int> answers{0};
  for (int i = 0; i < 200; ++i)
    this->store_->InsertJob(grant, std::make_shared<const JobRecord>(SomeJob("j" + std::to_string(i))), [&](auto) { ++answers; });
  this->store_->RequestStop();
  this->store_->Join();
  this->store_->Ping([&](auto o) {
    EXPECT_TRUE(o.not_done());
    ++answers;
  });
  std::promise<void> drained;
  this->executor_.Post([&] { drained.set_value(); });
  drained.get_future().wait();
  EXPECT_EQ(answers.load(), 201);
  this->Reopen();
}

}  // namespace
}  // namespace headrace::control::metastore
