#include "data/python/keyed_process.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "columnar/column_gatherer.h"
#include "columnar/value_encoding.h"
#include "data/python/python_stage.h"
#include "data/python/record_rows.h"
#include "data/python/worker_error.h"

namespace headrace::data::python {

namespace {

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min(), kGreatest = std::numeric_limits<std::int64_t>::max();
/// Columns of an answer before and behind those of the states.
constexpr std::size_t kHeadColumns = 2, kTimerColumns = 3, kSideColumns = 4;
constexpr std::int64_t kMaxTags = 1000;

Result<columnar::DataBatch> WithTimes(const columnar::DataBatch& rows, const TableColumn& times) {
  if (times.rows() != rows.num_rows()) return Status::Invalid("times that are not one for each row");
  if (rows.num_rows() == 0) return rows;
  HR_RETURN_NOT_OK(times.Ints("times").status());
  const auto field = arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), /*nullable=*/false);
  HR_ASSIGN_OR_RAISE(auto timed, rows.records()->AddColumn(rows.records()->num_columns(), field, times.values));
  return columnar::DataBatch(std::move(timed));
}

}  // namespace

KeyedProcess::KeyedProcess(WorkerPool* pool, StageSpec::Function function, std::uint32_t slot, plan::ProcessSpec spec,
                           std::vector<std::shared_ptr<arrow::Schema>> schemas)
    : pool_(pool),
      slot_(slot),
      spec_(std::move(spec)),
      schemas_(std::move(schemas)),
      keys_{spec_.broadcast ? state::RowKeys::OfOne() : state::RowKeys(spec_.keys),
            spec_.broadcast ? state::RowKeys::OfOne() : state::RowKeys(spec_.second_keys)},
      watermark_ms_(kLeast),
      emitted_ms_(kLeast) {
  stage_.kind = "process";
  stage_.functions.push_back(std::move(function));
}

Status KeyedProcess::Open(const op::OperatorContext& context) {
  clock_ = context.clock;
  state_bytes_ = context.state_bytes;
  const auto key_groups = spec_.broadcast ? columnar::KeyGroupsOf(0, 1, context.max_parallelism) : context.key_groups;
  states_ = std::make_unique<state::KeyedStates>(key_groups, context.max_parallelism, spec_.states.size());
  trip_states_ = std::make_unique<TripStates>(states_.get(), spec_.states, spec_.broadcast);
  columnar::ValueWriter setup(&stage_.setup);
  setup.DictHeader(spec_.two_inputs ? 8 : 7);
  WriteRowSetup(schemas_[0].get(), &stage_.setup);
  if (spec_.two_inputs) {
    setup.String("second");
    setup.DictHeader(2);
    WriteRowSetup(schemas_[1].get(), &stage_.setup);
  }
  setup.String("returns");
  WriteNames(spec_.returns.get(), &stage_.setup);
  setup.String("states");
  setup.ListHeader(spec_.states.size());
  for (const plan::StateDeclaration& state : spec_.states) setup.String(state.name);
  setup.String("broadcast");
  setup.Bool(spec_.broadcast);
  setup.String("subtask");
  setup.Int(context.subtask);
  setup.String("parallelism");
  setup.Int(context.parallelism);
  return line_.Open(pool_, stage_, slot_, context);
}

Status KeyedProcess::Process(std::uint32_t input, columnar::DataBatch batch, op::Collector*) {
  HR_CHECK(input < schemas_.size(), "rows of an input that the function does not have");
  waiting_[input].Push(std::move(batch));
  return StartTrips();
}

Status KeyedProcess::Poll(op::Collector* out) {
  bool answered = false;
  for (;;) {
    HR_ASSIGN_OR_RAISE(auto answer, line_.Take());
    if (!answer) break;
    const Trip trip = std::move(trips_.front());
    trips_.pop_front();
    answered = true;
    (trip.kind == Kind::kRows || trip.kind == Kind::kSecondRows ? trip_size_ : slice_size_).Took(trip.items, answer->user_nanoseconds);
    const Status taken = Take(trip, *answer, out);
    if (!taken.ok()) return FunctionError::Of(taken) != nullptr ? taken : BadAnswer(stage_, taken);
  }
  HR_RETURN_NOT_OK(line_.status());
  if (trips_.empty() && !head_) HR_RETURN_NOT_OK(Compact());
  // Between two slices a barrier may pass: the next one starts with the next step.
  if (event_due_ && trips_.empty() && !answered) HR_RETURN_NOT_OK(AdvanceTime(out));
  if (processing_due() && !event_due_ && !head_ && trips_.empty() && line_.accepting())
    return SendTimers(Kind::kProcessingTimers, clock_->WallTimeMs());
  return StartTrips();
}

