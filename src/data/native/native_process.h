#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/native/native_states.h"
#include "data/operator/operator.h"
#include "data/state/row_keys.h"
#include "data/state/row_store.h"
#include "data/time/timer_service.h"
#include "headrace/native_abi.h"
#include "plan/process.h"

namespace headrace::data::native {

/// Runs a process function of a shared library over batches and timers of keys, inside the task.
/// Shape:   in rows of `input`, keyed by columns; out those that the function declares, which must be the job's `returns`, with the event
///          times that it says, when the input has event times.
/// Timers:  event-time timers fire behind the rows before the watermark that reaches them, and before it passes on, in slices of about
///          kSliceNanoseconds, between which a barrier may pass. A call has one timer a key at most, so that what it sets and deletes
///          counts for the next.
/// Errors:  those of LoadFunction(); kInvalidPlan for rows that are not as declared; kPythonRaised for what the function throws.
/// Thread:  owning task's.
class NativeProcess final : public op::Operator {
 public:
  static constexpr std::int64_t kSliceNanoseconds = 5'000'000;
  static constexpr std::size_t kSliceTimers = 512;

  /// folder: where libraries are; described: the operator as errors name it.
  static Result<std::unique_ptr<NativeProcess>> Make(const std::string& folder, const plan::ProcessSpec& spec, std::string described,
                                                     const std::shared_ptr<arrow::Schema>& input);
  ~NativeProcess() override;
  Status Open(const op::OperatorContext& context) override;
  bool accepting() const override { return !event_due_; }
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status Poll(op::Collector* out) override;
  bool busy() const override { return finishing_ && event_due_; }
  Status Finish(op::Collector* out) override;
  Status OnWatermark(const columnar::Watermark& watermark, op::Collector* out) override;
  Status OnWatermarkStatus(const columnar::WatermarkStatus& status, op::Collector* out) override { return out->EmitStatus(status); }
  bool passes_watermarks() const override { return false; }
  MonotonicTime next_poll() const override;

 private:
  NativeProcess(const headrace_function* function, plan::ProcessSpec spec, std::string described, std::shared_ptr<arrow::Schema> input,
                std::shared_ptr<arrow::Schema> keys, state::RowStore key_rows);
  Status Wrong(std::string_view what, std::string hint = {}) const;
  Status CheckOutput(const arrow::Schema& output) const;
  Status KeepKeys(const arrow::RecordBatch& rows, std::int64_t known);
  Status Call(const arrow::RecordBatch& columns, const headrace_rows& rows, bool timers, op::Collector* out);
  Status FireSlice(std::uint32_t kind, std::int64_t until_ms, op::Collector* out);
  Status FireProcessing(op::Collector* out);
  Status AdvanceTime(op::Collector* out);
  Status Emit(ArrowArray* rows, const std::int64_t* times);
  int SetTimer(std::uint32_t key, std::uint32_t kind, std::int64_t time_ms, bool set);
  void Host(headrace_host* host);
  Status Compact();
  void Account();
  bool processing_due() const { return clock_ != nullptr && processing_timers_next_ <= clock_->WallTimeMs(); }

  const headrace_function* function_;
  plan::ProcessSpec spec_;
  std::string described_;
  std::shared_ptr<arrow::Schema> input_, key_schema_, output_;
  std::vector<int> key_columns_;
  void* instance_ = nullptr;
  const Clock* clock_ = nullptr;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t counted_bytes_ = 0, compact_at_ = 0;

  state::RowKeys keys_;
  state::KeyGrouping grouping_;
  std::unique_ptr<NativeStates> states_;
  state::RowStore key_rows_;  // the key columns of each entry, by its number
  time::TimerService event_timers_, processing_timers_;
  std::vector<time::TimerService::Timer> due_;
  std::vector<std::uint64_t> fired_in_;  // by entry: the slice that has a timer of it
  std::uint64_t slices_ = 0;
  std::int64_t watermark_ms_, emitted_ms_, processing_timers_next_ = time::TimerService::kNever;
  bool event_due_ = false, finishing_ = false, timed_ = false;

  // Of the call in hand.
  op::Collector* out_ = nullptr;
  const headrace_rows* rows_ = nullptr;
  Status failure_, downstream_;
};

}  // namespace headrace::data::native
