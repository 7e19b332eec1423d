#include "data/window/local_aggregate.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <map>
#include <utility>

#include "columnar/int64_range.h"
#include "data/window/batch_aggregate.h"

namespace headrace::data::window {
namespace {

constexpr std::int64_t kMostGroups = 1 << 15;  // held: they stay in the cache
/// The decision: after so many rows, by the part of them that had a group of their own; and how long rows pass before the next trial.
constexpr std::int64_t kTrialRows = 1 << 14;
constexpr double kMostUnique = 0.6;
constexpr std::int64_t kPassRows = 1 << 20;
/// A batch over more slices than this passes as it is.
constexpr std::int64_t kMostSlices = 1024;
bool AddsUpApart(const plan::AggregateSpec& spec, const Functions& functions) {
  using Kind = plan::Window::Kind;
  const Kind kind = spec.window.kind;
  const bool sliced = kind == Kind::kTumbling || kind == Kind::kSliding || kind == Kind::kCumulate;
  if (!sliced || spec.window.processing_time || !spec.late_tag.empty() || spec.trigger.early_every_ms > 0 ||
      spec.trigger.early_every_rows > 0 || spec.trigger.late_every_row || spec.trigger.by_function ||
      spec.trigger.by_row.kind != plan::RowTrigger::Kind::kNone)
    return false;
  const bool by_time = std::any_of(spec.calls.begin(), spec.calls.end(),
                                   [](const auto& call) { return call.function == "first" || call.function == "last"; });
  return !by_time && !OwnMemory(functions);
}

}  // namespace

Result<std::unique_ptr<op::Operator>> LocalAggregate::Make(const plan::AggregateSpec& spec, const std::shared_ptr<arrow::Schema>& input) {
  std::unique_ptr<op::Operator> none;
  if (input == nullptr) return none;
  if (spec.window.kind == plan::Window::Kind::kNone) return BatchAggregate::Make(spec, input);
  HR_ASSIGN_OR_RAISE(const KeyWords known, KeyWords::Make(*input, spec.keys));
  HR_ASSIGN_OR_RAISE(const AggregateCalls made, AggregateCalls::Make(spec.calls, input));
  if (!AddsUpApart(spec, made.functions()) || known.words() > state::GroupTable::kMaxKeyWords) return none;
  MakeGroups make = [spec, input]() -> Result<LocalGroups> {
    HR_ASSIGN_OR_RAISE(KeyWords keys, KeyWords::Make(*input, spec.keys));
    HR_ASSIGN_OR_RAISE(AggregateCalls calls, AggregateCalls::Make(spec.calls, input));
    return LocalGroups(std::move(calls), std::move(keys), WindowSpec::Of(spec.window), *input, spec);
  };
  return std::unique_ptr<op::Operator>(new LocalAggregate(std::move(make)));
}

LocalAggregate::LocalAggregate(MakeGroups make) : make_(std::move(make)) {}

LocalAggregate::~LocalAggregate() { Leave(); }

Status LocalAggregate::Open(const op::OperatorContext& context) {
  state_bytes_ = context.state_bytes;
  turn_ = context.turn;
  if (turn_ != nullptr) place_ = context.vertex;
  return Join();
}

Status LocalAggregate::Join() {
  // What the operators of this thread share, by vertex and last barrier.
  thread_local std::map<std::pair<std::string, std::uint64_t>, std::weak_ptr<Shared>> shared_here;
  std::erase_if(shared_here, [](const auto& entry) { return entry.second.expired(); });
  std::shared_ptr<Shared> shared;
  if (!place_.empty()) shared = shared_here[{place_, barrier_}].lock();
  if (shared == nullptr) {
    HR_ASSIGN_OR_RAISE(LocalGroups groups, make_());
    shared = std::make_shared<Shared>(std::move(groups));
    if (!place_.empty()) shared_here[{place_, barrier_}] = shared;
  }
  member_ = shared->meeting.Join();
  shared_ = std::move(shared);
  return Status::OK();
}

void LocalAggregate::Leave() {
  if (shared_ == nullptr) return;
  shared_->meeting.Leave(member_);
  shared_.reset();
  waits_ = emits_ = false;
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(std::exchange(accounted_bytes_, 0), std::memory_order_relaxed);
}

Status LocalAggregate::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  const std::int64_t rows = batch.num_rows();
  if (rows == 0) return Status::OK();
  LocalGroups& groups = shared_->groups;
  const bool plain = batch.event_time_column() < 0 || batch.row_kind_column() >= 0;  // the operator behind it says what is wrong
  if (plain || shared_->rows_to_pass > 0) {
    shared_->rows_to_pass -= rows;
    return out->Emit(std::move(batch));
  }
  const auto* times = batch.records()->column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
  auto [least_ms, greatest_ms] = columnar::RangeOf(times, rows);
  if (least_ms < -WindowSpec::kLatestMs || greatest_ms > WindowSpec::kLatestMs) return out->Emit(std::move(batch));
  const WindowSpec& windows = groups.windows();
  least_ms = windows.SliceStart(least_ms);
  greatest_ms = windows.SliceStart(greatest_ms);
  const bool late = least_ms + windows.slice_ms() - 1 <= passed_ms_;
  if (late || (greatest_ms - least_ms) / windows.slice_ms() >= kMostSlices) return out->Emit(std::move(batch));
  HR_RETURN_NOT_OK(groups.Add(batch, times, least_ms, greatest_ms));
  AccountBytes();
  return groups.num_groups() >= kMostGroups ? EmitAll(out) : Status::OK();
}

