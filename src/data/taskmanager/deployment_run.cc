#include "data/taskmanager/deployment_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>
#include <thread>
#include <utility>

#include "base/logging.h"

namespace headrace::data::taskmanager {

namespace {

wire::TaskFailure ToWire(const task::TaskFailure& failure) {
  return {static_cast<int>(failure.code), failure.message,      failure.traceback, failure.user_location,
          failure.operator_name,          failure.operator_uid, failure.hint};
}

exchange::PartitioningScheme SchemeOf(plan::Partitioning partitioning) {
  switch (partitioning) {
    case plan::Partitioning::kHash:
      return exchange::PartitioningScheme::kHash;
    case plan::Partitioning::kRebalance:
      return exchange::PartitioningScheme::kRebalance;
    case plan::Partitioning::kBroadcast:
      return exchange::PartitioningScheme::kBroadcast;
    case plan::Partitioning::kAuto:
    case plan::Partitioning::kForward:
      break;
  }
  return exchange::PartitioningScheme::kForward;
}

/// Python stages that one subtask of every vertex loads: what a worker must be able to have in flight.
std::uint32_t StagesPerSlot(const plan::ExecutionPlan& plan) {
  std::uint32_t stages = 0;
  for (const auto& vertex : plan.vertices) {
    for (const auto& op : vertex.operators) stages += op.python() != nullptr ? 1 : 0;
  }
  return stages;
}

}  // namespace

DeploymentRun::DeploymentRun(plan::JobDeployment deployment, const TaskManagerOptions* options, const TaskManagerParts* parts,
                             std::shared_ptr<CallbackGate> gate, Callbacks callbacks)
    : deployment_(std::move(deployment)), options_(options), parts_(parts), gate_(std::move(gate)), callbacks_(std::move(callbacks)) {
  environment_.task_manager = options_->id.str();
  environment_.native_libraries = options_->native_libraries;
  environment_.cut_batches_seed = options_->cut_batches_seed;
  environment_.pre_aggregates = options_->pre_aggregates;
  environment_.metrics = parts_->metrics;
  environment_.connectors = parts_->connectors;
  environment_.clock = &parts_->executor->clock();
  environment_.on_collected = parts_->on_collected;
  environment_.alignment = &alignment_;
}

DeploymentRun::~DeploymentRun() = default;

void DeploymentRun::Start(std::vector<std::string> sys_path) {
  if (cancelled_) return Close();
  if (!deployment_.plan->has_python) return OnPool(std::shared_ptr<python::WorkerPool>());
  parts_->blocking->Post([this, gate = gate_, start = parts_->start_pool, options = PoolOptions(std::move(sys_path))] {
    auto made = start(options);
    Result<std::shared_ptr<python::WorkerPool>> pool =
        made.ok() ? Result<std::shared_ptr<python::WorkerPool>>(std::move(*made)) : made.status();
    gate->Post([this, pool = std::move(pool)] { OnPool(pool); });
  });
}

python::WorkerPoolOptions DeploymentRun::PoolOptions(std::vector<std::string> sys_path) const {
  std::set<std::uint32_t> slots;
  for (const auto& task : deployment_.tasks) slots.insert(task.slot);
  const std::uint32_t wanted = options_->python_workers != 0 ? options_->python_workers : std::max(1u, std::thread::hardware_concurrency());
  python::WorkerPoolOptions pool;
  pool.python_executable = options_->python_executable;
  pool.job_id = deployment_.job.str();
  pool.sys_path = std::move(sys_path);
  pool.workers = std::clamp(wanted, 1u, std::max(1u, static_cast<std::uint32_t>(slots.size())));
  const auto slots_per_worker = static_cast<std::uint32_t>((slots.size() + pool.workers - 1) / pool.workers);
  pool.arenas_per_worker = std::clamp(3 * StagesPerSlot(*deployment_.plan) * std::max(1u, slots_per_worker), 4u, 48u);
  pool.batch_timeout_ms = options_->python_batch_timeout_ms;
  pool.start_timeout_ms = options_->python_start_timeout_ms;
  return pool;
}

void DeploymentRun::FailStart(const Status& why) {
  if (start_failure_.ok()) start_failure_ = why;
  cancelled_ = true;
  Close();
}

void DeploymentRun::OnPool(Result<std::shared_ptr<python::WorkerPool>> pool) {
  if (pool.ok()) pool_ = std::move(*pool);
  if (cancelled_) return Close();
  environment_.pool = pool_.get();
  const Status built = pool.ok() ? BuildTasks() : pool.status();
  if (!built.ok()) {
    LogWarn("taskmanager", fmt::format("deployment {} could not be started: {}", deployment_.deployment, built.message()),
            {{"job_id", deployment_.job.str()}});
    return FailStart(built);
  }
  phase_ = Phase::kRunning;
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    tasks_[i]->started = true;
    ++live_;
    // Subtasks of one slot go to one loop as far as there are enough: the slot is what placement balances.
    parts_->runners[tasks_[i]->deployment->slot % parts_->runners.size()]->Start(tasks_[i]->handle);
  }
  start_answered_ = true;
  callbacks_.on_started(Status::OK());
  if (tasks_.empty()) Drained();
}

