#include "data/native/native_process.h"

#include <arrow/array.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "columnar/data_batch.h"
#include "data/native/native_library.h"

namespace headrace::data::native {

namespace {

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min(), kGreatest = std::numeric_limits<std::int64_t>::max();

std::string_view ViewOf(headrace_bytes bytes) { return {static_cast<const char*>(bytes.data), static_cast<std::size_t>(bytes.size)}; }

std::string NameOf(const plan::ProcessSpec& spec) {
  return fmt::format("the native function \"{}\" of the library \"{}\"", spec.display_name, spec.library);
}

/// An array of the C data interface that goes with its scope, unless somebody took it.
struct ExportedArray {
  ArrowArray array{};
  ~ExportedArray() {
    if (array.release != nullptr) array.release(&array);
  }
};
struct ExportedSchema {
  ArrowSchema schema{};
  ~ExportedSchema() {
    if (schema.release != nullptr) schema.release(&schema);
  }
};

}  // namespace

Result<std::unique_ptr<NativeProcess>> NativeProcess::Make(const std::string& folder, const plan::ProcessSpec& spec, std::string described,
                                                           const std::shared_ptr<arrow::Schema>& input) {
  auto loaded = LoadFunction(folder, spec.library, spec.display_name);
  if (!loaded.ok()) return loaded.status().WithMessage(described, ": ", loaded.status().message());
  if (input == nullptr || spec.returns == nullptr) return Status::Invalid(described, " has untyped rows");
  arrow::FieldVector keys;
  for (const std::string& key : spec.keys) keys.push_back(input->GetFieldByName(key));
  HR_ASSIGN_OR_RAISE(auto key_rows, state::RowStore::Make(keys));
  return std::unique_ptr<NativeProcess>(
      new NativeProcess(*loaded, spec, std::move(described), input, arrow::schema(std::move(keys)), std::move(key_rows)));
}

NativeProcess::NativeProcess(const headrace_function* function, plan::ProcessSpec spec, std::string described,
                             std::shared_ptr<arrow::Schema> input, std::shared_ptr<arrow::Schema> keys, state::RowStore key_rows)
    : function_(function),
      spec_(std::move(spec)),
      described_(std::move(described)),
      input_(std::move(input)),
      key_schema_(std::move(keys)),
      output_(spec_.returns),
      keys_(spec_.keys),
      key_rows_(std::move(key_rows)),
      watermark_ms_(kLeast),
      emitted_ms_(kLeast) {
  for (const std::string& key : spec_.keys) key_columns_.push_back(input_->GetFieldIndex(key));
}

NativeProcess::~NativeProcess() {
  if (instance_ != nullptr) function_->close(instance_);
}

Status NativeProcess::Wrong(std::string_view what, std::string hint) const {
  return Error(ErrorCode::kInvalidPlan, fmt::format("{}: {}: {}", described_, NameOf(spec_), what), std::move(hint));
}

Status NativeProcess::Open(const op::OperatorContext& context) {
  clock_ = context.clock;
  state_bytes_ = context.state_bytes;
  ExportedSchema input, keys, output;
  HR_RETURN_NOT_OK(arrow::ExportSchema(*input_, &input.schema));
  HR_RETURN_NOT_OK(arrow::ExportSchema(*key_schema_, &keys.schema));
  const headrace_open open{sizeof(headrace_open),        context.subtask, context.parallelism,
                           spec_.native_options.c_str(), &input.schema,   &keys.schema};
  const headrace_state* declared = nullptr;
  std::uint32_t num_states = 0;
  headrace_error error{};
  if (function_->open(&open, &instance_, &output.schema, &declared, &num_states, &error) != 0) {
    instance_ = nullptr;
    error.message[sizeof(error.message) - 1] = '\0';
    return Wrong(error.message);
  }
  auto given = arrow::ImportSchema(&output.schema);
  if (!given.ok()) return Wrong("it does not say what rows it gives: " + given.status().message());
  HR_RETURN_NOT_OK(CheckOutput(**given));
  auto states = NativeStates::Make(declared, num_states, context.key_groups, context.max_parallelism);
  if (!states.ok()) return Wrong(states.status().message());
  states_ = std::move(*states);
  return Status::OK();
}

Status NativeProcess::CheckOutput(const arrow::Schema& output) const {
  bool same = output.num_fields() == output_->num_fields();
  for (int i = 0; same && i < output.num_fields(); ++i)
    same = output.field(i)->name() == output_->field(i)->name() && output.field(i)->type()->Equals(*output_->field(i)->type());
  if (same) return Status::OK();
  const auto shown = [](const arrow::Schema& schema) {
    std::string text;
    for (const auto& field : schema.fields())
      text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", field->name(), field->type()->ToString());
    return "{" + text + "}";
  };
  return Wrong(fmt::format("it gives rows {}, but the job declares {}", shown(output), shown(*output_)), "Correct returns= of process().");
}

// ---- calls ----

void NativeProcess::Host(headrace_host* host) {
  *host = {};
  host->struct_size = sizeof(headrace_host);
  host->self = this;
  host->now_ms = states_->now_ms();
  host->watermark_ms = emitted_ms_;
  using Self = NativeProcess;
  const auto failed = [](Self* self, Status why) {
    if (self->failure_.ok()) self->failure_ = std::move(why);
    return 1;
  };
  static const auto note = failed;
  host->get = [](void* self, std::uint32_t state, std::uint32_t key) -> headrace_bytes {
    auto* me = static_cast<Self*>(self);
    if (Status ok = me->states_->Check(state, key, 0); !ok.ok()) return note(me, std::move(ok)), headrace_bytes{nullptr, 0};
    const std::string_view value = me->states_->Get(state, key);
    return {value.data(), value.size()};
  };
  host->put = [](void* self, std::uint32_t state, std::uint32_t key, headrace_bytes value) {
    auto* me = static_cast<Self*>(self);
    Status done = me->states_->Check(state, key, 0);
    if (done.ok()) done = me->states_->Put(state, key, value);
    return done.ok() ? 0 : note(me, std::move(done));
  };
  host->list_add = [](void* self, std::uint32_t state, std::uint32_t key, headrace_bytes element) {
    auto* me = static_cast<Self*>(self);
    Status done = me->states_->Check(state, key, HEADRACE_LIST);
    if (done.ok()) done = me->states_->Append(state, key, ViewOf(element));
    return done.ok() ? 0 : note(me, std::move(done));
  };
  host->map_get = [](void* self, std::uint32_t state, std::uint32_t key, headrace_bytes entry) -> headrace_bytes {
    auto* me = static_cast<Self*>(self);
    if (Status ok = me->states_->Check(state, key, HEADRACE_MAP); !ok.ok()) return note(me, std::move(ok)), headrace_bytes{nullptr, 0};
    const std::string_view value = me->states_->MapGet(state, key, ViewOf(entry));
    return {value.data(), value.size()};
  };
  host->map_put = [](void* self, std::uint32_t state, std::uint32_t key, headrace_bytes entry, headrace_bytes value) {
    auto* me = static_cast<Self*>(self);
    if (Status ok = me->states_->Check(state, key, HEADRACE_MAP); !ok.ok()) return note(me, std::move(ok));
    me->states_->MapPut(state, key, ViewOf(entry), value);
    return 0;
  };
  host->map_next = [](void* self, std::uint32_t state, std::uint32_t key, headrace_bytes after, headrace_bytes* entry,
                      headrace_bytes* value) {
    auto* me = static_cast<Self*>(self);
    if (Status ok = me->states_->Check(state, key, HEADRACE_MAP); !ok.ok()) return note(me, std::move(ok)), 0;
    const std::string_view behind = ViewOf(after);
    std::string_view found, held;
    if (!me->states_->MapNext(state, key, after.data == nullptr ? nullptr : &behind, &found, &held)) return 0;
    *entry = {found.data(), found.size()};
    *value = {held.data(), held.size()};
    return 1;
  };
  host->timer = [](void* self, std::uint32_t key, std::uint32_t kind, std::int64_t time_ms, int set) {
    return static_cast<Self*>(self)->SetTimer(key, kind, time_ms, set != 0);
  };
  host->emit = [](void* self, ArrowArray* rows, const std::int64_t* times) {
    auto* me = static_cast<Self*>(self);
    Status done = me->Emit(rows, times);
    return done.ok() ? 0 : note(me, std::move(done));
  };
}

int NativeProcess::SetTimer(std::uint32_t key, std::uint32_t kind, std::int64_t time_ms, bool set) {
  if (static_cast<std::int64_t>(key) >= states_->keys().num_entries() ||
      (kind != HEADRACE_EVENT_TIME && kind != HEADRACE_PROCESSING_TIME)) {
    if (failure_.ok()) failure_ = Status::Invalid("it sets a timer of kind ", kind, " for a key of another call");
    return 1;
  }
  time::TimerService& timers = kind == HEADRACE_EVENT_TIME ? event_timers_ : processing_timers_;
  if (set)
    timers.Register(time_ms, key);
  else
    timers.Delete(time_ms, key);
  return 0;
}

Status NativeProcess::Emit(ArrowArray* rows, const std::int64_t* times) {
  auto imported = arrow::ImportRecordBatch(rows, output_);
  if (!imported.ok()) return Status::Invalid("the rows that it gives are not as declared: ", imported.status().message());
  std::shared_ptr<arrow::RecordBatch> batch = std::move(*imported);
  if (Status valid = batch->Validate(); !valid.ok()) return Status::Invalid("the rows that it gives are not sound: ", valid.message());
  for (int i = 0; i < output_->num_fields(); ++i) {
    if (!output_->field(i)->nullable() && batch->column(i)->null_count() > 0)
      return Status::Invalid("the column \"", output_->field(i)->name(), "\" is declared without nulls, and it gives some");
  }
  const std::int64_t count = batch->num_rows();
  if (count == 0) return Status::OK();
  if (timed_) {
    HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(count * 8));
    auto* stamps = reinterpret_cast<std::int64_t*>(buffer->mutable_data());
    const bool processing = rows_->timer_kind == HEADRACE_PROCESSING_TIME;
    if (times != nullptr && !processing) {
      std::copy(times, times + count, stamps);
    } else {
      // Rows that a processing-time timer gives come just behind the watermark.
      const std::int64_t behind = emitted_ms_ > kLeast ? emitted_ms_ + 1 : states_->now_ms();
      std::fill(stamps, stamps + count, processing ? behind : *std::max_element(rows_->times, rows_->times + rows_->num_rows));
    }
    const auto field = arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), /*nullable=*/false);
    HR_ASSIGN_OR_RAISE(batch, batch->AddColumn(batch->num_columns(), field, std::make_shared<arrow::Int64Array>(count, std::move(buffer))));
  }
  downstream_ = out_->Emit(columnar::DataBatch(std::move(batch)));
  return downstream_;
}

