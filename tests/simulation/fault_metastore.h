#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/random.h"
#include "control/metastore/memory_metastore.h"
#include "control/metastore/metastore.h"

namespace headrace::simulation {

namespace meta = control::metastore;

/// What the store does to calls.
struct StoreFaults {
  double unknown_applied = 0;  ///< the write happens, its answer is lost
  double unknown_lost = 0;     ///< the write does not happen, nobody knows
  bool away = false;           ///< every call: not done
  Duration delay = std::chrono::milliseconds(3);
  // Planted bugs.
  bool repeats_deployment_numbers = false;  ///< a new JobManager is given the last number once more
  std::map<JobId, DeploymentNumber> given_numbers;
  bool trusts_unknown_results = false;  ///< an unknown result write passes for done
};

/// The memory store behind a lossy connection. One per JobManager; the tables and the record of results outlive it.
class FaultMetastore final : public meta::Metastore {
 public:
  FaultMetastore(ManualClock* clock, Executor* answers, Random* random, std::shared_ptr<meta::MemoryTables> tables, StoreFaults* faults,
                 std::map<JobId, meta::JobResult>* results)
      : inner_executor_(clock),
        inner_(meta::MakeMemoryMetastore(&inner_executor_, std::move(tables))),
        answers_(answers),
        random_(random),
        faults_(faults),
        results_(results) {}

  void TakeLeadership(Incarnation holder, std::optional<LeaderEpoch> expected, std::string address,
                      meta::Answer<meta::LeaderGrant> answer) override {
    Run<meta::LeaderGrant>(true, std::move(answer), [&](auto a) { inner_->TakeLeadership(holder, expected, address, a); });
  }
  void RenewLeadership(meta::LeaderGrant grant, meta::Answer<Nothing> answer) override {
    Run<Nothing>(true, std::move(answer), [&](auto a) { inner_->RenewLeadership(grant, a); });
  }
  void ReadLeader(meta::Answer<Leader> answer) override {
    Run<Leader>(false, std::move(answer), [&](auto a) { inner_->ReadLeader(a); });
  }
  void InsertJob(meta::LeaderGrant grant, std::shared_ptr<const meta::JobRecord> job, meta::Answer<Nothing> answer) override {
    Run<Nothing>(true, std::move(answer), [&](auto a) { inner_->InsertJob(grant, job, a); });
  }
  void FindByIdempotencyKey(std::string key, meta::Answer<std::optional<JobId>> answer) override {
    Run<std::optional<JobId>>(false, std::move(answer), [&](auto a) { inner_->FindByIdempotencyKey(key, a); });
  }
  void ListUnfinished(meta::Answer<std::vector<meta::JobRecord>> answer) override {
    Run<std::vector<meta::JobRecord>>(false, std::move(answer), [&](auto a) { inner_->ListUnfinished(a); });
  }
  void ListFinished(std::size_t newest, meta::Answer<std::vector<FinishedJob>> answer) override {
    Run<std::vector<FinishedJob>>(false, std::move(answer), [&](auto a) { inner_->ListFinished(newest, a); });
  }
  void FindFinished(JobId job, meta::Answer<std::optional<FinishedJob>> answer) override {
    Run<std::optional<FinishedJob>>(false, std::move(answer), [&](auto a) { inner_->FindFinished(job, a); });
  }
  void InsertSplits(meta::LeaderGrant grant, JobId job, std::vector<meta::SplitRecord> splits,
                    meta::Answer<std::vector<meta::SplitRecord>> answer) override {
    Run<std::vector<meta::SplitRecord>>(true, std::move(answer), [&](auto a) { inner_->InsertSplits(grant, job, splits, a); });
  }
  void ListSplits(JobId job, meta::Answer<std::vector<meta::SplitRecord>> answer) override {
    Run<std::vector<meta::SplitRecord>>(false, std::move(answer), [&](auto a) { inner_->ListSplits(job, a); });
  }
  void NextDeployment(meta::LeaderGrant grant, JobId job, meta::Answer<DeploymentNumber> answer) override;
  void InsertResult(meta::LeaderGrant grant, meta::JobResult result, meta::Answer<meta::JobResult> answer) override;
  void Ping(meta::Answer<Nothing> answer) override {
    Run<Nothing>(false, std::move(answer), [&](auto a) { inner_->Ping(a); });
  }
  void RequestStop() override { inner_->RequestStop(); }
  void Join() override { inner_->Join(); }

 private:
  bool Chance(double probability) { return probability > 0 && random_->NextDouble() < probability; }

  template <typename T>
  void Post(meta::Answer<T> answer, Outcome<T> outcome) {
    const Duration delay(static_cast<std::int64_t>(random_->NextDouble() * static_cast<double>(faults_->delay.count())));
    answers_->PostAfter(delay, [answer = std::move(answer), outcome = std::move(outcome)] { answer(outcome); });
  }

  template <typename T>
  std::optional<Outcome<T>> Apply(const std::function<void(meta::Answer<T>)>& call) {
    std::optional<Outcome<T>> result;
    call([&](Outcome<T> outcome) { result = std::move(outcome); });
    inner_executor_.RunReady();
    return result;
  }

  template <typename T, typename Call>
  void Run(bool write, meta::Answer<T> answer, Call call) {
    const Status away = Error(ErrorCode::kStoreUnavailable, "the store is away");
    if (faults_->away) return Post<T>(std::move(answer), Outcome<T>::NotDone(away));
    if (write && Chance(faults_->unknown_lost)) return Post<T>(std::move(answer), Outcome<T>::Unknown(away));
    const std::optional<Outcome<T>> outcome = Apply<T>(call);
    if (write && Chance(faults_->unknown_applied)) return Post<T>(std::move(answer), Outcome<T>::Unknown(away));
    Post<T>(std::move(answer), *outcome);
  }

  ManualExecutor inner_executor_;
  std::unique_ptr<meta::Metastore> inner_;
  Executor* const answers_;
  Random* const random_;
  StoreFaults* const faults_;
  std::map<JobId, meta::JobResult>* const results_;
  std::set<JobId> asked_numbers_;
};

}  // namespace headrace::simulation