MonotonicTime KeyedProcess::next_poll() const {
  if (!trips_.empty()) return MonotonicTime::max();
  if (event_due_ && line_.accepting()) return clock_ == nullptr ? MonotonicTime() : clock_->Now();
  if (next_processing_ms_ == time::TimerService::kNever || clock_ == nullptr) return MonotonicTime::max();
  // Far timers are looked at again within a day: the wall clock may jump.
  const std::int64_t wait_ms =
      std::clamp<std::int64_t>(next_processing_ms_ - std::min(next_processing_ms_, clock_->WallTimeMs()), 0, 86'400'000);
  return clock_->Now() + std::chrono::milliseconds(wait_ms);
}

Status KeyedProcess::OnWatermark(const columnar::Watermark& watermark, op::Collector* out) {
  watermark_ms_ = std::max(watermark_ms_, watermark.event_time_ms);
  event_due_ = true;
  return AdvanceTime(out);
}

Status KeyedProcess::OnWatermarkStatus(const columnar::WatermarkStatus& status, op::Collector* out) { return out->EmitStatus(status); }

Status KeyedProcess::Finish(op::Collector* out) {
  finishing_ = true;
  // The end of the input completes event time without a watermark of its own.
  watermark_ms_ = emitted_ms_ = kGreatest;
  event_due_ = true;
  return AdvanceTime(out);
}

Status KeyedProcess::AdvanceTime(op::Collector* out) {
  if (event_timers_.next() <= watermark_ms_ && event_timers_.size() > 0) {
    return line_.accepting() ? SendTimers(Kind::kEventTimers, watermark_ms_) : Status::OK();
  }
  event_due_ = false;
  if (watermark_ms_ <= emitted_ms_) return Status::OK();
  emitted_ms_ = watermark_ms_;
  return out->EmitWatermark({watermark_ms_});
}

// ---- rows out ----

Status KeyedProcess::StartTrips() {
  while (waiting_rows() > 0 || head_) {
    if (!head_) {
      if (processing_due()) return Status::OK();  // their keys must be free: they go before any more rows
      // While a trip is outstanding more rows gather, so that the next one is worth its way.
      if (!trips_.empty() && waiting_rows() < trip_size_.rows()) return Status::OK();
      HR_RETURN_NOT_OK(PrepareHead());
    }
    if (!line_.accepting() || SharesKey(grouping_.entries)) return Status::OK();
    HR_RETURN_NOT_OK(SendRows());
  }
  return Status::OK();
}

Status KeyedProcess::PrepareHead() {
  // The inputs take turns, so that neither waits for the end of the other.
  head_input_ = waiting_[1 - head_input_].empty() ? head_input_ : 1 - head_input_;
  state::RowKeys& keys = keys_[head_input_];
  HR_ASSIGN_OR_RAISE(head_, waiting_[head_input_].Take(trip_size_.rows()));
  HR_RETURN_NOT_OK(keys.Read(head_));
  HR_RETURN_NOT_OK(states_->Resolve({keys.offsets(), keys.data(), keys.hashes()}, &grouping_));
  HR_RETURN_NOT_OK(CutHead());
  outstanding_.resize(static_cast<std::size_t>(states_->num_entries()), false);
  return Status::OK();
}

/// Rows whose keys' states would take more than a trip carries wait for the next; one key always goes.
Status KeyedProcess::CutHead() {
  std::int64_t bytes = 0, rows = 0;
  std::size_t met = 0;
  for (; rows < head_.num_rows(); ++rows) {
    const auto group = static_cast<std::size_t>(grouping_.groups[static_cast<std::size_t>(rows)]);
    if (group < met) continue;
    bytes += trip_states_->SentBytes(grouping_.entries[group]);
    if (met > 0 && bytes > kTripBytes) break;
    met = group + 1;
  }
  if (rows == head_.num_rows()) return Status::OK();
  waiting_[head_input_].PutBack(head_.Slice(rows, head_.num_rows() - rows));
  head_ = head_.Slice(0, rows);
  grouping_.groups.resize(static_cast<std::size_t>(rows));
  grouping_.entries.resize(met);
  return Status::OK();
}

bool KeyedProcess::SharesKey(const std::vector<state::EntryId>& entries) const {
  // Broadcast state is the worker's alone: it takes the trips in their order, but for those that send it anew.
  if (trips_.empty() || spec_.broadcast) return !trips_.empty() && trip_states_->wants_tidying(entries);
  return std::any_of(entries.begin(), entries.end(), [&](state::EntryId entry) { return outstanding_[entry]; });
}