Status DeploymentRun::BuildTasks() {
  for (const auto& task : deployment_.tasks) {
    auto entry = std::make_unique<TaskEntry>();
    entry->deployment = &task;
    entry->handle = std::make_shared<task::TaskHandle>();
    entry->vitals = std::make_shared<task::TaskVitals>();
    entry->report = {task.attempt, wire::TaskState::kDeploying, {}, {}};
    tasks_.push_back(std::move(entry));
  }
  // All inputs are announced before the first output asks for one.
  for (auto& entry : tasks_) HR_RETURN_NOT_OK(RegisterInputs(*entry));
  for (auto& entry : tasks_) HR_RETURN_NOT_OK(BuildTask(*entry));
  return Status::OK();
}

Status DeploymentRun::RegisterInputs(TaskEntry& entry) {
  for (const auto& input : entry.deployment->inputs) {
    if (input.channel.edge >= deployment_.plan->edges.size()) return Status::Invalid("the plan has no edge ", input.channel.edge);
    const exchange::ChannelId id{deployment_.job, deployment_.deployment, input.channel.edge, input.channel.producer_subtask,
                                 input.channel.consumer_subtask};
    HR_ASSIGN_OR_RAISE(auto channel, parts_->exchange->RegisterInput(id, options_->channel_credit_bytes, entry.handle.get()));
    entry.inputs.push_back(std::move(channel));
  }
  return Status::OK();
}

Result<std::vector<task::EdgeOutput>> DeploymentRun::OpenOutputs(TaskEntry& entry) {
  std::map<std::uint32_t, std::vector<const plan::ChannelPeer*>> edges;
  for (const auto& output : entry.deployment->outputs) {
    if (output.channel.edge >= deployment_.plan->edges.size()) return Status::Invalid("the plan has no edge ", output.channel.edge);
    edges[output.channel.edge].push_back(&output);
  }
  std::vector<task::EdgeOutput> outputs;
  for (auto& [edge, peers] : edges) {
    // Channel i of the partitioner is the consumer's subtask i.
    std::sort(peers.begin(), peers.end(),
              [](const auto* a, const auto* b) { return a->channel.consumer_subtask < b->channel.consumer_subtask; });
    exchange::PartitionerOptions partitioning;
    partitioning.scheme = SchemeOf(deployment_.plan->edges[edge].partitioning);
    partitioning.channels = static_cast<std::uint32_t>(peers.size());
    partitioning.max_parallelism = deployment_.plan->settings.max_parallelism;
    partitioning.hash_columns = deployment_.plan->edges[edge].hash_columns;
    partitioning.first_channel = entry.deployment->attempt.subtask % partitioning.channels;
    std::vector<std::shared_ptr<exchange::OutputChannel>> channels;
    for (const auto* peer : peers) {
      const exchange::ChannelId id{deployment_.job, deployment_.deployment, edge, peer->channel.producer_subtask,
                                   peer->channel.consumer_subtask};
      const exchange::Endpoint endpoint{peer->peer.task_manager.str(), peer->peer.incarnation.str(), peer->peer.host, peer->peer.port};
      HR_ASSIGN_OR_RAISE(auto channel, parts_->exchange->OpenOutput(id, endpoint, options_->channel_open_timeout_ms, entry.handle.get()));
      partitioning.sharing.push_back(channel->shares_batches());
      entry.outputs.push_back(channel);
      channels.push_back(std::move(channel));
    }
    HR_ASSIGN_OR_RAISE(auto partitioner, parts_->make_partitioner(partitioning));
    outputs.emplace_back(std::move(partitioner), std::move(channels), deployment_.plan->edges[edge].tag);
  }
  return outputs;
}

