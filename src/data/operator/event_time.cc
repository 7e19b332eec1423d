#include "data/operator/event_time.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "columnar/int64_range.h"
#include "data/time/event_time_progress.h"
#include "plan/function_types.h"
#include "plan/typed_expression.h"

namespace headrace::data::op {
namespace {

using Strategy = plan::EventTimeSpec::Strategy;
using time::kNoWatermark;

// Watermarks under load: a shuffle to many subtasks needs more rows in between to fill its pieces.
constexpr Duration kSpacing = std::chrono::milliseconds(4), kSpacingASubtask = std::chrono::milliseconds(1);
// How soon a source that waits for its group looks again.
constexpr Duration kLookAgain = std::chrono::milliseconds(10);
// Splits that wait, as far as they are named to people.
constexpr std::size_t kMostNamed = 16;
// Seconds since 1970 of the years 1990 to 2100, which read as ms are days of January and February 1970.
constexpr std::int64_t kLeastSeconds = 631'152'000, kMostSeconds = 4'102'444'800;
// µs of the same years, which read as ms are of the years 21,970 to 131,970.
constexpr std::int64_t kLeastMicros = kLeastSeconds * 1'000'000, kMostMicros = kMostSeconds * 1'000'000;
// 36 million years either way. Sums of such a time and the longest window, lateness or interval stay within int64.
constexpr int kLatestBits = 60;
constexpr std::int64_t kLatestMs = std::int64_t{1} << kLatestBits;

Status CheckRange(const std::int64_t* times, std::int64_t rows) {
  if (rows == 0 || columnar::FitInBits(times, rows, kLatestBits)) return Status::OK();
  const columnar::Int64Range range = columnar::RangeOf(times, rows);
  if (range.least >= -kLatestMs && range.greatest <= kLatestMs) return Status::OK();
  return Error(ErrorCode::kExpressionFailed,
               fmt::format("an event time of {} ms lies more than 36 million years from 1970",
                           range.least < -kLatestMs ? range.least : range.greatest),
               "Event times are milliseconds; of nanoseconds in a column: with_timestamp(col(...) // 1_000_000).");
}

/// `timestamp` as int64 ms.
Result<plan::TypedExpression> Milliseconds(const plan::Expression& expression, const arrow::Schema& input) {
  HR_ASSIGN_OR_RAISE(plan::TypedExpression timestamp, plan::Settle(expression, input));
  if (timestamp.type->id() == arrow::Type::TIMESTAMP) {
    const auto& zone = static_cast<const arrow::TimestampType&>(*timestamp.type).timezone();
    HR_RETURN_NOT_OK(plan::CastTo(arrow::timestamp(arrow::TimeUnit::MILLI, zone), &timestamp));
  }
  HR_RETURN_NOT_OK(plan::CastTo(arrow::int64(), &timestamp));
  return timestamp;
}

}  // namespace

EventTimeOperator::EventTimeOperator(const plan::EventTimeSpec& spec)
    : strategy_(spec.strategy),
      bound_ms_(spec.strategy == Strategy::kBounded ? static_cast<std::int64_t>(spec.bound_ms) : 0),
      idle_after_(std::chrono::milliseconds(spec.idle_after_ms)),
      has_timestamp_(static_cast<bool>(spec.timestamp)),
      group_(spec.alignment_group),
      max_drift_ms_(static_cast<std::int64_t>(spec.max_drift_ms)) {}

Result<std::unique_ptr<EventTimeOperator>> EventTimeOperator::Make(const plan::EventTimeSpec& spec,
                                                                   const std::shared_ptr<arrow::Schema>& input) {
  std::unique_ptr<EventTimeOperator> made(new EventTimeOperator(spec));
  std::vector<plan::TypedExpression> expressions;
  for (const plan::Expression* expression : {&spec.timestamp, &spec.watermark}) {
    if (!*expression) continue;
    HR_ASSIGN_OR_RAISE(plan::TypedExpression settled, Milliseconds(*expression, *input));
    expressions.push_back(std::move(settled));
  }
  if (!expressions.empty()) {
    HR_ASSIGN_OR_RAISE(made->evaluator_, expression::Evaluator::Make(std::move(expressions), input));
  }
  return made;
}

Status EventTimeOperator::Open(const OperatorContext& context) {
  clock_ = context.clock;
  job_ = context.job_name;
  if (follows_splits_) progress_ = context.event_time;
  if (aligns_ && context.alignment != nullptr) {
    alignment_ = context.alignment;
    member_ = alignment_->Join(group_);
  }
  if (clock_ != nullptr) polled_at_ = clock_->Now();
  spacing_ = kSpacing + kSpacingASubtask * context.parallelism;
  if (!follows_splits_) AddSplit({});
  return Status::OK();
}

void EventTimeOperator::AddSplit(std::string id) {
  if (!follows_splits_ && !splits_.empty()) return;
  splits_.push_back({std::move(id)});
  merger_.AddChannel();
}

void EventTimeOperator::TakeNews() {
  for (; !news_.empty() && news_.front().runs_taken == news_.front().splits.runs.size(); news_.pop_front()) {
    for (const std::uint32_t split : news_.front().splits.ended) merger_.End(split);
  }
}

std::vector<connector::SplitRun> EventTimeOperator::TakeRuns(std::int64_t rows) {
  if (!follows_splits_) return {{0, rows}};
  std::vector<connector::SplitRun> taken;
  while (rows > 0) {
    TakeNews();
    HR_CHECK(!news_.empty(), "rows whose splits are not known");
    News& news = news_.front();
    connector::SplitRun& run = news.splits.runs[news.runs_taken];
    taken.push_back({run.split, std::min(rows, run.rows)});
    rows -= taken.back().rows;
    run.rows -= taken.back().rows;
    if (run.rows == 0) ++news.runs_taken;
  }
  return taken;
}

Result<columnar::DataBatch> EventTimeOperator::WithTimes(columnar::DataBatch batch) {
  if (evaluator_ == nullptr && batch.event_time_column() < 0)
    return Error(ErrorCode::kBadRecord, "the source gives no event times", "Say where they stand: with_timestamp(column or function).");
  if (evaluator_ == nullptr) return batch;
  const arrow::RecordBatch& records = *batch.records();
  HR_ASSIGN_OR_RAISE(arrow::ArrayVector values, evaluator_->Evaluate(records));
  if (strategy_ == Strategy::kPunctuated) marks_ = values.back();
  if (!has_timestamp_) return batch;
  if (values[0]->null_count() > 0)
    return Error(ErrorCode::kExpressionFailed,
                 "a row has no timestamp: it is null; filter such rows out, or give them one with coalesce()");
  const auto field = arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), false);
  HR_ASSIGN_OR_RAISE(auto changed, batch.event_time_column() >= 0 ? records.SetColumn(batch.event_time_column(), field, values[0])
                                                                  : records.AddColumn(records.num_columns(), field, values[0]));
  return columnar::DataBatch(std::move(changed));
}

