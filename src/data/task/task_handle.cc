#include <utility>

#include "base/status.h"
#include "data/task/task_loop.h"

namespace headrace::data::task {

void TaskHandle::SetTask(std::unique_ptr<StepTask> task, DoneCallback on_done) {
  HR_CHECK(state_.load() == State::kNew, "SetTask() after Start()");
  task_ = std::move(task);
  on_done_ = std::move(on_done);
}

void TaskHandle::Begin(TaskRunner* runner) {
  runner_ = runner;
  State expected = State::kNew;
  HR_CHECK(state_.compare_exchange_strong(expected, State::kQueued), "a task was started twice");
  runner_->Enqueue(this);
}

void TaskHandle::Wake() {
  State state = state_.load();
  for (;;) {
    switch (state) {
      case State::kIdle:
        if (!state_.compare_exchange_weak(state, State::kQueued)) continue;
        runner_->Enqueue(this);
        return;
      case State::kRunning:
        if (!state_.compare_exchange_weak(state, State::kRunningWoken)) continue;
        return;
      case State::kNew:  // the first step looks at everything
      case State::kQueued:
      case State::kRunningWoken:
      case State::kDone:
        return;
    }
  }
}

bool TaskHandle::RunSlice(MonotonicTime slice_end, MonotonicTime* wake_at) {
  *wake_at = MonotonicTime::max();
  state_ = State::kRunning;
  const StepResult result = task_->Step(slice_end);
  if (result.next == StepResult::Next::kDone) {
    state_ = State::kDone;
    return true;
  }
  State expected = State::kRunning;
  if (result.next == StepResult::Next::kAgain || !state_.compare_exchange_strong(expected, State::kIdle)) {
    state_ = State::kQueued;
    runner_->Enqueue(this);
    return false;
  }
  *wake_at = result.wake_at;
  return false;
}

}  // namespace headrace::data::task
