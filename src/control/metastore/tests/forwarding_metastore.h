#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/metastore/metastore.h"

namespace headrace::control::metastore {

/// Hands every call to another store: a test overrides the ones that it wants to go wrong.
class ForwardingMetastore : public Metastore {
 public:
  explicit ForwardingMetastore(std::unique_ptr<Metastore> inner) : inner_(std::move(inner)) {}

  void TakeLeadership(Incarnation holder, std::optional<LeaderEpoch> expected, std::string address, Answer<LeaderGrant> answer) override {
    inner_->TakeLeadership(std::move(holder), expected, std::move(address), std::move(answer));
  }
  void RenewLeadership(LeaderGrant grant, Answer<Nothing> answer) override { inner_->RenewLeadership(std::move(grant), std::move(answer)); }
  void ReadLeader(Answer<Leader> answer) override { inner_->ReadLeader(std::move(answer)); }
  void InsertJob(LeaderGrant grant, std::shared_ptr<const JobRecord> job, Answer<Nothing> answer) override {
    inner_->InsertJob(std::move(grant), std::move(job), std::move(answer));
  }
  void FindByIdempotencyKey(std::string key, Answer<std::optional<JobId>> answer) override {
    inner_->FindByIdempotencyKey(std::move(key), std::move(answer));
  }
  void ListUnfinished(Answer<std::vector<JobRecord>> answer) override { inner_->ListUnfinished(std::move(answer)); }
  void ListFinished(std::size_t newest, Answer<std::vector<FinishedJob>> answer) override {
    inner_->ListFinished(newest, std::move(answer));
  }
  void FindFinished(JobId job, Answer<std::optional<FinishedJob>> answer) override {
    inner_->FindFinished(std::move(job), std::move(answer));
  }
  void InsertSplits(LeaderGrant grant, JobId job, std::vector<SplitRecord> splits, Answer<std::vector<SplitRecord>> answer) override {
    inner_->InsertSplits(std::move(grant), std::move(job), std::move(splits), std::move(answer));
  }
  void ListSplits(JobId job, Answer<std::vector<SplitRecord>> answer) override { inner_->ListSplits(std::move(job), std::move(answer)); }
  void NextDeployment(LeaderGrant grant, JobId job, Answer<DeploymentNumber> answer) override {
    inner_->NextDeployment(std::move(grant), std::move(job), std::move(answer));
  }
  void InsertResult(LeaderGrant grant, JobResult result, Answer<JobResult> answer) override {
    inner_->InsertResult(std::move(grant), std::move(result), std::move(answer));
  }
  void Ping(Answer<Nothing> answer) override { inner_->Ping(std::move(answer)); }
  void RequestStop() override { inner_->RequestStop(); }
  void Join() override { inner_->Join(); }

 private:
  const std::unique_ptr<Metastore> inner_;
};

}  // namespace headrace::control::metastore
