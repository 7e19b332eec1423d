#include "control/metastore/memory_metastore.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <utility>

#include "control/metastore/refusals.h"

namespace headrace::control::metastore {

struct MemoryTables {
  struct Job {
    JobRecord record;
    std::uint64_t order = 0;  // of insertion
    DeploymentNumber last_deployment = 0;
    std::optional<JobResult> result;
    std::uint64_t result_order = 0;
    std::map<std::pair<OperatorUid, std::string>, SplitRecord> splits;
  };
  std::mutex mutex;
  Metastore::Leader leader;
  std::map<JobId, Job> jobs;
  std::uint64_t inserted = 0;

  bool Holds(const LeaderGrant& grant) const { return grant.epoch == leader.epoch && grant.holder == leader.holder && grant.epoch != 0; }
  Job* Find(const JobId& id) {
    const auto job = jobs.find(id);
    return job == jobs.end() ? nullptr : &job->second;
  }
  std::vector<const Job*> ByAge(bool finished) const {
    std::vector<const Job*> found;
    for (const auto& [id, job] : jobs) {
      if (job.result.has_value() == finished) found.push_back(&job);
    }
    std::sort(found.begin(), found.end(), [](const Job* a, const Job* b) { return a->order < b->order; });
    return found;
  }
};

std::shared_ptr<MemoryTables> MakeMemoryTables() { return std::make_shared<MemoryTables>(); }

namespace {

std::vector<SplitRecord> SplitsOf(const MemoryTables::Job& job) {
  std::vector<SplitRecord> splits;
  for (const auto& [key, split] : job.splits) splits.push_back(split);
  return splits;
}

/// Rows in memory: for the simulator and unit tests. Owns its share of the tables; any thread may call it; no thread of its own.
class MemoryMetastore final : public Metastore {
 public:
  MemoryMetastore(Executor* executor, std::shared_ptr<MemoryTables> tables) : executor_(executor), tables_(std::move(tables)) {}

  void TakeLeadership(Incarnation holder, std::optional<LeaderEpoch> expected_epoch, std::string address,
                      Answer<LeaderGrant> answer) override {
    Run<LeaderGrant>(std::move(answer), [&](MemoryTables& t) -> Result<LeaderGrant> {
      if (expected_epoch && *expected_epoch != t.leader.epoch) return EpochMoved(*expected_epoch);
      t.leader = Leader{t.leader.epoch + 1, holder, t.leader.beat + 1, address};
      return LeaderGrant{t.leader.epoch, holder};
    });
  }

  void RenewLeadership(LeaderGrant grant, Answer<Nothing> answer) override {
    Run<Nothing>(std::move(answer), [&](MemoryTables& t) -> Result<Nothing> {
      if (!t.Holds(grant)) return Deposed(grant);
      ++t.leader.beat;
      return Nothing{};
    });
  }

  void ReadLeader(Answer<Leader> answer) override {
    Run<Leader>(std::move(answer), [](MemoryTables& t) -> Result<Leader> { return t.leader; });
  }

  void InsertJob(LeaderGrant grant, std::shared_ptr<const JobRecord> job, Answer<Nothing> answer) override {
    Run<Nothing>(std::move(answer), [&](MemoryTables& t) -> Result<Nothing> {
      HR_RETURN_NOT_OK(CheckTexts(*job));
      if (!t.Holds(grant)) return Deposed(grant);
      if (const auto* found = t.Find(job->id)) {
        if (!(found->record == *job)) return OtherContent(job->id);
        return Nothing{};
      }
      for (const auto& [id, other] : t.jobs) {
        if (!job->idempotency_key.empty() && other.record.idempotency_key == job->idempotency_key) return KeyTaken(job->idempotency_key);
      }
      auto& row = t.jobs[job->id];
      row.order = ++t.inserted;
      row.record = *job;
      return Nothing{};
    });
  }

  void FindByIdempotencyKey(std::string key, Answer<std::optional<JobId>> answer) override {
    Run<std::optional<JobId>>(std::move(answer), [&](MemoryTables& t) -> Result<std::optional<JobId>> {
      for (const auto& [id, job] : t.jobs) {
        if (!key.empty() && job.record.idempotency_key == key) return std::optional<JobId>(id);
      }
      return std::optional<JobId>();
    });
  }

  void ListUnfinished(Answer<std::vector<JobRecord>> answer) override {
    Run<std::vector<JobRecord>>(std::move(answer), [](MemoryTables& t) -> Result<std::vector<JobRecord>> {
      std::vector<JobRecord> jobs;
      for (const auto* job : t.ByAge(/*finished=*/false)) jobs.push_back(job->record);
      return jobs;
    });
  }