Status NativeProcess::Call(const arrow::RecordBatch& columns, const headrace_rows& rows, bool timers, op::Collector* out) {
  ExportedArray exported;
  HR_RETURN_NOT_OK(arrow::ExportRecordBatch(columns, &exported.array));
  headrace_rows passed = rows;
  passed.struct_size = sizeof(headrace_rows);
  passed.columns = &exported.array;
  headrace_host host;
  Host(&host);
  headrace_error error{};
  out_ = out;
  rows_ = &passed;
  failure_ = Status::OK();
  const int result = (timers ? function_->on_timers : function_->process)(instance_, &host, &passed, &error);
  out_ = nullptr;
  rows_ = nullptr;
  processing_timers_next_ = processing_timers_.next();
  if (result == 0 && failure_.ok()) return Status::OK();
  if (!downstream_.ok()) return std::exchange(downstream_, Status::OK());  // of an operator behind it
  error.message[sizeof(error.message) - 1] = '\0';
  if (failure_.ok()) failure_ = Status::Invalid(error.message[0] == '\0' ? "it failed, and does not say why" : error.message);
  return Error(ErrorCode::kPythonRaised,
               fmt::format("{}: {} failed in {}: {}", described_, NameOf(spec_), timers ? "OnTimers()" : "Process()", failure_.message()),
               "Correct the function, put the library into its place and submit the job again.");
}

