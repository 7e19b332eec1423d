#include "control/job/dispatcher_impl.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "base/executor.h"
#include "base/logging.h"
#include "base/random.h"
#include "control/job/exception_history.h"
#include "control/job/transitions.h"
#include "wire/job_file.h"

namespace headrace::control::job {
namespace {

constexpr std::size_t kEndedJobsShown = 200;
constexpr Duration kStoreRetry = std::chrono::milliseconds(500);
constexpr Duration kMetricsEvery = std::chrono::seconds(1);

ControlPlaneOptions WithReader(ControlPlaneOptions options) {
  if (options.read_job_file) return options;
  options.read_job_file = [](std::string_view bytes) -> Result<plan::JobGraph> {
    HR_ASSIGN_OR_RAISE(wire::JobFile file, wire::ReadJobFile(bytes));
    return std::move(file.graph);
  };
  return options;
}

JobView ViewOf(const metastore::Metastore::FinishedJob& ended) {
  JobView view;
  view.id = ended.job.id;
  view.name = ended.job.name;
  view.state = ended.result.state == NameOf(JobState::kFinished)   ? JobState::kFinished
               : ended.result.state == NameOf(JobState::kCanceled) ? JobState::kCanceled
                                                                   : JobState::kFailed;
  view.start_wall_ms = ended.job.submitted_wall_ms;
  view.end_wall_ms = view.state_since_wall_ms = ended.result.ended_wall_ms;
  ExceptionEntry failure = FailureFromJson(ended.result.failure_json);
  if (!failure.failure.message.empty()) view.exceptions.push_back(std::move(failure));
  return view;
}

}  // namespace

DispatcherImpl::DispatcherImpl(const ControlPlaneParts& parts, ControlPlaneOptions options)
    : options_(WithReader(std::move(options))),
      random_(parts.random),
      leadership_(parts.executor, parts.store, Incarnation(parts.random->NextHex(32)), options_.address, options_.leadership, this),
      registry_(parts.executor, &leadership_, parts.connector, options_.registry, this),
      slots_(&registry_),
      services_{parts.executor, parts.side != nullptr ? parts.side : parts.executor,
                parts.store,    &leadership_,
                &registry_,     &slots_,
                parts.planner,  &blobs_,
                parts.random,   parts.metrics,
                options_.job,   options_.default_restart},
      endpoint_(std::make_shared<JobManagerEndpoint>(parts.executor, &registry_, &blobs_)),
      mailbox_(parts.executor) {
  slots_.set_on_freed([this] { OfferCapacity(); });
  if (parts.metrics != nullptr) metrics_.emplace(parts.metrics);
}

DispatcherImpl::~DispatcherImpl() { slots_.set_on_freed(nullptr); }

void DispatcherImpl::Start() {
  mailbox_.Bind([this] {
    leadership_.Start();
    registry_.Start();
    SetMetrics();
  })();
}

void DispatcherImpl::OnLeading() { RecoverFinished(); }

void DispatcherImpl::RecoverFinished() {
  services_.store->ListFinished(kEndedJobsShown, mailbox_.Bind([this](Outcome<std::vector<metastore::Metastore::FinishedJob>> outcome) {
    if (!outcome.done()) {
      mailbox_.After(kStoreRetry, [this] { RecoverFinished(); });
      return;
    }
    for (const auto& ended : outcome.value()) ended_before_[ended.job.id] = ViewOf(ended);
    RecoverUnfinished();
  }));
}

void DispatcherImpl::RecoverUnfinished() {
  services_.store->ListUnfinished(mailbox_.Bind([this](Outcome<std::vector<metastore::JobRecord>> outcome) {
    if (!outcome.done()) {
      mailbox_.After(kStoreRetry, [this] { RecoverUnfinished(); });
      return;
    }
    using Jobs = std::vector<RecoveredJob>;
    auto recovered = mailbox_.Bind([this](const std::shared_ptr<Jobs>& jobs) { OnRecovered(std::move(*jobs)); });
    auto records = std::make_shared<std::vector<metastore::JobRecord>>(outcome.TakeValue());
    services_.side->Post([read = options_.read_job_file, records = std::move(records), recovered = std::move(recovered)] {
      auto jobs = std::make_shared<Jobs>();
      for (metastore::JobRecord& record : *records) {
        Result<JobDescription> prepared = PrepareJob(read, record);
        record.job_file = {};
        jobs->push_back({std::move(record), std::move(prepared)});
      }
      recovered(jobs);
    });
  }));
}

void DispatcherImpl::OnRecovered(std::vector<RecoveredJob> jobs) {
  recovered_ = true;
  for (auto& [record, prepared] : jobs) {
    LogInfo("control.dispatcher", "Stored job is taken up again.", {{"job_id", record.id.str()}});
    if (prepared.ok()) {
      AddJob(std::move(prepared).ValueUnsafe())->Start();
      continue;
    }
    JobDescription description;
    description.record = std::move(record);
    description.plan = std::make_shared<const plan::ExecutionPlan>();
    AddJob(std::move(description))->StartFailed(WithContext(prepared.status(), "the stored job file"));
  }
  NotifyChange();
}

JobMaster* DispatcherImpl::AddJob(JobDescription description) {
  const JobId id = description.record.id;
  auto job = std::make_unique<JobMaster>(&services_, std::move(description), [this](JobMaster& changed) { OnJobChanged(changed); });
  JobMaster* const added = job.get();
  jobs_[id] = std::move(job);
  job_order_.push_back(id);
  return added;
}

JobMaster* DispatcherImpl::StartJob(JobDescription description) {
  JobMaster* const job = AddJob(std::move(description));
  job->Start();
  return job;
}

JobMaster* DispatcherImpl::FindJob(const JobId& id) {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : found->second.get();
}

Status DispatcherImpl::CheckRecovered() const {
  if (recovered_ || leadership_.deposed()) return Status::OK();
  return Error(ErrorCode::kNotReady, "This JobManager does not lead yet, or still reads the stored jobs.");
}

void DispatcherImpl::FindEnded(const JobId& id, std::function<void(Result<JobView>)> answer) {
  if (const auto ended = ended_before_.find(id); ended != ended_before_.end()) return answer(ended->second);
  if (const Status recovered = CheckRecovered(); !recovered.ok()) return answer(recovered);
  services_.store->FindFinished(
      id, mailbox_.Bind([id, answer = std::move(answer)](const Outcome<std::optional<metastore::Metastore::FinishedJob>>& outcome) {
        if (!outcome.done()) return answer(outcome.reason());
        if (!outcome.value()) return answer(Error(ErrorCode::kNotFound, "There is no job " + id.str() + "."));
        answer(ViewOf(*outcome.value()));
      }));
}

void DispatcherImpl::OnDeposed() {
  std::vector<Submission*> waiting;
  for (const auto& submission : submissions_) waiting.push_back(submission.get());
  for (Submission* submission : waiting) submission->OnDeposed();
  for (JobMaster* job : JobsByAge()) job->Suspend();
}

void DispatcherImpl::OnJobChanged(JobMaster& job) {
  std::vector<Submission*> waiting;
  for (const auto& submission : submissions_) waiting.push_back(submission.get());
  for (Submission* submission : waiting) submission->OnJobChanged(job);
  NotifyChange();
}

void DispatcherImpl::NotifyChange() {
  if (options_.on_change) options_.on_change();
}

std::vector<JobMaster*> DispatcherImpl::JobsByAge() {
  std::vector<JobMaster*> jobs;
  for (const JobId& id : job_order_) jobs.push_back(jobs_.at(id).get());
  return jobs;
}

void DispatcherImpl::OfferCapacity() {
  if (std::exchange(capacity_offered_, true)) return;
  mailbox_.Bind([this] {
    capacity_offered_ = false;
    ForgetOldJobs();
    for (JobMaster* job : JobsByAge()) job->OnCapacityChanged();
    std::vector<Submission*> waiting;
    for (const auto& submission : submissions_) waiting.push_back(submission.get());
    for (Submission* submission : waiting) submission->OnCapacityChanged();
    NotifyChange();
  })();
}

void DispatcherImpl::ForgetOldJobs() {
  std::size_t released = std::count_if(jobs_.begin(), jobs_.end(), [](const auto& entry) { return entry.second->released(); });
  for (auto id = job_order_.begin(); id != job_order_.end() && released > kEndedJobsShown;) {
    if (!jobs_.at(*id)->released()) {
      ++id;
      continue;
    }
    jobs_.erase(*id);
    id = job_order_.erase(id);
    --released;
  }
}

std::map<JobId, DeploymentNumber> DispatcherImpl::OnProcessRegistered(const cluster::ProcessKey& process,
                                                                      const std::vector<AttemptId>& running) {
  std::map<JobId, DeploymentNumber> stale;
  for (const auto& [id, job] : jobs_) {
    if (const DeploymentNumber up_to = job->StaleOn(process, running); up_to != 0) stale[id] = up_to;
  }
  for (const AttemptId& attempt : running) {
    // Jobs that nobody knows here ended, or wait to be recovered; recovery takes a higher number.
    if (jobs_.count(attempt.job) == 0) stale[attempt.job] = std::max(stale[attempt.job], attempt.deployment);
  }
  return stale;
}

void DispatcherImpl::OnProcessCleaned(const cluster::ProcessKey& process, const JobId& id, DeploymentNumber up_to) {
  if (JobMaster* job = FindJob(id)) job->OnProcessCleaned(process, up_to);
}

void DispatcherImpl::OnProcessLost(const cluster::ProcessKey& process) {
  slots_.DropProcess(process);
  for (JobMaster* job : JobsByAge()) job->OnProcessLost(process);
}

void DispatcherImpl::OnTaskReport(const cluster::ProcessKey& process, const wire::TaskReport& report) {
  if (JobMaster* job = FindJob(report.attempt.job)) job->OnTaskReport(process, report);
}

void DispatcherImpl::OnHeartbeat(const cluster::ProcessKey& process, const wire::HeartbeatRequest& heartbeat) {
  CleanStale(process, heartbeat);
  for (JobMaster* job : JobsByAge()) job->OnHeartbeat(process, heartbeat);
}

void DispatcherImpl::CleanStale(const cluster::ProcessKey& process, const wire::HeartbeatRequest& heartbeat) {
  std::vector<AttemptId> running;
  for (const wire::TaskReport& report : heartbeat.tasks) {
    if (report.state == wire::TaskState::kDeploying || report.state == wire::TaskState::kRunning) running.push_back(report.attempt);
  }
  std::set<JobId> named;
  for (const AttemptId& attempt : running) named.insert(attempt.job);
  for (const JobId& id : named) {
    DeploymentNumber up_to = 0;
    if (const JobMaster* job = FindJob(id)) {
      up_to = job->StaleOn(process, running);
    } else {
      for (const AttemptId& attempt : running) up_to = attempt.job == id ? std::max(up_to, attempt.deployment) : up_to;
    }
    if (up_to != 0) registry_.Clean(process, id, up_to);
  }
}

void DispatcherImpl::OnSubmissionEnded(Submission* submission) {
  const auto found = std::find_if(submissions_.begin(), submissions_.end(), [&](const auto& s) { return s.get() == submission; });
  if (found == submissions_.end()) return;
  services_.executor->Post([ended = std::shared_ptr<Submission>(std::move(*found))] {});  // it is running further up the stack
  submissions_.erase(found);
}

Result<Submission*> DispatcherImpl::AddSubmission(SubmitRequest request) {
  std::size_t waiting_bytes = request.job_file.size();
  for (const auto& submission : submissions_) waiting_bytes += submission->file_bytes();
  if (!submissions_.empty() && waiting_bytes > options_.most_waiting_bytes)
    return Error(ErrorCode::kTooManyRequests, fmt::format("{} submissions with large job files wait already.", submissions_.size()));
  Submission::Owner* const owner = this;
  submissions_.push_back(std::make_unique<Submission>(owner, &services_, options_.submit, JobId(random_->NextHex(32)), std::move(request)));
  return submissions_.back().get();
}

void DispatcherImpl::DoSubmit(SubmitRequest request, std::function<void(Result<SubmitAnswer>)> answer) {
  if (leadership_.deposed()) return answer(Error(ErrorCode::kDeposed, "Another JobManager leads; ask that one."));
  if (const Status recovered = CheckRecovered(); !recovered.ok()) return answer(recovered);
  if (!request.idempotency_key.empty()) {
    for (const auto& submission : submissions_) {
      if (submission->idempotency_key() == request.idempotency_key) return submission->AddAnswer(std::move(answer));
    }
  }
  const Result<Submission*> submission = AddSubmission(std::move(request));
  if (!submission.ok()) return answer(submission.status());
  (*submission)->Run(std::move(answer));
}

void DispatcherImpl::Submit(SubmitRequest request, std::function<void(Result<SubmitAnswer>)> answer) {
  mailbox_.Bind([this](SubmitRequest r, std::function<void(Result<SubmitAnswer>)> a) { DoSubmit(std::move(r), std::move(a)); })(
      std::move(request), std::move(answer));
}

void DispatcherImpl::Validate(SubmitRequest request, std::function<void(Result<std::shared_ptr<const plan::ExecutionPlan>>)> answer) {
  mailbox_.Bind([this](SubmitRequest r, Submission::PlanAnswer a) {
    r.idempotency_key.clear();
    const Result<Submission*> submission = AddSubmission(std::move(r));
    if (!submission.ok()) return a(submission.status());
    (*submission)->RunChecks(std::move(a));
  })(std::move(request), std::move(answer));
}

void DispatcherImpl::Cancel(JobId id, std::function<void(Result<JobState>)> answer) {
  mailbox_.Bind([this, id = std::move(id), answer = std::move(answer)] {
    if (JobMaster* job = FindJob(id)) {
      if (leadership_.deposed()) return answer(Error(ErrorCode::kDeposed, "Another JobManager leads; ask that one."));
      return job->Cancel(answer);
    }
    FindEnded(id, [id, answer](const Result<JobView>& ended) {
      if (!ended.ok()) return answer(ended.status());
      if (ended->state == JobState::kCanceled) return answer(ended->state);
      answer(Error(ErrorCode::kConflict, "Job " + id.str() + " cannot be cancelled: it is " + NameOf(ended->state) + "."));
    });
  })();
}

void DispatcherImpl::ListJobs(std::function<void(Result<std::vector<JobView>>)> answer) {
  mailbox_.Bind([this, answer = std::move(answer)] {
    if (const Status recovered = CheckRecovered(); !recovered.ok()) return answer(recovered);
    std::vector<JobView> views;
    for (const auto& [id, job] : jobs_) views.push_back(job->View(/*with_details=*/false));
    for (const auto& [id, view] : ended_before_) {
      if (jobs_.count(id) == 0) views.push_back(view);
    }
    std::sort(views.begin(), views.end(), [](const JobView& a, const JobView& b) {
      return a.start_wall_ms != b.start_wall_ms ? a.start_wall_ms > b.start_wall_ms : a.id < b.id;
    });
    for (JobView& view : views) view.exceptions.clear();
    answer(std::move(views));
  })();
}

void DispatcherImpl::GetJob(JobId id, std::function<void(Result<JobView>)> answer) {
  mailbox_.Bind([this, id = std::move(id), answer = std::move(answer)] {
    if (const JobMaster* job = FindJob(id)) return answer(job->View(/*with_details=*/true));
    FindEnded(id, answer);
  })();
}

void DispatcherImpl::ListTaskManagers(std::function<void(std::vector<TaskManagerView>)> answer) {
  mailbox_.Bind([this, answer = std::move(answer)] {
    std::vector<TaskManagerView> views;
    for (const auto& [id, entry] : registry_.entries()) {
      TaskManagerView view;
      view.id = id;
      view.host = entry.info.host;
      view.rpc_port = entry.info.rpc_port;
      view.exchange_port = entry.info.exchange_port;
      view.metrics_port = entry.info.metrics_port;
      view.slots = entry.info.slots;
      view.free_slots = slots_.free_slots(entry);
      view.status = NameOf(entry.status);
      view.version = entry.info.version;
      view.python_version = entry.info.python_version;
      view.last_heartbeat_wall_ms = entry.last_heartbeat_wall_ms;
      view.resident_bytes = entry.resident_bytes;
      view.worker_processes = entry.worker_processes;
      views.push_back(std::move(view));
    }
    answer(std::move(views));
  })();
}

ClusterView DispatcherImpl::Cluster() const {
  ClusterView view;
  for (const auto& [id, entry] : registry_.entries()) {
    ++view.total_task_managers;
    view.active_task_managers += entry.status == cluster::ProcessStatus::kActive ? 1 : 0;
  }
  view.total_slots = slots_.total_slots();
  view.available_slots = slots_.free_slots();
  view.total_jobs = static_cast<std::uint32_t>(jobs_.size() + ended_before_.size());
  for (const auto& [id, job] : jobs_) view.running_jobs += job->state() == JobState::kRunning ? 1 : 0;
  view.leader = leadership_.leading() && recovered_;
  view.leader_epoch = leadership_.grant().epoch;
  view.leader_address = view.leader ? leadership_.address() : std::string();  // before that it can only refuse
  view.store_reachable = leadership_.store_reachable();
  return view;
}

void DispatcherImpl::GetCluster(std::function<void(ClusterView)> answer) {
  mailbox_.Bind([this, answer = std::move(answer)] { answer(Cluster()); })();
}

void DispatcherImpl::SetMetrics() {
  if (!metrics_) return;
  std::map<JobState, std::size_t> by_state;
  for (const auto& [id, job] : jobs_) ++by_state[job->state()];
  for (const auto& [id, view] : ended_before_) ++by_state[view.state];
  metrics_->Set(Cluster(), by_state);
  mailbox_.After(kMetricsEvery, [this] { SetMetrics(); });
}

}  // namespace headrace::control::job