Status DeploymentRun::BuildTask(TaskEntry& entry) {
  task::TaskSpec spec;
  spec.plan = deployment_.plan;
  spec.attempt = entry.deployment->attempt;
  spec.slot = entry.deployment->slot;
  spec.sources = entry.deployment->sources;
  HR_ASSIGN_OR_RAISE(auto parts, task::BuildParts(spec, environment_, entry.vitals.get(), entry.handle.get()));
  task::Task::Channels channels;
  for (std::size_t i = 0; i < entry.inputs.size(); ++i) {
    channels.inputs.push_back({deployment_.plan->edges[entry.deployment->inputs[i].channel.edge].input_index, entry.inputs[i]});
  }
  if (channels.inputs.empty() && parts.source.reader == nullptr)
    return Status::Invalid("vertex ", spec.vertex().name, " has neither a source nor an input");
  HR_ASSIGN_OR_RAISE(channels.outputs, OpenOutputs(entry));
  const std::size_t index = static_cast<std::size_t>(
      std::find_if(tasks_.begin(), tasks_.end(), [&](const auto& other) { return other.get() == &entry; }) - tasks_.begin());
  auto task = std::make_unique<task::Task>(std::move(spec), std::move(parts), std::move(channels), entry.vitals, entry.handle.get(),
                                           &parts_->executor->clock(),
                                           [this, gate = gate_, index] { gate->Post([this, index] { OnRunning(index); }); });
  entry.task = task.get();
  entry.handle->SetTask(std::move(task), [this, gate = gate_, index](const std::shared_ptr<task::TaskHandle>&) {
    gate->Post([this, index] { OnDone(index); });
  });
  return Status::OK();
}

void DeploymentRun::OnRunning(std::size_t index) {
  TaskEntry& entry = *tasks_[index];
  if (entry.done || entry.report.state != wire::TaskState::kDeploying) return;
  entry.report.state = wire::TaskState::kRunning;
  callbacks_.on_report(entry.report);
}

void DeploymentRun::OnDone(std::size_t index) {
  TaskEntry& entry = *tasks_[index];
  switch (entry.task->outcome()) {
    case task::TaskOutcome::kFinished:
      entry.report.state = wire::TaskState::kFinished;
      break;
    case task::TaskOutcome::kFailed:
      entry.report.state = wire::TaskState::kFailed;
      entry.report.failure = ToWire(entry.task->failure());
      LogWarn("taskmanager", fmt::format("task {} failed: {}", entry.report.attempt.ToString(), entry.report.failure.message),
              {{"job_id", deployment_.job.str()}});
      break;
    case task::TaskOutcome::kNone:
    case task::TaskOutcome::kCanceled:
      entry.report.state = wire::TaskState::kCanceled;
      break;
  }
  entry.done = true;
  entry.task = nullptr;
  entry.report.metrics = CountsOf(entry);
  parts_->blocking->Post([handle = entry.handle] { handle->DestroyTask(); });
  --live_;
  callbacks_.on_report(entry.report);
  if (live_ == 0) Drained();
}

void DeploymentRun::Drained() {
  if (phase_ == Phase::kRunning) phase_ = Phase::kDrained;
  // Behind the destruction of the tasks, whose stages use it.
  if (pool_ != nullptr) {
    pool_->RequestStop();
    parts_->blocking->Post([pool = std::move(pool_)]() mutable {
      pool->Join();
      pool.reset();
    });
  }
  if (cancelled_) Close();
}