Status NativeProcess::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  if (batch.num_rows() == 0) return Status::OK();
  states_->SetNow(clock_ == nullptr ? 0 : clock_->WallTimeMs());
  HR_RETURN_NOT_OK(Compact());
  HR_RETURN_NOT_OK(keys_.Read(batch));
  const std::int64_t known = states_->keys().num_entries();
  HR_RETURN_NOT_OK(states_->keys().Resolve({keys_.offsets(), keys_.data(), keys_.hashes()}, &grouping_));
  HR_RETURN_NOT_OK(KeepKeys(*batch.records(), known));
  std::vector<std::uint32_t> numbers;
  numbers.reserve(grouping_.groups.size());
  for (const std::int64_t group : grouping_.groups) numbers.push_back(grouping_.entries[static_cast<std::size_t>(group)]);
  timed_ = batch.event_time_column() >= 0;
  headrace_rows rows{};
  rows.num_rows = batch.num_rows();
  rows.keys = numbers.data();
  rows.times = timed_ ? batch.records()->column_data(batch.event_time_column())->GetValues<std::int64_t>(1) : nullptr;
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (int i = 0; i < input_->num_fields(); ++i) columns.push_back(batch.records()->column_data(i));
  HR_RETURN_NOT_OK(Call(*arrow::RecordBatch::Make(input_, batch.num_rows(), std::move(columns)), rows, /*timers=*/false, out));
  states_->Sweep();
  Account();
  return processing_due() ? FireProcessing(out) : Status::OK();
}

