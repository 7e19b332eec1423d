#include "data/task/task.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace headrace::data::task {

namespace {

/// Pieces that are held back to grow are sent at the latest after this.
constexpr Duration kFlushAge = std::chrono::milliseconds(2);

}  // namespace

Task::Task(TaskSpec spec, TaskParts parts, Channels channels, std::shared_ptr<TaskVitals> vitals, Waker* waker, const Clock* clock,
           std::function<void()> on_running)
    : spec_(std::move(spec)),
      vitals_(std::move(vitals)),
      waker_(waker),
      clock_(clock),
      on_running_(std::move(on_running)),
      source_(std::move(parts.source)),
      context_(std::move(parts.context)),
      outputs_(std::move(channels.outputs)),
      chain_(std::move(parts.links)),
      cutter_(std::move(parts.cutter)) {
  context_.turn = &turn_;
  if (!channels.inputs.empty()) gate_.emplace(std::move(channels.inputs));
  // Tests see rows of several channels in one batch, and each channel's apart.
  if (gate_ && cutter_ != nullptr && cutter_->DrawChannel(2) == 0) gate_->KeepApart();
}

Task::~Task() = default;

void Task::RequestCancel() {
  cancel_ = true;
  waker_->Wake();
}

void Task::RequestFail(Status why) {
  {
    std::lock_guard lock(mail_mutex_);
    if (fail_with_.ok()) fail_with_ = std::move(why);
  }
  has_mail_ = true;
  waker_->Wake();
}

void Task::AddSplits(plan::SourceAssignment assignment) {
  {
    std::lock_guard lock(mail_mutex_);
    new_splits_.push_back(std::move(assignment));
  }
  has_mail_ = true;
  waker_->Wake();
}

StepResult Task::Step(MonotonicTime slice_end) {
  if (cancel_.load()) return Finish(TaskOutcome::kCanceled);
  const MonotonicTime start = clock_->Now();
  ++turn_;
  try {
    if (!open_) {
      const Status opened = Open();
      if (!opened.ok()) return Fail(opened);
    }
    if (has_mail_.exchange(false)) {
      const Status taken = TakeMail();
      if (!taken.ok()) return Fail(taken);
    }
    const auto pause = Work(slice_end);
    if (!pause.ok()) return Fail(pause.status());
    Account(start, *pause);
    switch (*pause) {
      case Pause::kEnded:
        return Finish(TaskOutcome::kFinished);
      case Pause::kSliceOver:
        return {StepResult::Next::kAgain};
      case Pause::kNothingToDo:
      case Pause::kBlocked:
        return {StepResult::Next::kWait, std::min(NextFlush(), chain_.next_poll())};
    }
  } catch (const std::exception& error) {  // nothing of ours throws; libraries may
    return Fail(Error(ErrorCode::kInternal, std::string("exception: ") + error.what()));
  }
  return {StepResult::Next::kAgain};
}

Status Task::Open() {
  HR_RETURN_NOT_OK(chain_.Open(context_));
  if (source_.reader != nullptr) HR_RETURN_NOT_OK(OpenSource());
  open_ = true;
  vitals_->StartTimes(clock_->Now());
  if (on_running_) on_running_();
  return Status::OK();
}

Status Task::OpenSource() {
  if (context_.metrics != nullptr) {
    source_records_ = context_.metrics->GetCounter("headrace_records_out_total", "Records that operators emitted", source_.context.labels);
    source_bytes_ =
        context_.metrics->GetCounter("headrace_bytes_out_total", "Bytes of the records that operators emitted", source_.context.labels);
  }
  HR_RETURN_NOT_OK(OfSource(source_.reader->Open(source_.context)));
  bool more = false;
  for (const auto& assignment : spec_.sources) {
    if (assignment.source != source_.spec->uid) continue;
    HR_RETURN_NOT_OK(GiveSplits(assignment.splits));
    more = more || assignment.more_may_come;
  }
  if (!more) source_.reader->NoMoreSplits();
  return GiveSplits({});
}

Status Task::GiveSplits(const std::vector<plan::SourceSplit>& splits) {
  // A message that came twice must not read a partition twice.
  std::vector<plan::SourceSplit> fresh;
  for (const auto& split : splits) {
    if (!known_splits_.insert(split.id).second) continue;
    fresh.push_back(split);
    if (source_.times != nullptr) source_.times->AddSplit(split.id);
  }
  if (splitless_ != known_splits_.empty()) {
    splitless_ = known_splits_.empty();
    HR_RETURN_NOT_OK(chain_.Push(0, columnar::WatermarkStatus{splitless_}));
  }
  return fresh.empty() ? Status::OK() : OfSource(source_.reader->AddSplits(fresh));
}

