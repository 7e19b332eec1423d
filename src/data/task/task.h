#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "data/operator/chain.h"
#include "data/task/input_gate.h"
#include "data/task/task_failure.h"
#include "data/task/task_loop.h"
#include "data/task/task_output.h"
#include "data/task/task_parts.h"
#include "data/task/task_vitals.h"

namespace headrace::data::task {

enum class TaskOutcome { kNone, kFinished, kFailed, kCanceled };

/// One subtask of a chain as a state machine: source or input gate → chain → edges. Step() moves rows until nothing more can
/// move or the slice is over; it never blocks, so a loop can run many tasks.
/// Life: new → running → ending (the end has left the chain, outputs drain and
/// consumers take their channels) → finished; failed and canceled from anywhere.
/// Owned by its TaskHandle. Step() on the loop's thread; RequestCancel(), AddSplits() and vitals() from any thread; outcome()
/// and failure() once the handle is done. The destructor may wait for the side threads of connectors: not on a loop's thread.
class Task final : public StepTask {
 public:
  struct Channels {
    std::vector<InputGate::Port> inputs;
    std::vector<EdgeOutput> outputs;
  };
  /// `on_running` is called on the loop's thread once everything is open.
  Task(TaskSpec spec, TaskParts parts, Channels channels, std::shared_ptr<TaskVitals> vitals, Waker* waker, const Clock* clock,
       std::function<void()> on_running);
  ~Task() override;

  StepResult Step(MonotonicTime slice_end) override;
  void RequestCancel();
  /// Fails the task with `why`, e.g. because its process lost contact.
  void RequestFail(Status why);
  void AddSplits(plan::SourceAssignment assignment);

  const TaskSpec& spec() const { return spec_; }
  const std::shared_ptr<TaskVitals>& vitals() const { return vitals_; }
  TaskOutcome outcome() const { return outcome_; }
  const TaskFailure& failure() const { return failure_; }

 private:
  /// Why a part of a slice ended.
  enum class Pause { kNothingToDo, kBlocked, kSliceOver, kEnded };
  Status Open();
  Status OpenSource();
  Status GiveSplits(const std::vector<plan::SourceSplit>& splits);
  Status TakeMail();
  Result<Pause> Work(MonotonicTime slice_end);
  /// One round through chain, outputs and input. True when anything moved.
  Result<bool> Round(MonotonicTime now);
  Result<bool> DrainChain(MonotonicTime now);
  Result<bool> PullInput();
  Result<bool> PullSource();
  Status PushBatch(std::uint32_t input, columnar::DataBatch batch);
  Status FlushHeld(MonotonicTime now, bool idle);
  bool OutputsBlocked() const;
  bool OutputsDelivered() const;
  /// Notes that an error is the source's.
  Status OfSource(Status status);
  MonotonicTime NextFlush() const;
  void Account(MonotonicTime start, Pause pause);
  StepResult Finish(TaskOutcome outcome);
  StepResult Fail(const Status& status);

  TaskSpec spec_;
  std::shared_ptr<TaskVitals> vitals_;
  Waker* waker_;
  const Clock* clock_;
  std::function<void()> on_running_;
  SourcePart source_;
  std::set<std::string> known_splits_;
  op::OperatorContext context_;
  std::uint64_t turn_ = 0;
  std::optional<InputGate> gate_;
  std::vector<EdgeOutput> outputs_;
  op::Chain chain_;
  std::unique_ptr<BatchCutter> cutter_;  // null: batches stay whole
  std::shared_ptr<Counter> source_records_, source_bytes_;
  bool open_ = false, input_ended_ = false, end_left_ = false, source_failed_ = false;
  bool splitless_ = false;  ///< consumers were told that this subtask has no splits
  TaskOutcome outcome_ = TaskOutcome::kNone;
  TaskFailure failure_;
  std::atomic<bool> cancel_{false}, has_mail_{false};
  std::mutex mail_mutex_;  // guards the next two
  std::vector<plan::SourceAssignment> new_splits_;
  Status fail_with_;
};

}  // namespace headrace::data::task
