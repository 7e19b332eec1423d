#include "control/job/job_master.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/executor.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "control/job/blob_store.h"
#include "control/job/states/states.h"
#include "control/job/transitions.h"
#include "control/schedule/slot_pool.h"

namespace headrace::control::job {
namespace {

constexpr std::uint32_t kHeartbeatPatience = 3;
constexpr std::size_t kLongestText = 16 * 1024;

/// A job ends when its slots are free, whether or not every task had the time to report its own end.
void EndTasks(JobView* view) {
  for (VertexView& vertex : view->vertices) {
    for (SubtaskView& subtask : vertex.subtasks) {
      if (subtask.state == wire::TaskState::kDeploying || subtask.state == wire::TaskState::kRunning)
        subtask.state = wire::TaskState::kCanceled;
    }
  }
}

const plan::RestartSettings& RestartOf(const plan::ExecutionPlan& plan, const JobServices& services) {
  const bool set = plan.settings.restart.kind != plan::RestartSettings::Kind::kDefault;
  return set ? plan.settings.restart : services.default_restart;
}

}  // namespace

JobStateHandler::JobStateHandler(JobMaster* job) : job_(job), mailbox_(job->services().executor) {}
void JobStateHandler::OnCancel() { job().ChangeTo(MakeCancelling(&job())); }

JobMaster::JobMaster(JobServices* services, JobDescription description, StateListener changed)
    : services_(services), strategy_(RestartOf(*description.plan, *services), services->random), changed_(std::move(changed)) {
  for (plan::Archive& archive : description.archives) {
    facts_.archives.push_back({archive.name, archive.sha256, archive.content.size(), archive.python_path});
    services_->blobs->Add(archive.sha256, std::move(archive.content));
  }
  description.archives.clear();
  facts_.description = std::move(description);
  if (services_->metrics != nullptr) {
    restarts_total_ = services_->metrics->GetCounter("headrace_restarts_total", "Restarts of a job.",
                                                     {{"job_id", id().str()}, {"job_name", facts_.description.record.name}});
  }
  state_since_wall_ms_ = services_->executor->clock().WallTimeMs();
  state_ = MakeInitializing(this);
}

JobMaster::~JobMaster() = default;

void JobMaster::Start() { state_->Enter(); }

void JobMaster::StartFailed(const Status& cause) {
  RecordException(EntryOf(cause));
  ChangeTo(MakeFailing(this));
}

JobState JobMaster::state() const { return state_->state(); }

void JobMaster::ChangeTo(std::unique_ptr<JobStateHandler> next) {
  const JobState from = state_->state(), to = next->state();
  HR_CHECK(MayChange(from, to), fmt::format("job {} may not go from {} to {}", id().str(), NameOf(from), NameOf(to)));
  state_->Leave();
  // The old state may be running further up the stack: it dies in a turn of its own.
  services_->executor->Post([old = std::shared_ptr<JobStateHandler>(std::move(state_))] {});
  state_ = std::move(next);
  facts_.reason.clear();
  state_since_wall_ms_ = services_->executor->clock().WallTimeMs();
  if (to == JobState::kRestarting) {
    ++facts_.restarts;
    if (restarts_total_ != nullptr) restarts_total_->Add();
  }
  LogInfo("control.job", fmt::format("{} -> {}", NameOf(from), NameOf(to)), {{"job_id", id().str()}});
  changed_(*this);
  state_->Enter();
}

void JobMaster::Cancel(CancelAnswer answer) {
  cancel_answers_.push_back(std::move(answer));
  if (released_) return AnswerCancels();
  if (!IsTerminal(state())) state_->OnCancel();
}

void JobMaster::AnswerCancels() {
  const JobState end = state();
  for (const CancelAnswer& answer : std::exchange(cancel_answers_, {})) {
    if (end == JobState::kCanceled) {
      answer(end);
    } else {
      answer(Error(ErrorCode::kConflict, fmt::format("Job {} cannot be cancelled: it is {}.", id().str(), NameOf(end))));
    }
  }
}

void JobMaster::Suspend() {
  if (IsTerminal(state()) || state() == JobState::kSuspended) return;
  ChangeTo(MakeSuspended(this));
  for (const CancelAnswer& answer : std::exchange(cancel_answers_, {})) {
    answer(Error(ErrorCode::kDeposed, "Another JobManager leads; whether the job was cancelled is for that one to say."));
  }
}

void JobMaster::Release() {
  HR_CHECK(facts_.touched.empty(), "a job was released while processes may hold its tasks");
  services_->slots->Release(id());
  for (const plan::ArchiveRef& archive : facts_.archives) services_->blobs->Remove(archive.sha256);
  facts_.archives.clear();
  released_ = true;
  AnswerCancels();
}

void JobMaster::OnTaskReport(const cluster::ProcessKey& process, const wire::TaskReport& report) {
  if (facts_.execution.Apply(process, report)) state_->OnTaskReport(report);
}

void JobMaster::OnHeartbeat(const cluster::ProcessKey& process, const wire::HeartbeatRequest& heartbeat) {
  if (facts_.touched.count(process) == 0) return;
  for (const wire::TaskReport& report : heartbeat.tasks) {
    if (report.attempt.job == id()) OnTaskReport(process, report);
  }
  for (const AttemptId& attempt : facts_.execution.NoteHeartbeat(process, heartbeat, kHeartbeatPatience)) {
    wire::TaskReport report{attempt, wire::TaskState::kFailed, {}, {}};
    report.failure.code = static_cast<int>(ErrorCode::kTaskManagerLost);
    report.failure.message =
        fmt::format("TaskManager {} does not run {} any more and never said why.", process.id.str(), facts_.execution.TaskName(attempt));
    OnTaskReport(process, report);
  }
}

void JobMaster::OnProcessLost(const cluster::ProcessKey& process) {
  const auto touched = facts_.touched.find(process);
  const bool needed = touched != facts_.touched.end() && facts_.execution.NeedsProcess(process);
  if (touched != facts_.touched.end()) {
    facts_.abandoned[process] = touched->second;
    facts_.touched.erase(touched);
  }
  state_->OnProcessLost(process, needed);
}

void JobMaster::OnProcessCleaned(const cluster::ProcessKey& process, DeploymentNumber up_to) {
  // Forgotten, or every heartbeat of the process would have it cleaned again for as long as the job lives.
  if (const auto lost = facts_.abandoned.find(process); lost != facts_.abandoned.end() && lost->second <= up_to)
    facts_.abandoned.erase(lost);
}

void JobMaster::OnCapacityChanged() { state_->OnCapacityChanged(); }

DeploymentNumber JobMaster::StaleOn(const cluster::ProcessKey& process, const std::vector<AttemptId>& running) const {
  const auto touched = facts_.touched.find(process);
  const DeploymentNumber wanted = touched == facts_.touched.end() ? 0 : touched->second;
  DeploymentNumber stale = 0;
  if (const auto lost = facts_.abandoned.find(process); lost != facts_.abandoned.end() && lost->second != wanted) stale = lost->second;
  for (const AttemptId& attempt : running) {
    if (attempt.job == id() && attempt.deployment != wanted) stale = std::max(stale, attempt.deployment);
  }
  return stale;
}

JobMaster::FailureKind JobMaster::KindOf(const wire::TaskFailure& failure) {
  switch (static_cast<ErrorCode>(failure.code)) {
    case ErrorCode::kTaskManagerLost:
    case ErrorCode::kExchangeBroken:
    case ErrorCode::kStaleAttempt:
    case ErrorCode::kNotReady:
    case ErrorCode::kDeposed:
      return FailureKind::kInfrastructure;
    default:
      return FailureKind::kOwn;
  }
}

void JobMaster::FailDeployment(ExceptionEntry entry, FailureKind kind) {
  RecordException(std::move(entry));
  if (kind == FailureKind::kOwn ? strategy_.exhausted() : !strategy_.restarts()) return ChangeTo(MakeFailing(this));
  ChangeTo(MakeRestarting(this, kind));
}

void JobMaster::RecordException(ExceptionEntry entry) {
  for (std::string* text : {&entry.failure.message, &entry.failure.traceback}) {
    if (text->size() > kLongestText) text->resize(kLongestText);
  }
  LogWarn("control.job", fmt::format("{}{}{}", entry.task_name, entry.task_name.empty() ? "" : ": ", entry.failure.message),
          {{"job_id", id().str()}});
  facts_.exceptions.Add(std::move(entry));
}

ExceptionEntry JobMaster::EntryOf(const wire::TaskReport& report) const {
  ExceptionEntry entry;
  entry.wall_time_ms = services_->executor->clock().WallTimeMs();
  entry.failure = report.failure;
  entry.task_name = facts_.execution.TaskName(report.attempt);
  if (const TaskEntry* task = facts_.execution.Find(report.attempt)) entry.task_manager = task->process.id.str();
  entry.deployment = report.attempt.deployment;
  if (report.state == wire::TaskState::kCanceled) {
    entry.failure.code = static_cast<int>(ErrorCode::kStaleAttempt);
    entry.failure.message = "The TaskManager cancelled the task by itself.";
  }
  return entry;
}

ExceptionEntry JobMaster::EntryOf(const Status& status, const std::string& task_manager) const {
  ExceptionEntry entry;
  entry.wall_time_ms = services_->executor->clock().WallTimeMs();
  entry.failure = FailureOf(status);
  entry.task_manager = task_manager;
  entry.deployment = facts_.deployment;
  return entry;
}

JobView JobMaster::View(bool with_details) const {
  const JobDescription& description = facts_.description;
  JobView view;
  view.id = id();
  view.name = description.record.name;
  view.state = state();
  view.reason = facts_.reason.empty() && view.state == JobState::kRunning ? facts_.execution.WaitingReason() : facts_.reason;
  view.start_wall_ms = description.record.submitted_wall_ms;
  view.end_wall_ms = facts_.end_wall_ms;
  view.state_since_wall_ms = state_since_wall_ms_;
  view.deployment = facts_.deployment;
  view.restarts = facts_.restarts;
  view.slots_needed = slots_needed();
  view.warnings = description.warnings;
  if (!with_details) return view;
  view.vertices = facts_.execution.View(*description.plan);
  if (IsTerminal(view.state)) EndTasks(&view);
  view.exceptions = facts_.exceptions.entries();
  view.plan = description.plan;
  return view;
}

}  // namespace headrace::control::job