void DeploymentRun::Cancel() {
  if (cancelled_) return;
  cancelled_ = true;
  if (phase_ == Phase::kPreparing) return;  // archives or workers are on their way: Start(), FailStart() or OnPool() closes
  if (phase_ == Phase::kDrained) return Close();
  for (auto& entry : tasks_) {
    if (!entry->done) entry->task->RequestCancel();
  }
  if (pool_ != nullptr) pool_->RequestStop();
}

void DeploymentRun::Close() {
  if (phase_ == Phase::kClosing || phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosing;
  // Tasks that were built and never started.
  for (auto& entry : tasks_) {
    if (!entry->started) parts_->blocking->Post([handle = entry->handle] { handle->DestroyTask(); });
  }
  if (pool_ != nullptr) {
    pool_->RequestStop();
    parts_->blocking->Post([pool = std::move(pool_)]() mutable { pool.reset(); });
  }
  parts_->blocking->Post([this, gate = gate_, exchange = parts_->exchange, job = deployment_.job, number = deployment_.deployment] {
    exchange->Release(job, number);
    gate->Post([this] {
      tasks_.clear();
      gauges_.clear();
      phase_ = Phase::kClosed;
      // A refusal promises that nothing is left, so it waits until that is true.
      if (!start_answered_)
        callbacks_.on_started(start_failure_.ok() ? Error(ErrorCode::kStaleAttempt, "the deployment was cancelled while it started")
                                                  : start_failure_);
      callbacks_.on_closed();
    });
  });
}

void DeploymentRun::FailAll(const Status& why) {
  if (phase_ == Phase::kPreparing && !cancelled_) {  // what it waits for calls Start(), FailStart() or OnPool(), which close it
    start_failure_ = Error(ErrorCode::kNotReady, why.message());  // kTaskManagerLost would say that the process is gone
    cancelled_ = true;
  }
  for (auto& entry : tasks_) {
    if (entry->started && !entry->done) entry->task->RequestFail(why);
  }
}

Status DeploymentRun::AddSplits(const AttemptId& attempt, plan::SourceAssignment assignment) {
  for (auto& entry : tasks_) {
    if (entry->deployment->attempt != attempt) continue;
    if (!entry->started || entry->done) return Error(ErrorCode::kStaleAttempt, "the attempt does not run any more");
    entry->task->AddSplits(std::move(assignment));
    return Status::OK();
  }
  return Error(ErrorCode::kStaleAttempt, "no such attempt runs here");
}

std::vector<wire::TaskReport> DeploymentRun::Reports() const {
  std::vector<wire::TaskReport> reports;
  for (const auto& entry : tasks_) reports.push_back(entry->report);
  return reports;
}

wire::TaskMetrics DeploymentRun::CountsOf(TaskEntry& entry) const {
  task::TaskVitals& vitals = *entry.vitals;
  wire::TaskMetrics metrics;
  metrics.attempt = entry.report.attempt;
  metrics.records_in = vitals.records_in.load();
  metrics.records_out = vitals.records_out.load();
  metrics.bytes_in = vitals.bytes_in.load();
  metrics.bytes_out = vitals.bytes_out.load();
  metrics.bad_records = vitals.bad_records.load();
  metrics.late_records = vitals.late_records.load();
  metrics.bad_record_samples = vitals.TakeSamples();
  time::EventTimeReport event_time = vitals.event_time.report();
  if (event_time.watermark_ms || event_time.idle || !event_time.held_by.empty())
    metrics.event_time = {event_time.watermark_ms,       event_time.idle,
                          std::move(event_time.held_by), event_time.held_at_ms,
                          event_time.held_since_wall_ms, std::move(event_time.paused)};
  return metrics;
}

std::vector<wire::TaskMetrics> DeploymentRun::Metrics() {
  std::vector<wire::TaskMetrics> all;
  std::map<VertexIndex, Sum> sums;
  const MonotonicTime now = parts_->executor->clock().Now();
  for (auto& entry : tasks_) {
    Sum& sum = sums[entry->report.attempt.vertex];
    ++sum.tasks;
    if (entry->done) continue;  // its numbers are in its report
    wire::TaskMetrics metrics = CountsOf(*entry);
    const auto times = entry->vitals->TimesUntil(now);
    const auto seen = std::exchange(entry->seen, times);
    // A wait that was counted until now may turn out to have ended with the step that runs.
    const auto spent = [](Duration until_now, Duration until_then) { return std::max(Duration{}, until_now - until_then); };
    const Duration busy = spent(times.busy, seen.busy), backpressured = spent(times.backpressured, seen.backpressured);
    const auto total = static_cast<double>((busy + backpressured + spent(times.idle, seen.idle)).count());
    if (total > 0) {
      metrics.busy_ratio = static_cast<double>(busy.count()) / total;
      metrics.backpressured_ratio = static_cast<double>(backpressured.count()) / total;
    }
    metrics.waiting_reason = entry->vitals->waiting_reason();
    sum.busy += metrics.busy_ratio;
    sum.backpressured += metrics.backpressured_ratio;
    sum.state_bytes += static_cast<double>(entry->vitals->state_bytes.load());
    if (metrics.event_time && !metrics.event_time->idle && metrics.event_time->watermark_ms)
      sum.watermark_ms = std::min(sum.watermark_ms.value_or(std::numeric_limits<std::int64_t>::max()), *metrics.event_time->watermark_ms);
    all.push_back(std::move(metrics));
  }
  if (parts_->metrics != nullptr) ShowGauges(sums);
  return all;
}

MetricLabels DeploymentRun::LabelsOf(VertexIndex vertex) const {
  return {{"job_id", deployment_.job.str()},
          {"job_name", deployment_.plan->job_name},
          {"operator", deployment_.plan->vertices[vertex].name},
          {"tm", options_->id.str()}};
}

void DeploymentRun::ShowGauges(const std::map<VertexIndex, Sum>& sums) {
  for (const auto& [vertex, sum] : sums) {
    Gauges& gauges = gauges_[vertex];
    if (gauges.busy == nullptr) {
      const MetricLabels labels = LabelsOf(vertex);
      gauges.state_bytes = parts_->metrics->GetGauge("headrace_state_bytes", "Memory held by keyed state", labels);
      gauges.busy = parts_->metrics->GetGauge("headrace_busy_ratio", "Share of time spent working", labels);
      gauges.backpressured =
          parts_->metrics->GetGauge("headrace_backpressured_ratio", "Share of time spent waiting for slower consumers", labels);
      gauges.idle = parts_->metrics->GetGauge("headrace_idle_ratio", "Share of time spent waiting for input", labels);
    }
    gauges.state_bytes->Set(sum.state_bytes);
    if (sum.watermark_ms) {
      if (gauges.watermark_lag == nullptr)
        gauges.watermark_lag = parts_->metrics->GetGauge("headrace_watermark_lag_seconds",
                                                         "How far the least watermark is behind the clock", LabelsOf(vertex));
      gauges.watermark_lag->Set(static_cast<double>(parts_->executor->clock().WallTimeMs() - *sum.watermark_ms) / 1000);
    }
    gauges.busy->Set(sum.busy / sum.tasks);
    gauges.backpressured->Set(sum.backpressured / sum.tasks);
    gauges.idle->Set(1 - (sum.busy + sum.backpressured) / sum.tasks);
  }
}

std::uint32_t DeploymentRun::num_workers() const { return pool_ == nullptr ? 0 : static_cast<std::uint32_t>(pool_->pids().size()); }

std::string DeploymentRun::DescribeLive() const {
  std::string live;
  for (const auto& entry : tasks_) {
    if (!entry->done) live += (live.empty() ? "" : ", ") + entry->report.attempt.ToString();
  }
  return live.empty() ? "closing" : live;
}

}  // namespace headrace::data::taskmanager