/// Windows of a slice end at its end at the earliest: what is held until then comes in time.
Status LocalAggregate::OnWatermark(const columnar::Watermark& watermark, op::Collector* out) {
  HR_CHECK(!busy(), "a watermark in front of one that waits");
  waiting_ms_ = watermark.event_time_ms;
  if (shared_->meeting.size() > 1 && IsDue(waiting_ms_)) {
    waits_ = true;
    shared_->meeting.Wait(member_, passed_ms_, waiting_ms_);
    waiting_turn_ = *turn_;
    return Status::OK();
  }
  if (IsDue(waiting_ms_)) HR_RETURN_NOT_OK(EmitTo(waiting_ms_, out));
  passed_ms_ = waiting_ms_;
  return Status::OK();
}

/// In its next turn all tasks that were ready have had one: their rows are here too. The last watermark of the one that leads is not behind
/// this one's, so that rows of this task are among those it gives out.
Status LocalAggregate::PollWaiting(op::Collector* out) {
  if (*turn_ == waiting_turn_) return Status::OK();
  Meeting& meeting = shared_->meeting;
  if (meeting.is_waiting(member_)) {
    if (!meeting.Leads(member_)) return Status::OK();
    HR_RETURN_NOT_OK(EmitTo(meeting.greatest_ms(), out));
    meeting.End();
  }
  waits_ = false;
  passed_ms_ = waiting_ms_;
  return Status::OK();
}

/// Windows do not wait for one that is idle, nor know at once that it is so no longer: rows of others would come too late from it.
Status LocalAggregate::OnWatermarkStatus(const columnar::WatermarkStatus& status, op::Collector* out) {
  if (!status.idle) return Status::OK();
  HR_RETURN_NOT_OK(EmitAll(out));
  if (place_.empty()) return Status::OK();
  place_.clear();
  Leave();
  return Join();
}

Status LocalAggregate::OnBarrier(const columnar::Barrier& barrier) {
  HR_CHECK(!busy(), "a barrier in front of a watermark that waits");
  barrier_ = barrier.checkpoint_id;
  emits_ = true;
  return Status::OK();
}

Status LocalAggregate::Poll(op::Collector* out) {
  if (waits_) return PollWaiting(out);
  if (!emits_) return Status::OK();
  HR_RETURN_NOT_OK(EmitAll(out));
  emits_ = false;
  if (place_.empty()) return Status::OK();
  Leave();
  return Join();
}

Status LocalAggregate::Finish(op::Collector* out) {
  HR_RETURN_NOT_OK(EmitAll(out));
  Leave();
  return Status::OK();
}

Status LocalAggregate::EmitTo(std::int64_t to_ms, op::Collector* out) {
  LocalGroups& groups = shared_->groups;
  HR_RETURN_NOT_OK(groups.Emit(passed_ms_, to_ms, out));
  if (groups.rows_in() >= kTrialRows * static_cast<std::int64_t>(shared_->meeting.size())) {
    if (static_cast<double>(groups.groups_out()) > kMostUnique * static_cast<double>(groups.rows_in())) {
      shared_->rows_to_pass = kPassRows;
      HR_RETURN_NOT_OK(groups.Emit(passed_ms_, std::numeric_limits<std::int64_t>::max(), out));
    }
    groups.Forget();
  }
  AccountBytes();
  return Status::OK();
}

/// The memory is the first member's.
void LocalAggregate::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = shared_->meeting.is_first(member_) ? shared_->groups.allocated_bytes() : 0;
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::window