Status Task::OfSource(Status status) {
  source_failed_ = source_failed_ || !status.ok();
  return status;
}

Status Task::TakeMail() {
  std::vector<plan::SourceAssignment> splits;
  {
    std::lock_guard lock(mail_mutex_);
    splits.swap(new_splits_);
    HR_RETURN_NOT_OK(fail_with_);
  }
  for (const auto& assignment : splits) {
    if (source_.reader == nullptr || assignment.source != source_.spec->uid)
      return Error(ErrorCode::kInternal, "splits of another source: " + assignment.source.str());
    HR_RETURN_NOT_OK(GiveSplits(assignment.splits));
    if (!assignment.more_may_come) source_.reader->NoMoreSplits();
  }
  return Status::OK();
}

Result<Task::Pause> Task::Work(MonotonicTime slice_end) {
  for (;;) {
    const MonotonicTime now = clock_->Now();
    HR_ASSIGN_OR_RAISE(const bool moved, Round(now));
    if (end_left_ && OutputsDelivered()) return Pause::kEnded;
    if (!moved) {
      HR_RETURN_NOT_OK(FlushHeld(now, /*idle=*/!chain_.busy()));
      return OutputsBlocked() ? Pause::kBlocked : Pause::kNothingToDo;
    }
    HR_RETURN_NOT_OK(FlushHeld(now, /*idle=*/false));
    if (now >= slice_end) return Pause::kSliceOver;
  }
}

Result<bool> Task::Round(MonotonicTime now) {
  bool moved = false;
  for (auto& output : outputs_) {
    HR_RETURN_NOT_OK(output.Check());
    HR_ASSIGN_OR_RAISE(const bool pumped, output.Pump());
    moved = moved || pumped;
  }
  HR_ASSIGN_OR_RAISE(const bool stepped, chain_.Step());
  HR_ASSIGN_OR_RAISE(const bool drained, DrainChain(now));
  HR_ASSIGN_OR_RAISE(const bool pulled, PullInput());
  return moved || stepped || drained || pulled;
}

Result<bool> Task::DrainChain(MonotonicTime now) {
  bool moved = false;
  while (chain_.has_side_rows() && !OutputsBlocked()) {
    const op::Chain::SideRows side = chain_.TakeSideRows();
    moved = true;
    for (auto& output : outputs_) {
      if (output.tag() == side.tag) HR_RETURN_NOT_OK(output.Add(side.batch, now));
    }
  }
  while (!chain_.has_side_rows() && chain_.has_output() && !OutputsBlocked()) {
    const columnar::StreamElement element = chain_.TakeOutput();
    moved = true;
    if (const auto* batch = std::get_if<columnar::DataBatch>(&element)) {
      vitals_->records_out.fetch_add(static_cast<std::uint64_t>(batch->num_rows()), std::memory_order_relaxed);
      vitals_->bytes_out.fetch_add(static_cast<std::uint64_t>(batch->size_bytes()), std::memory_order_relaxed);
      for (auto& output : outputs_) {
        if (output.tag().empty()) HR_RETURN_NOT_OK(output.Add(*batch, now));
      }
      continue;
    }
    if (const auto* watermark = std::get_if<columnar::Watermark>(&element)) vitals_->event_time.SetWatermark(watermark->event_time_ms);
    if (const auto* status = std::get_if<columnar::WatermarkStatus>(&element)) vitals_->event_time.SetIdle(status->idle);
    for (auto& output : outputs_) HR_RETURN_NOT_OK(output.AddControl(element));
    if (std::holds_alternative<columnar::EndOfInput>(element)) {
      HR_CHECK(!chain_.busy(), "the end left a busy chain");
      end_left_ = true;
    }
  }
  return moved;
}

