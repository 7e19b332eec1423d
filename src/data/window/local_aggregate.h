#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "data/operator/operator.h"
#include "data/window/local_groups.h"
#include "data/window/meeting.h"
#include "plan/relational.h"

namespace headrace::data::window {

/// In front of a shuffle by key into a windowed aggregate: adds rows up by key and slice, so that one partial group travels instead of
/// many rows. Groups are held until the watermark reaches the end of their slice (no window can need them before), until there are
/// too many, or until a barrier or the end comes. Where most rows have a key of their own it pays nothing: then rows pass as they are, and
/// it is tried again now and then.
///
/// Subtasks that run on one thread add up together: with many of them few rows of a key are left in each. A watermark that groups leave
/// with waits for the task's next turn, when all others have had theirs, and then one subtask gives out what all have. So that no row
/// becomes late, a subtask gives out only slices that its own watermarks have not passed, and takes in no row of one that they have.
/// Barriers part them: rows behind a barrier never meet those in front of it. Shape:  in typed batches with event times; out the same, or
/// the groups of LocalGroups. Errors: those of the aggregate behind it. Thread: owning task's.
class LocalAggregate final : public op::Operator {
 public:
  /// A BatchAggregate for an aggregate without a window. Null when the state cannot be added up apart: by session, by rows or by the clock,
  /// with rows wanted one by one (late rows to a side output, early firing, triggers by rows), or with sets, lists, texts or times in it.
  static Result<std::unique_ptr<op::Operator>> Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input);
  ~LocalAggregate() override;
  Status Open(const op::OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;
  Status OnWatermark(const columnar::Watermark& watermark, op::Collector* out) override;
  Status OnWatermarkStatus(const columnar::WatermarkStatus& status, op::Collector* out) override;
  Status OnBarrier(const columnar::Barrier& barrier) override;
  Status Poll(op::Collector* out) override;
  bool busy() const override { return waits_ || emits_; }
  MonotonicTime next_poll() const override { return busy() ? MonotonicTime() : MonotonicTime::max(); }
  Status Finish(op::Collector* out) override;
  void RequestStop() override { Leave(); }

 private:
  struct Shared {
    explicit Shared(LocalGroups made) : groups(std::move(made)) {}
    LocalGroups groups;
    Meeting meeting;
    std::int64_t rows_to_pass = 0;  // as they are, before it is tried again
  };
  using MakeGroups = std::function<Result<LocalGroups>()>;
  explicit LocalAggregate(MakeGroups make);
  /// Meets those of the other subtasks that have seen the same barriers.
  Status Join();
  void Leave();
  bool IsDue(std::int64_t to_ms) const { return shared_->groups.HasBetween(passed_ms_, to_ms); }
  Status EmitTo(std::int64_t to_ms, op::Collector* out);
  Status EmitAll(op::Collector* out) { return EmitTo(std::numeric_limits<std::int64_t>::max(), out); }
  Status PollWaiting(op::Collector* out);
  void AccountBytes();

  const MakeGroups make_;
  std::shared_ptr<Shared> shared_;  // null once it has stopped
  Meeting::Member member_ = 0;
  std::string place_;          // empty: alone
  std::uint64_t barrier_ = 0;  // the last one
  const std::uint64_t* turn_ = nullptr;
  std::int64_t passed_ms_ = std::numeric_limits<std::int64_t>::min();  // the last watermark that went on
  bool waits_ = false, emits_ = false;                                 // for the others; at the next Poll()
  std::int64_t waiting_ms_ = 0;                                        // the watermark that waits
  std::uint64_t waiting_turn_ = 0;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0;
};

}  // namespace headrace::data::window
