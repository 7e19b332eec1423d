#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/status.h"
#include "data/exchange/channel.h"
#include "data/task/task.h"
#include "plan/execution_plan.h"

namespace headrace::bench {

/// The plan of a job file as Python wrote it, with `parallelism` (0: the job's own).
Result<std::shared_ptr<const plan::ExecutionPlan>> PlanOf(const std::string& job_file, std::uint32_t parallelism);

/// All tasks of a plan on one thread, with the engine's own chains and in-process channels; only the connectors are the benchmark's.
/// Runs once. Thread: the caller's, and the loop's in RunOn().
class SingleCoreJob {
 public:
  /// `clock` null: one that stands still, for Run().
  static Result<std::unique_ptr<SingleCoreJob>> Make(std::shared_ptr<const plan::ExecutionPlan> plan,
                                                     data::task::ConnectorFactories connectors, const Clock* clock = nullptr);
  ~SingleCoreJob();
  /// Until every task has finished; the failure of the first that has not.
  Status Run();
  /// The same on a loop of the engine's own, by the real clock.
  Status RunOn(data::task::TaskLoop* loop);
  /// Bytes of keyed state that the tasks hold now.
  std::int64_t state_bytes() const;

 private:
  SingleCoreJob() = default;
  Status AddTasks();
  Status CheckOutcomes() const;
  Result<std::vector<data::task::EdgeOutput>> OpenOutputs(const plan::ExecutionVertex& vertex, std::uint32_t subtask, Waker* waker);

  std::shared_ptr<const plan::ExecutionPlan> plan_;
  data::task::TaskEnvironment environment_;
  MetricsRegistry metrics_;
  ManualClock still_;
  const Clock* clock_ = &still_;
  std::atomic<std::size_t> live_{0};
  std::unique_ptr<data::exchange::Exchange> exchange_;
  std::vector<std::shared_ptr<data::task::TaskHandle>> handles_;
  std::vector<std::shared_ptr<data::task::TaskVitals>> vitals_;
  std::unique_ptr<data::task::ManualTaskLoop> loop_;
};

}  // namespace headrace::bench
