#include "tests/simulation/fault_metastore.h"

namespace headrace::simulation {

void FaultMetastore::NextDeployment(meta::LeaderGrant grant, JobId job, meta::Answer<DeploymentNumber> answer) {
  const bool first = asked_numbers_.insert(job).second;
  if (faults_->repeats_deployment_numbers && first && faults_->given_numbers.count(job) != 0) {
    return Post<DeploymentNumber>(std::move(answer), Outcome<DeploymentNumber>::Done(faults_->given_numbers.at(job)));
  }
  Run<DeploymentNumber>(
      true,
      [this, job, answer = std::move(answer)](Outcome<DeploymentNumber> outcome) {
        if (outcome.done()) faults_->given_numbers[job] = outcome.value();
        answer(std::move(outcome));
      },
      [&](auto a) { inner_->NextDeployment(grant, job, a); });
}

void FaultMetastore::InsertResult(meta::LeaderGrant grant, meta::JobResult result, meta::Answer<meta::JobResult> answer) {
  const JobId job = result.id;
  if (faults_->trusts_unknown_results) {
    answer = [result, answer = std::move(answer)](Outcome<meta::JobResult> outcome) {
      answer(outcome.unknown() ? Outcome<meta::JobResult>::Done(result) : std::move(outcome));
    };
  }
  Run<meta::JobResult>(true, std::move(answer), [&](meta::Answer<meta::JobResult> a) {
    inner_->InsertResult(grant, result, [this, job, a = std::move(a)](Outcome<meta::JobResult> outcome) {
      if (outcome.done()) results_->emplace(job, outcome.value());
      a(std::move(outcome));
    });
  });
}

}  // namespace headrace::simulation