std::vector<connector::SplitRun> EventTimeOperator::Upcoming(std::int64_t skipped, std::int64_t rows) const {
  if (!follows_splits_) return {{0, rows}};
  std::vector<connector::SplitRun> upcoming;
  for (const News& news : news_) {
    for (std::size_t i = news.runs_taken; i < news.splits.runs.size() && rows > 0; ++i) {
      const connector::SplitRun& run = news.splits.runs[i];
      const std::int64_t passed = std::min(skipped, run.rows);
      skipped -= passed;
      const std::int64_t taken = std::min(rows, run.rows - passed);
      rows -= taken;
      if (taken > 0) upcoming.push_back({run.split, taken});
    }
  }
  HR_CHECK(rows == 0, "rows whose splits are not known");
  return upcoming;
}

std::vector<connector::SplitRun> EventTimeOperator::LiveSplits() const {
  std::vector<connector::SplitRun> live;
  for (std::size_t i = 0; i < splits_.size(); ++i) {
    if (!merger_.idle(i) && !merger_.ended(i)) live.push_back({static_cast<std::uint32_t>(i), 0});
  }
  return live;
}

Result<std::vector<connector::SplitRun>> EventTimeOperator::Begin(const columnar::DataBatch& batch, Collector* out) {
  std::vector<connector::SplitRun> runs = TakeRuns(batch.num_rows());
  for (const connector::SplitRun& run : runs) {
    splits_[run.split].quiet = Duration::zero();
    if (run.rows > 0) merger_.SetIdle(run.split, false);
  }
  fed_ = true;
  if (merger_.idle()) HR_RETURN_NOT_OK(EmitNow(out));
  return runs;
}

Status EventTimeOperator::End(Collector* out) {
  TakeNews();
  deferred_ = !due();
  if (!deferred_) HR_RETURN_NOT_OK(EmitNow(out));
  if (progress_ != nullptr) ShowHolder();
  if (member_ != nullptr) LookAtGroup();
  return Status::OK();
}

Status EventTimeOperator::Process(std::uint32_t, columnar::DataBatch batch, Collector* out) {
  HR_ASSIGN_OR_RAISE(batch, WithTimes(std::move(batch)));
  HR_ASSIGN_OR_RAISE(const auto runs, Begin(batch, out));
  HR_RETURN_NOT_OK(strategy_ == Strategy::kPunctuated ? EmitByMarks(runs, batch, out) : EmitByTimes(runs, std::move(batch), out));
  return End(out);
}