Status KeyedProcess::SendRows() {
  std::vector<std::int64_t> times;
  timed_ = head_.event_time_column() >= 0;
  if (timed_) {
    const auto* values = head_.records()->column_data(head_.event_time_column())->GetValues<std::int64_t>(1);
    times.assign(values, values + head_.num_rows());
  }
  TableWriter table;
  Trip trip{head_input_ == 0 ? Kind::kRows : Kind::kSecondRows, head_.num_rows(), timed_, std::move(grouping_.entries)};
  HR_RETURN_NOT_OK(Send(std::move(trip), &table, grouping_.groups, std::move(times), /*has_rows=*/true));
  head_ = {};
  return Status::OK();
}

Status KeyedProcess::SendTimers(Kind kind, std::int64_t until_ms) {
  time::TimerService& timers = kind == Kind::kEventTimers ? event_timers_ : processing_timers_;
  timers.TakeDue(until_ms, static_cast<std::size_t>(slice_size_.rows()), &due_);
  Trip trip{kind, 0, timed_, {}};
  std::vector<std::int64_t> groups, times;
  group_of_.resize(static_cast<std::size_t>(states_->num_entries()), -1);
  outstanding_.resize(group_of_.size(), false);
  std::int64_t bytes = 0;
  std::size_t taken = 0;
  for (; taken < due_.size(); ++taken) {
    std::int64_t& group = group_of_[due_[taken].key];
    if (group < 0) {
      bytes += trip_states_->SentBytes(due_[taken].key);
      if (taken > 0 && bytes > kTripBytes) break;
      group = static_cast<std::int64_t>(trip.entries.size());
      trip.entries.push_back(due_[taken].key);
    }
    groups.push_back(group);
    times.push_back(due_[taken].time_ms);
  }
  for (const state::EntryId entry : trip.entries) group_of_[entry] = -1;
  for (std::size_t i = taken; i < due_.size(); ++i) timers.Register(due_[i].time_ms, due_[i].key);
  next_processing_ms_ = processing_timers_.next();
  if (taken == 0) return Status::OK();
  trip.items = static_cast<std::int64_t>(taken);
  TableWriter table;
  return Send(std::move(trip), &table, groups, std::move(times), /*has_rows=*/false);
}

Status KeyedProcess::Send(Trip trip, TableWriter* table, const std::vector<std::int64_t>& groups, std::vector<std::int64_t> times,
                          bool has_rows) {
  trip.now_ms = trip_states_->Now(clock_ == nullptr ? 0 : clock_->WallTimeMs());
  table->AddInts({static_cast<std::int64_t>(trip.kind), trip.now_ms, trip.kind == Kind::kEventTimers ? watermark_ms_ : emitted_ms_,
                  trip.timed ? 1 : 0, trip_states_->sends_values() ? 1 : 0});
  for (const state::EntryId entry : trip.entries) outstanding_[entry] = true;
  trip_states_->Write(trip.entries, outstanding_, table);
  table->AddInts(groups);
  table->AddInts(std::move(times));
  if (has_rows) HR_RETURN_NOT_OK(AddRows(head_, schemas_[head_input_].get(), table));
  HR_RETURN_NOT_OK(line_.Send(*table));
  trips_.push_back(std::move(trip));
  return Status::OK();
}

// ---- answers ----

Status KeyedProcess::Take(const Trip& trip, const TripAnswer& answer, op::Collector* out) {
  HR_ASSIGN_OR_RAISE(const auto columns, ReadTable(answer.bytes));
  const std::size_t timers_at = kHeadColumns + trip_states_->columns_back();
  const std::size_t sides_at = timers_at + kTimerColumns, rows_at = sides_at + kSideColumns;
  if (columns.size() < rows_at + 1) return Status::Invalid("an answer of ", columns.size(), " columns");
  HR_ASSIGN_OR_RAISE(const auto head, columns[0].Ints("its head"));
  if (head.size() != 1 || (head[0] != 0) != (spec_.returns != nullptr)) return Status::Invalid("rows of another kind");
  HR_RETURN_NOT_OK(trip_states_->Read(trip.entries, trip.now_ms, std::span(columns).subspan(kHeadColumns)));
  HR_RETURN_NOT_OK(TakeTimers(trip, columns, timers_at));
  for (const state::EntryId entry : trip.entries) outstanding_[entry] = false;
  if (clock_ != nullptr) trip_states_->SweepExpired(clock_->WallTimeMs(), outstanding_);
  Account();
  HR_RETURN_NOT_OK(EmitSides(columns, sides_at, trip.timed, out));
  return EmitRows(columns, rows_at, trip.timed, out);
}