  void ListFinished(std::size_t newest, Answer<std::vector<FinishedJob>> answer) override {
    Run<std::vector<FinishedJob>>(std::move(answer), [&](MemoryTables& t) -> Result<std::vector<FinishedJob>> {
      auto found = t.ByAge(/*finished=*/true);
      std::sort(found.begin(), found.end(), [](const auto* a, const auto* b) { return a->result_order > b->result_order; });
      std::vector<FinishedJob> jobs;
      for (const auto* job : found) {
        if (jobs.size() == newest) break;
        jobs.push_back({job->record, *job->result});
        jobs.back().job.job_file.clear();
      }
      return jobs;
    });
  }

  void FindFinished(JobId id, Answer<std::optional<FinishedJob>> answer) override {
    Run<std::optional<FinishedJob>>(std::move(answer), [&](MemoryTables& t) -> Result<std::optional<FinishedJob>> {
      const auto* job = t.Find(id);
      if (job == nullptr || !job->result) return std::optional<FinishedJob>();
      FinishedJob found{job->record, *job->result};
      found.job.job_file.clear();
      return std::optional<FinishedJob>(std::move(found));
    });
  }

  void InsertSplits(LeaderGrant grant, JobId id, std::vector<SplitRecord> splits, Answer<std::vector<SplitRecord>> answer) override {
    Run<std::vector<SplitRecord>>(std::move(answer), [&](MemoryTables& t) -> Result<std::vector<SplitRecord>> {
      for (const SplitRecord& split : splits) HR_RETURN_NOT_OK(CheckTexts(split));
      HR_ASSIGN_OR_RAISE(auto* job, Unfinished(t, grant, id));
      for (SplitRecord& split : splits) {
        auto key = std::pair(split.source, split.split_id);
        job->splits.try_emplace(std::move(key), std::move(split));
      }
      return SplitsOf(*job);
    });
  }

  void ListSplits(JobId id, Answer<std::vector<SplitRecord>> answer) override {
    Run<std::vector<SplitRecord>>(std::move(answer), [&](MemoryTables& t) -> Result<std::vector<SplitRecord>> {
      const auto* job = t.Find(id);
      return job == nullptr ? std::vector<SplitRecord>() : SplitsOf(*job);
    });
  }

  void NextDeployment(LeaderGrant grant, JobId id, Answer<DeploymentNumber> answer) override {
    Run<DeploymentNumber>(std::move(answer), [&](MemoryTables& t) -> Result<DeploymentNumber> {
      HR_ASSIGN_OR_RAISE(auto* job, Unfinished(t, grant, id));
      return ++job->last_deployment;
    });
  }

  void InsertResult(LeaderGrant grant, JobResult result, Answer<JobResult> answer) override {
    Run<JobResult>(std::move(answer), [&](MemoryTables& t) -> Result<JobResult> {
      HR_RETURN_NOT_OK(CheckTexts(result));
      if (!t.Holds(grant)) return Deposed(grant);
      auto* job = t.Find(result.id);
      if (job == nullptr) return UnknownJob(result.id);
      if (!job->result) {
        job->result = std::move(result);
        job->result_order = ++t.inserted;
      }
      return *job->result;
    });
  }

  void Ping(Answer<Nothing> answer) override {
    Run<Nothing>(std::move(answer), [](MemoryTables&) -> Result<Nothing> { return Nothing{}; });
  }
  void RequestStop() override { stopped_ = true; }
  void Join() override {}

 private:
  template <typename T, typename Body>
  void Run(Answer<T> answer, Body body) {
    auto run = [&]() -> Result<T> {
      if (stopped_) return Stopped();
      std::lock_guard lock(tables_->mutex);
      return body(*tables_);
    };
    Result<T> result = run();
    auto outcome = result.ok() ? Outcome<T>::Done(std::move(result).ValueUnsafe()) : Outcome<T>::NotDone(result.status());
    executor_->Post([answer = std::move(answer), outcome = std::move(outcome)]() mutable { answer(std::move(outcome)); });
  }

  static Result<MemoryTables::Job*> Unfinished(MemoryTables& t, const LeaderGrant& grant, const JobId& id) {
    if (!t.Holds(grant)) return Deposed(grant);
    auto* job = t.Find(id);
    if (job == nullptr) return UnknownJob(id);
    if (job->result) return JobHasEnded(id);
    return job;
  }

  Executor* const executor_;
  const std::shared_ptr<MemoryTables> tables_;
  std::atomic<bool> stopped_{false};
};

}  // namespace

std::unique_ptr<Metastore> MakeMemoryMetastore(Executor* executor, std::shared_ptr<MemoryTables> tables) {
  return std::make_unique<MemoryMetastore>(executor, std::move(tables));
}
std::unique_ptr<Metastore> MakeMemoryMetastore(Executor* executor) { return MakeMemoryMetastore(executor, MakeMemoryTables()); }

}  // namespace headrace::control::metastore