Status EventTimeOperator::ProcessMarked(columnar::DataBatch batch, const std::vector<Mark>& marks, Collector* out) {
  HR_RETURN_NOT_OK(Begin(batch, out).status());
  if (batch.num_rows() > 0) {
    const auto* times = batch.records()->column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
    WarnOfUnits(times, batch.num_rows());
    HR_RETURN_NOT_OK(CheckRange(times, batch.num_rows()));
  }
  HR_RETURN_NOT_OK(out->Emit(std::move(batch)));
  for (const Mark& mark : marks) merger_.Advance(mark.split, mark.watermark_ms);
  return End(out);
}

Status EventTimeOperator::TakeMarks(const std::vector<Mark>& marks, Collector* out) {
  for (const Mark& mark : marks) merger_.Advance(mark.split, mark.watermark_ms);
  return EmitNow(out);
}

bool EventTimeOperator::due() const {
  return strategy_ == Strategy::kPunctuated || clock_ == nullptr || clock_->Now() >= emitted_at_ + spacing_;
}

Status EventTimeOperator::EmitNow(Collector* out) {
  deferred_ = false;
  if (clock_ != nullptr) emitted_at_ = clock_->Now();
  const auto change = merger_.Take();
  if (progress_ != nullptr && (change.watermark_ms || change.idle || !holder_)) ShowHolder();
  if (member_ != nullptr) LookAtGroup();
  return EmitChange(change, out);
}

Status EventTimeOperator::EmitByTimes(const std::vector<connector::SplitRun>& runs, columnar::DataBatch batch, Collector* out) {
  const auto* times = batch.records()->column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
  WarnOfUnits(times, batch.num_rows());
  HR_RETURN_NOT_OK(CheckRange(times, batch.num_rows()));
  for (const connector::SplitRun& run : runs) {
    const std::int64_t newest_ms = run.rows == 0 ? kNoWatermark : columnar::RangeOf(times, run.rows).greatest;
    times += run.rows;
    splits_[run.split].newest_ms = std::max(splits_[run.split].newest_ms, newest_ms);
  }
  HR_RETURN_NOT_OK(out->Emit(std::move(batch)));
  if (strategy_ == Strategy::kNone) return Status::OK();
  for (const connector::SplitRun& run : runs) {
    const std::int64_t newest_ms = splits_[run.split].newest_ms;
    if (newest_ms > kNoWatermark + bound_ms_ + 1) merger_.Advance(run.split, newest_ms - bound_ms_ - 1);
  }
  return Status::OK();
}

Status EventTimeOperator::EmitByMarks(const std::vector<connector::SplitRun>& runs, const columnar::DataBatch& batch, Collector* out) {
  const auto& marks = static_cast<const arrow::Int64Array&>(*marks_);
  if (batch.num_rows() > 0) {
    const auto* times = batch.records()->column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
    HR_RETURN_NOT_OK(CheckRange(times, batch.num_rows()));
  }
  std::int64_t emitted = 0, row = 0;
  for (const connector::SplitRun& run : runs) {
    for (std::int64_t end = row + run.rows; row < end; ++row) {
      if (marks.IsNull(row)) continue;
      merger_.Advance(run.split, marks.Value(row));
      const auto change = merger_.Take();
      if (!change.watermark_ms) continue;
      HR_RETURN_NOT_OK(out->Emit(batch.Slice(emitted, row + 1 - emitted)));
      emitted = row + 1;
      HR_RETURN_NOT_OK(EmitChange(change, out));
    }
  }
  marks_.reset();
  return emitted < batch.num_rows() ? out->Emit(batch.Slice(emitted, batch.num_rows() - emitted)) : Status::OK();
}

Status EventTimeOperator::EmitChange(const time::WatermarkMerger::Change& change, Collector* out) {
  if (change.idle == false) HR_RETURN_NOT_OK(out->EmitStatus({false}));
  if (change.watermark_ms) HR_RETURN_NOT_OK(out->EmitWatermark({*change.watermark_ms}));
  return change.idle == true ? out->EmitStatus({true}) : Status::OK();
}

void EventTimeOperator::ShowHolder() {
  const auto holder = merger_.slowest();
  if (holder != holder_) held_since_wall_ms_ = holder && clock_ != nullptr ? clock_->WallTimeMs() : 0;
  holder_ = holder;
  if (!holder) return progress_->SetHolder({}, {}, 0);
  const std::int64_t at_ms = merger_.watermark_ms(*holder);
  progress_->SetHolder(splits_[*holder].id, at_ms == kNoWatermark ? std::nullopt : std::optional(at_ms), held_since_wall_ms_);
}