/// Of keys that are new with these rows: their columns, for timers.
Status NativeProcess::KeepKeys(const arrow::RecordBatch& rows, std::int64_t known) {
  std::vector<std::uint32_t> first;
  for (std::size_t row = 0; row < grouping_.groups.size(); ++row) {
    const state::EntryId entry = grouping_.entries[static_cast<std::size_t>(grouping_.groups[row])];
    if (static_cast<std::int64_t>(entry) == known + static_cast<std::int64_t>(first.size()))
      first.push_back(static_cast<std::uint32_t>(row));
  }
  if (first.empty()) return Status::OK();
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (const int column : key_columns_) columns.push_back(rows.column_data(column));
  std::vector<std::uint32_t> numbers(first.size());
  return key_rows_.Append(*arrow::RecordBatch::Make(key_schema_, rows.num_rows(), std::move(columns)), first, numbers.data());
}

// ---- time ----

Status NativeProcess::FireSlice(std::uint32_t kind, std::int64_t until_ms, op::Collector* out) {
  time::TimerService& timers = kind == HEADRACE_EVENT_TIME ? event_timers_ : processing_timers_;
  timers.TakeDue(until_ms, kSliceTimers, &due_);
  fired_in_.resize(static_cast<std::size_t>(states_->keys().num_entries()), 0);
  ++slices_;
  std::vector<std::uint32_t> numbers;
  std::vector<std::int64_t> times;
  for (const auto& timer : due_) {
    if (std::exchange(fired_in_[timer.key], slices_) == slices_) {
      timers.Register(timer.time_ms, timer.key);
      continue;
    }
    numbers.push_back(timer.key);
    times.push_back(timer.time_ms);
  }
  processing_timers_next_ = processing_timers_.next();
  if (numbers.empty()) return Status::OK();
  arrow::ArrayVector columns;
  for (int i = 0; i < key_schema_->num_fields(); ++i) {
    HR_ASSIGN_OR_RAISE(columns.emplace_back(), key_rows_.Gather(i, numbers));
  }
  headrace_rows rows{};
  rows.timer_kind = kind;
  rows.num_rows = static_cast<std::int64_t>(numbers.size());
  rows.keys = numbers.data();
  rows.times = times.data();
  states_->SetNow(clock_ == nullptr ? 0 : clock_->WallTimeMs());
  HR_RETURN_NOT_OK(Call(*arrow::RecordBatch::Make(key_schema_, rows.num_rows, std::move(columns)), rows, /*timers=*/true, out));
  Account();
  return Status::OK();
}

Status NativeProcess::AdvanceTime(op::Collector* out) {
  const MonotonicTime begin = clock_ == nullptr ? MonotonicTime() : clock_->Now();
  while (event_timers_.size() > 0 && event_timers_.next() <= watermark_ms_) {
    HR_RETURN_NOT_OK(FireSlice(HEADRACE_EVENT_TIME, watermark_ms_, out));
    // Between two slices a barrier may pass: the next one starts with the next step.
    if (clock_ != nullptr && (clock_->Now() - begin).count() > kSliceNanoseconds) return Status::OK();
  }
  event_due_ = false;
  if (watermark_ms_ <= emitted_ms_) return Status::OK();
  emitted_ms_ = watermark_ms_;
  return finishing_ ? Status::OK() : out->EmitWatermark({watermark_ms_});
}

