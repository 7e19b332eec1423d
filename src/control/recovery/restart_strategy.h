#pragma once
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "plan/job_graph.h"

namespace headrace {
class Random;
}

namespace headrace::control::recovery {

/// Decides whether and when a job runs again. Only failures raised by the job's own tasks count here; the loss of a process
/// restarts at once and is no failure of the job. Owned by one job; control executor only.
class RestartStrategy {
 public:
  /// kDefault is exponential from 1 s to 60 s without an end. `random` makes the jitter and outlives the strategy.
  RestartStrategy(const plan::RestartSettings& settings, Random* random);

  /// False: the job ends at its first failure, whatever the cause.
  bool restarts() const { return settings_.kind != plan::RestartSettings::Kind::kNone; }
  /// Whether one more own failure would end the job.
  bool exhausted() const;
  /// Counts one own failure and answers how long to wait, or nothing when the job has to end.
  std::optional<Duration> OnTaskFailure();
  /// The job ran well for long enough: waiting times start over. The number of fixed-delay attempts is for the whole life.
  void OnHealthy() { backoff_steps_ = 0; }

 private:
  plan::RestartSettings settings_;
  Random* const random_;
  std::uint32_t failures_ = 0;
  std::uint32_t backoff_steps_ = 0;
};

}  // namespace headrace::control::recovery