Result<bool> Task::PullInput() {
  if (input_ended_ || !chain_.accepting()) return false;
  if (cutter_ != nullptr) {
    if (auto piece = cutter_->Next()) {
      HR_RETURN_NOT_OK(chain_.Push(piece->input, std::move(piece->batch)));
      return true;
    }
    if (gate_) gate_->StartAt(cutter_->DrawChannel(gate_->num_channels()));
  }
  if (source_.reader != nullptr) return PullSource();
  HR_ASSIGN_OR_RAISE(auto event, gate_->Poll());
  if (!event) return false;
  if (auto* batch = std::get_if<columnar::DataBatch>(&event->element)) {
    vitals_->records_in.fetch_add(static_cast<std::uint64_t>(batch->num_rows()), std::memory_order_relaxed);
    vitals_->bytes_in.fetch_add(static_cast<std::uint64_t>(batch->size_bytes()), std::memory_order_relaxed);
    HR_RETURN_NOT_OK(PushBatch(event->input, std::move(*batch)));
    return true;
  }
  input_ended_ = std::holds_alternative<columnar::EndOfInput>(event->element);
  HR_RETURN_NOT_OK(chain_.Push(event->input, std::move(event->element)));
  return true;
}

Result<bool> Task::PullSource() {
  if (source_.times != nullptr) {
    if (const auto paused = source_.times->TakePaused()) source_.reader->SetPaused(*paused);
    if (source_.times->paused()) return false;
  }
  using Kind = connector::SourcePoll::Kind;
  auto polled = source_.reader->Poll();
  HR_RETURN_NOT_OK(OfSource(polled.status()));
  auto& poll = *polled;
  const auto rows = poll.kind == Kind::kBatch ? static_cast<std::uint64_t>(poll.batch.num_rows()) : 0;
  const bool news = source_.times != nullptr && !(poll.splits.runs.empty() && poll.splits.ended.empty());
  if (news) source_.times->NoteSplits(std::move(poll.splits));
  if (poll.kind == Kind::kNothingYet) return news;
  if (poll.kind == Kind::kEnd) {
    input_ended_ = true;
    HR_RETURN_NOT_OK(chain_.Push(0, columnar::EndOfInput{}));
    return true;
  }
  const auto bytes = static_cast<std::uint64_t>(poll.batch.size_bytes());
  vitals_->records_in.fetch_add(rows, std::memory_order_relaxed);
  vitals_->bytes_in.fetch_add(bytes, std::memory_order_relaxed);
  if (source_records_) {
    source_records_->Add(rows);
    source_bytes_->Add(bytes);
  }
  if (rows > 0) HR_RETURN_NOT_OK(PushBatch(0, std::move(poll.batch)));
  return true;
}

Status Task::PushBatch(std::uint32_t input, columnar::DataBatch batch) {
  if (cutter_ == nullptr) return chain_.Push(input, std::move(batch));
  cutter_->Put(input, batch);
  return Status::OK();
}

Status Task::FlushHeld(MonotonicTime now, bool idle) {
  for (auto& output : outputs_) {
    if (output.holding() && (idle || now - output.held_since() >= kFlushAge)) HR_RETURN_NOT_OK(output.FlushHeld());
  }
  return Status::OK();
}

bool Task::OutputsBlocked() const {
  return std::any_of(outputs_.begin(), outputs_.end(), [](const EdgeOutput& output) { return output.blocked(); });
}

bool Task::OutputsDelivered() const {
  return std::all_of(outputs_.begin(), outputs_.end(), [](const EdgeOutput& output) { return output.delivered(); });
}

MonotonicTime Task::NextFlush() const {
  MonotonicTime next = MonotonicTime::max();
  for (const auto& output : outputs_) {
    if (output.holding()) next = std::min(next, output.held_since() + kFlushAge);
  }
  return next;
}

void Task::Account(MonotonicTime start, Pause pause) {
  using Doing = TaskVitals::Doing;
  const Doing next = pause == Pause::kBlocked                         ? Doing::kWaitForConsumers
                     : pause == Pause::kNothingToDo && !chain_.busy() ? Doing::kWaitForInput
                                                                      : Doing::kWork;
  vitals_->NoteStep(start, clock_->Now(), next);
}

StepResult Task::Finish(TaskOutcome outcome) {
  if (source_.reader != nullptr) source_.reader->RequestStop();
  chain_.RequestStop();
  outcome_ = outcome;
  return {StepResult::Next::kDone};
}

StepResult Task::Fail(const Status& status) {
  failure_ = DescribeFailure(status, spec_.vertex(), chain_.failed_link());
  if (source_failed_) {
    failure_.operator_name = source_.spec->name;
    failure_.operator_uid = source_.spec->uid.str();
    failure_.message = source_.spec->Describe() + ": " + status.message();
    if (!source_.spec->location.file.empty()) failure_.user_location = source_.spec->location.ToString();
  }
  return Finish(TaskOutcome::kFailed);
}

}  // namespace headrace::data::task