/// Those that are due now; what they set for now in turn comes with the next step.
Status NativeProcess::FireProcessing(op::Collector* out) {
  const MonotonicTime begin = clock_->Now();
  const std::int64_t until_ms = clock_->WallTimeMs();
  while (processing_timers_next_ <= until_ms && (clock_->Now() - begin).count() <= kSliceNanoseconds)
    HR_RETURN_NOT_OK(FireSlice(HEADRACE_PROCESSING_TIME, until_ms, out));
  return Status::OK();
}

Status NativeProcess::Poll(op::Collector* out) {
  if (event_due_) return AdvanceTime(out);
  return processing_due() ? FireProcessing(out) : Status::OK();
}

MonotonicTime NativeProcess::next_poll() const {
  if (clock_ == nullptr) return event_due_ ? MonotonicTime() : MonotonicTime::max();
  if (event_due_) return clock_->Now();
  if (processing_timers_next_ == time::TimerService::kNever) return MonotonicTime::max();
  // Far timers are looked at again within a day: the wall clock may jump.
  const std::int64_t wait_ms =
      std::clamp<std::int64_t>(processing_timers_next_ - std::min(processing_timers_next_, clock_->WallTimeMs()), 0, 86'400'000);
  return clock_->Now() + std::chrono::milliseconds(wait_ms);
}

Status NativeProcess::OnWatermark(const columnar::Watermark& watermark, op::Collector* out) {
  watermark_ms_ = std::max(watermark_ms_, watermark.event_time_ms);
  event_due_ = true;
  return AdvanceTime(out);
}

Status NativeProcess::Finish(op::Collector* out) {
  finishing_ = true;
  // The end of the input completes event time without a watermark of its own.
  watermark_ms_ = kGreatest;
  event_due_ = true;
  return AdvanceTime(out);
}

// ---- keeping house ----

/// Forgets keys that have neither state nor timers, once they are many.
Status NativeProcess::Compact() {
  state::KeyedStates& keys = states_->keys();
  if (!keys.wants_compaction() || keys.num_entries() < compact_at_) return Status::OK();
  std::vector<bool> has_timer(static_cast<std::size_t>(keys.num_entries()), false);
  const auto mark = [&](const time::TimerService::Timer& timer) { has_timer[timer.key] = true; };
  event_timers_.ForEach(mark);
  processing_timers_.ForEach(mark);
  std::vector<state::EntryId> moved;
  HR_RETURN_NOT_OK(keys.Compact([&](state::EntryId entry) { return has_timer[entry]; }, &moved));
  event_timers_.Renumber(moved);
  processing_timers_.Renumber(moved);
  std::vector<std::uint32_t> kept;  // in the order of their new numbers
  for (std::size_t old = 0; old < moved.size(); ++old) {
    if (moved[old] != state::KeyedStates::kNoEntry) kept.push_back(static_cast<std::uint32_t>(old));
  }
  arrow::ArrayVector columns;
  for (int i = 0; i < key_schema_->num_fields(); ++i) {
    HR_ASSIGN_OR_RAISE(columns.emplace_back(), key_rows_.Gather(i, kept));
  }
  HR_ASSIGN_OR_RAISE(auto fresh, state::RowStore::Make(key_schema_->fields()));
  std::vector<std::uint32_t> numbers(kept.size());
  const auto rows = arrow::RecordBatch::Make(key_schema_, static_cast<std::int64_t>(kept.size()), std::move(columns));
  for (std::size_t i = 0; i < kept.size(); ++i) kept[i] = static_cast<std::uint32_t>(i);
  HR_RETURN_NOT_OK(fresh.Append(*rows, kept, numbers.data()));
  key_rows_ = std::move(fresh);
  states_->Restart();
  fired_in_.clear();
  compact_at_ = 2 * keys.num_entries();
  return Status::OK();
}

void NativeProcess::Account() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = states_->keys().allocated_bytes() + key_rows_.allocated_bytes() + event_timers_.allocated_bytes() +
                             processing_timers_.allocated_bytes();
  state_bytes_->fetch_add(bytes - counted_bytes_, std::memory_order_relaxed);
  counted_bytes_ = bytes;
}

}  // namespace headrace::data::native