Status KeyedProcess::TakeTimers(const Trip& trip, const std::vector<TableColumn>& columns, std::size_t at) {
  HR_ASSIGN_OR_RAISE(const auto groups, columns[at].Ints("groups of timers"));
  HR_ASSIGN_OR_RAISE(const auto times, columns[at + 1].Ints("times of timers"));
  HR_ASSIGN_OR_RAISE(const auto kinds, columns[at + 2].Ints("kinds of timers"));
  if (groups.size() != times.size() || groups.size() != kinds.size()) return Status::Invalid("timers that lack something");
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (groups[i] < 0 || groups[i] >= static_cast<std::int64_t>(trip.entries.size()) || kinds[i] < 0 || kinds[i] > 3)
      return Status::Invalid("a timer of group ", groups[i], " and kind ", kinds[i]);
    const state::EntryId entry = trip.entries[static_cast<std::size_t>(groups[i])];
    time::TimerService& timers = kinds[i] < 2 ? event_timers_ : processing_timers_;
    if (kinds[i] % 2 == 0)
      timers.Register(times[i], entry);
    else
      timers.Delete(times[i], entry);
  }
  next_processing_ms_ = processing_timers_.next();
  return Status::OK();
}

Status KeyedProcess::EmitRows(const std::vector<TableColumn>& columns, std::size_t at, bool timed, op::Collector* out) {
  HR_ASSIGN_OR_RAISE(columnar::DataBatch rows, RowsOf(columns, at, spec_.returns, stage_.functions[0]));
  if (timed) {
    HR_ASSIGN_OR_RAISE(rows, WithTimes(rows, columns[1]));
  }
  return rows.num_rows() == 0 ? Status::OK() : EmitInSlices(rows, out);
}

Status KeyedProcess::EmitSides(const std::vector<TableColumn>& columns, std::size_t at, bool timed, op::Collector* out) {
  const TableColumn &names = columns[at], &values = columns[at + 3];
  if (values.rows() == 0) return Status::OK();
  HR_ASSIGN_OR_RAISE(const auto tags, columns[at + 1].Ints("tags of side outputs"));
  if (names.form != columnar::ValueForm::kUtf8 || names.values->null_count() != 0 || names.rows() > kMaxTags ||
      static_cast<std::int64_t>(tags.size()) != values.rows())
    return Status::Invalid("side outputs that do not belong together");
  HR_ASSIGN_OR_RAISE(columnar::DataBatch all, columnar::MakeValueBatch(values.form, values.values));
  if (timed) {
    HR_ASSIGN_OR_RAISE(all, WithTimes(all, columns[at + 2]));
  }
  for (std::int64_t tag = 0; tag < names.rows(); ++tag) {
    std::vector<std::uint32_t> chosen;
    for (std::size_t row = 0; row < tags.size(); ++row) {
      if (tags[row] == tag) chosen.push_back(static_cast<std::uint32_t>(row));
    }
    const std::string_view name = static_cast<const arrow::LargeStringArray&>(*names.values).GetView(tag);
    if (chosen.size() == tags.size()) return out->EmitSide(name, all);
    HR_ASSIGN_OR_RAISE(auto part, columnar::GatherRows(*all.records(), chosen));
    if (part->num_rows() > 0) HR_RETURN_NOT_OK(out->EmitSide(name, columnar::DataBatch(std::move(part))));
  }
  return Status::OK();
}

// ---- keeping house ----

/// Forgets keys that have neither state nor timers, once they are many.
Status KeyedProcess::Compact() {
  if (!states_->wants_compaction() || states_->num_entries() < compact_at_) return Status::OK();
  std::vector<bool> has_timer(static_cast<std::size_t>(states_->num_entries()), false);
  const auto mark = [&](const time::TimerService::Timer& timer) { has_timer[timer.key] = true; };
  event_timers_.ForEach(mark);
  processing_timers_.ForEach(mark);
  std::vector<state::EntryId> moved;
  HR_RETURN_NOT_OK(states_->Compact([&](state::EntryId entry) { return has_timer[entry] || trip_states_->resident(entry); }, &moved));
  trip_states_->Move(moved);
  event_timers_.Renumber(moved);
  processing_timers_.Renumber(moved);
  outstanding_.assign(static_cast<std::size_t>(states_->num_entries()), false);
  group_of_.clear();
  compact_at_ = 2 * states_->num_entries();
  Account();
  return Status::OK();
}

void KeyedProcess::Account() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = states_->allocated_bytes() + event_timers_.allocated_bytes() + processing_timers_.allocated_bytes();
  state_bytes_->fetch_add(bytes - counted_bytes_, std::memory_order_relaxed);
  counted_bytes_ = bytes;
}

}  // namespace headrace::data::python