void EventTimeOperator::LookAtGroup() {
  // How far the splits have been read, not what consumers know of it: that comes some ms later, and by then the source is far ahead.
  const auto slowest = merger_.slowest();
  const std::int64_t own = slowest ? merger_.watermark_ms(*slowest) : kNoWatermark;
  member_->Set(own);
  const std::int64_t least = own == kNoWatermark && !pauses_splits_ ? own : alignment_->Least(group_);
  paused_ = own != kNoWatermark && least != kNoWatermark && own - max_drift_ms_ > least;
  if (pauses_splits_) PauseThoseAhead(least);
}

void EventTimeOperator::PauseThoseAhead(std::int64_t least) {
  bool changed = false;
  some_paused_ = false;
  for (std::size_t i = 0; i < splits_.size(); ++i) {
    const std::int64_t at_ms = merger_.watermark_ms(i);
    const bool paused =
        least != kNoWatermark && at_ms != kNoWatermark && !merger_.idle(i) && !merger_.ended(i) && at_ms - max_drift_ms_ > least;
    some_paused_ = some_paused_ || paused;
    if (splits_[i].paused == paused) continue;
    changed = paused_changed_ = true;
    splits_[i].paused = paused;
    splits_[i].quiet = Duration::zero();  // time in which nobody read it does not count
  }
  if (!changed || progress_ == nullptr) return;
  std::vector<std::string> names;
  for (const Split& split : splits_) {
    if (split.paused && names.size() < kMostNamed) names.push_back(split.id);
  }
  progress_->SetPaused(std::move(names));
}

std::optional<std::vector<bool>> EventTimeOperator::TakePaused() {
  if (!std::exchange(paused_changed_, false)) return std::nullopt;
  std::vector<bool> paused;
  for (const Split& split : splits_) paused.push_back(split.paused);
  return paused;
}

void EventTimeOperator::WarnOfUnits(const std::int64_t* times, std::int64_t rows) {
  if (warned_ || rows == 0) return;
  const auto all_within = [&](std::int64_t least, std::int64_t most) {
    return std::all_of(times, times + rows, [=](std::int64_t time) { return time >= least && time <= most; });
  };
  const bool seconds = all_within(kLeastSeconds, kMostSeconds);
  warned_ = seconds || all_within(kLeastMicros, kMostMicros);
  if (!warned_) return;
  LogWarn("event_time",
          fmt::format("job {}: event times such as {} ms lie {}: with_timestamp(col(...) {})", job_, times[0],
                      seconds ? "early in 1970; are they seconds? Multiply them" : "beyond the year 9999; are they µs? Divide them",
                      seconds ? "* 1000" : "// 1000"));
}

Status EventTimeOperator::OnWatermarkStatus(const columnar::WatermarkStatus& status, Collector* out) {
  if (follows_splits_) return Status::OK();
  // Active again is the input without rows, too: one of its channels may have some that a filter drops.
  merger_.SetIdle(0, status.idle);
  splits_[0].quiet = Duration::zero();
  return EmitChange(merger_.Take(), out);
}

Status EventTimeOperator::Poll(Collector* out) {
  TakeNews();
  if (member_ != nullptr) LookAtGroup();
  if (idle_after_ > Duration::zero() && clock_ != nullptr) {
    // An operator that is held up is not polled and cannot take rows: a long pause between polls is not the splits'.
    const MonotonicTime now = clock_->Now();
    const Duration passed = std::min(now - polled_at_, idle_after_ / 4 + std::chrono::milliseconds(1));
    polled_at_ = now;
    // Rows that were read and wait in front of this operator keep their split awake.
    for (const News& news : news_) {
      for (std::size_t i = news.runs_taken; i < news.splits.runs.size(); ++i) splits_[news.splits.runs[i].split].quiet = Duration::zero();
    }
    for (std::size_t i = 0; i < splits_.size() && !paused_; ++i) {
      if (splits_[i].paused) continue;
      splits_[i].quiet += passed;
      if (splits_[i].quiet >= idle_after_ && !merger_.ended(i)) merger_.SetIdle(i, true);
    }
  }
  const bool rested = !std::exchange(fed_, false);
  return rested || due() ? EmitNow(out) : Status::OK();
}

Status EventTimeOperator::Finish(Collector*) {
  // The task stays for a while; nobody waits for its sources any more.
  if (member_ != nullptr) member_->Set(kNoWatermark);
  return Status::OK();
}

MonotonicTime EventTimeOperator::next_poll() const {
  if (clock_ == nullptr) return MonotonicTime::max();
  if (deferred_) return clock_->Now();
  if (paused_ || some_paused_) return clock_->Now() + kLookAgain;
  if (idle_after_ == Duration::zero() || merger_.idle()) return MonotonicTime::max();
  return polled_at_ + idle_after_ / 4 + std::chrono::milliseconds(1);
}

}  // namespace headrace::data::op
