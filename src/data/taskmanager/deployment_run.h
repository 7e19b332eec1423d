#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "data/task/task.h"
#include "data/taskmanager/callback_gate.h"
#include "data/taskmanager/task_manager_parts.h"
#include "data/time/watermark_alignment.h"
#include "plan/deployment.h"
#include "wire/gateways.h"

namespace headrace::data::taskmanager {

/// One deployment of a job on this process: its worker pool, channels and tasks, from the first byte to the last.
/// Life: preparing (workers start on the blocking executor) → running → draining (all tasks done) → closed: tasks destroyed,
/// workers ended, channels released. Cancel() leads there from anywhere; without it a finished deployment keeps its channels,
/// because consumers elsewhere may still read them.
/// Owned by the TaskManager; control executor only.
class DeploymentRun {
 public:
  struct Callbacks {
    std::function<void(Status)> on_started;                  ///< once: all tasks are taken, or (an error) nothing of it is left
    std::function<void(const wire::TaskReport&)> on_report;  ///< a task changed its state
    std::function<void()> on_closed;  ///< once, after Cancel() or a failed start; the run may be destroyed in a later turn
  };
  DeploymentRun(plan::JobDeployment deployment, const TaskManagerOptions* options, const TaskManagerParts* parts,
                std::shared_ptr<CallbackGate> gate, Callbacks callbacks);
  ~DeploymentRun();

  DeploymentNumber number() const { return deployment_.deployment; }
  const JobId& job() const { return deployment_.job; }
  const std::shared_ptr<const plan::ExecutionPlan>& plan() const { return deployment_.plan; }
  const std::vector<plan::ArchiveRef>& archives() const { return deployment_.archives; }
  /// `sys_path`: folders that workers import from.
  void Start(std::vector<std::string> sys_path);
  /// Instead of Start(): what it needs could not be had.
  void FailStart(const Status& why);
  void Cancel();
  /// Fails every task that still runs, and a start that is under way.
  void FailAll(const Status& why);
  Status AddSplits(const AttemptId& attempt, plan::SourceAssignment assignment);
  bool closed() const { return phase_ == Phase::kClosed; }
  bool started() const { return phase_ == Phase::kRunning || phase_ == Phase::kDrained; }
  /// States of all tasks, terminal ones included; empty once closed.
  std::vector<wire::TaskReport> Reports() const;
  /// Of the tasks that have not ended; shares of time are since the last call. The last numbers of the others are in their reports.
  std::vector<wire::TaskMetrics> Metrics();
  std::uint32_t num_workers() const;
  /// Tasks that are not gone, for the report of a stuck cancellation.
  std::string DescribeLive() const;

  /// Of the sources here with each other and with those of other processes.
  time::WatermarkAlignment& alignment() { return alignment_; }

 private:
  enum class Phase { kPreparing, kRunning, kDrained, kClosing, kClosed };
  struct TaskEntry {
    const plan::TaskDeployment* deployment = nullptr;
    std::shared_ptr<task::TaskHandle> handle;
    task::Task* task = nullptr;  // inside handle; valid until it is destroyed
    std::shared_ptr<task::TaskVitals> vitals;
    wire::TaskReport report;
    bool started = false, done = false;
    std::vector<std::shared_ptr<exchange::InputChannel>> inputs;
    std::vector<std::shared_ptr<exchange::OutputChannel>> outputs;
    task::TaskVitals::Times seen;  // at the last heartbeat
  };
  struct Gauges {
    std::shared_ptr<Gauge> busy, backpressured, idle, state_bytes, watermark_lag;
  };
  /// Of all subtasks of a vertex here, those that have ended included.
  struct Sum {
    double busy = 0, backpressured = 0, state_bytes = 0;
    int tasks = 0;
    std::optional<std::int64_t> watermark_ms;  // the least of those that are not idle
  };
  MetricLabels LabelsOf(VertexIndex vertex) const;
  void OnPool(Result<std::shared_ptr<python::WorkerPool>> pool);
  python::WorkerPoolOptions PoolOptions(std::vector<std::string> sys_path) const;
  Status BuildTasks();
  Status RegisterInputs(TaskEntry& entry);
  Result<std::vector<task::EdgeOutput>> OpenOutputs(TaskEntry& entry);
  Status BuildTask(TaskEntry& entry);
  void OnRunning(std::size_t index);
  void OnDone(std::size_t index);
  void Drained();
  void Close();
  /// Samples of bad records are given out once.
  wire::TaskMetrics CountsOf(TaskEntry& entry) const;
  void ShowGauges(const std::map<VertexIndex, Sum>& sums);

  plan::JobDeployment deployment_;
  const TaskManagerOptions* options_;
  const TaskManagerParts* parts_;
  std::shared_ptr<CallbackGate> gate_;
  Callbacks callbacks_;
  Phase phase_ = Phase::kPreparing;
  bool cancelled_ = false, start_answered_ = false;
  Status start_failure_;
  time::WatermarkAlignment alignment_;
  task::TaskEnvironment environment_;
  std::shared_ptr<python::WorkerPool> pool_;
  std::vector<std::unique_ptr<TaskEntry>> tasks_;
  std::map<VertexIndex, Gauges> gauges_;
  std::size_t live_ = 0;
};

}  // namespace headrace::data::taskmanager
