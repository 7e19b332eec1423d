#include "wire/cluster_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "proto/call.pb.h"
#include "proto/cluster.pb.h"
#include "wire/plan_message.h"

namespace headrace::wire {
namespace {

constexpr std::size_t kMaxMessage = 4 << 10, kMaxTraceback = 16 << 10, kMaxName = 1 << 10, kMaxSample = 400, kMaxSamples = 5;
// A heartbeat that is too large to be sent would make its process count as lost.
constexpr std::size_t kMaxHeartbeatTexts = 1 << 20;

std::string Cut(const std::string& text, std::size_t most) { return text.size() <= most ? text : text.substr(0, most) + "..."; }

Status Broken(std::string what) { return Error(ErrorCode::kBadRequest, std::move(what)); }

Result<std::uint16_t> Port(std::uint32_t number) {
  if (number > 65'535) return Broken(fmt::format("{} is not a port", number));
  return static_cast<std::uint16_t>(number);
}

proto::TaskState StateToMessage(TaskState state) {
  switch (state) {
    case TaskState::kDeploying:
      return proto::TASK_STATE_DEPLOYING;
    case TaskState::kRunning:
      return proto::TASK_STATE_RUNNING;
    case TaskState::kFinished:
      return proto::TASK_STATE_FINISHED;
    case TaskState::kFailed:
      return proto::TASK_STATE_FAILED;
    case TaskState::kCanceled:
      return proto::TASK_STATE_CANCELED;
  }
  return proto::TASK_STATE_DEPLOYING;
}

Result<TaskState> StateFromMessage(proto::TaskState state) {
  switch (state) {
    case proto::TASK_STATE_DEPLOYING:
      return TaskState::kDeploying;
    case proto::TASK_STATE_RUNNING:
      return TaskState::kRunning;
    case proto::TASK_STATE_FINISHED:
      return TaskState::kFinished;
    case proto::TASK_STATE_FAILED:
      return TaskState::kFailed;
    case proto::TASK_STATE_CANCELED:
      return TaskState::kCanceled;
    default:
      return Broken(fmt::format("{} is not a task state", static_cast<int>(state)));
  }
}

using AlignedMessages = google::protobuf::RepeatedPtrField<proto::AlignedWatermark>;

void AlignedToMessage(const std::vector<AlignedWatermark>& aligned, AlignedMessages* messages) {
  for (const AlignedWatermark& watermark : aligned) {
    auto* added = messages->Add();
    added->set_job(watermark.job.str());
    added->set_group(watermark.group);
    added->set_watermark_ms(watermark.watermark_ms);
  }
}

std::vector<AlignedWatermark> AlignedFromMessage(const AlignedMessages& messages) {
  std::vector<AlignedWatermark> aligned;
  for (const auto& message : messages) aligned.push_back({JobId(message.job()), message.group(), message.watermark_ms()});
  return aligned;
}

void MetricsToMessage(const TaskMetrics& metrics, proto::TaskMetrics* message) {
  ToMessage(metrics.attempt, message->mutable_attempt());
  message->set_records_in(metrics.records_in);
  message->set_records_out(metrics.records_out);
  message->set_bytes_in(metrics.bytes_in);
  message->set_bytes_out(metrics.bytes_out);
  message->set_bad_records(metrics.bad_records);
  message->set_late_records(metrics.late_records);
  message->set_busy_ratio(metrics.busy_ratio);
  message->set_backpressured_ratio(metrics.backpressured_ratio);
  message->set_waiting_reason(Cut(metrics.waiting_reason, kMaxName));
  for (std::size_t i = 0; i < std::min(metrics.bad_record_samples.size(), kMaxSamples); ++i)
    message->add_bad_record_samples(Cut(metrics.bad_record_samples[i], kMaxSample));
  if (!metrics.event_time) return;
  auto* event_time = message->mutable_event_time();
  if (metrics.event_time->watermark_ms) event_time->set_watermark_ms(*metrics.event_time->watermark_ms);
  event_time->set_idle(metrics.event_time->idle);
  event_time->set_held_by(Cut(metrics.event_time->held_by, kMaxName));
  if (metrics.event_time->held_at_ms) event_time->set_held_at_ms(*metrics.event_time->held_at_ms);
  event_time->set_held_since_ms(metrics.event_time->held_since_wall_ms);
  for (std::size_t i = 0; i < std::min(metrics.event_time->paused.size(), kMaxSamples); ++i)
    event_time->add_paused(Cut(metrics.event_time->paused[i], kMaxName));
}

TaskMetrics MetricsFromMessage(const proto::TaskMetrics& message) {
  TaskMetrics metrics;
  metrics.attempt = FromMessage(message.attempt());
  metrics.records_in = message.records_in();
  metrics.records_out = message.records_out();
  metrics.bytes_in = message.bytes_in();
  metrics.bytes_out = message.bytes_out();
  metrics.bad_records = message.bad_records();
  metrics.late_records = message.late_records();
  metrics.busy_ratio = message.busy_ratio();
  metrics.backpressured_ratio = message.backpressured_ratio();
  metrics.waiting_reason = message.waiting_reason();
  metrics.bad_record_samples = {message.bad_record_samples().begin(), message.bad_record_samples().end()};
  if (!message.has_event_time()) return metrics;
  const proto::TaskEventTime& event_time = message.event_time();
  auto& taken = metrics.event_time.emplace();
  if (event_time.has_watermark_ms()) taken.watermark_ms = event_time.watermark_ms();
  taken.idle = event_time.idle();
  taken.held_by = event_time.held_by();
  if (event_time.has_held_at_ms()) taken.held_at_ms = event_time.held_at_ms();
  taken.held_since_wall_ms = event_time.held_since_ms();
  taken.paused = {event_time.paused().begin(), event_time.paused().end()};
  return metrics;
}

void ReportToMessage(const TaskReport& report, proto::TaskReport* message) {
  ToMessage(report.attempt, message->mutable_attempt());
  message->set_state(StateToMessage(report.state));
  if (report.metrics) {
    MetricsToMessage(*report.metrics, message->mutable_metrics());
    message->mutable_metrics()->clear_attempt();
  }
  if (report.state != TaskState::kFailed) return;
  proto::TaskFailure* failure = message->mutable_failure();
  failure->set_code(static_cast<std::uint32_t>(report.failure.code));
  failure->set_message(Cut(report.failure.message, kMaxMessage));
  failure->set_traceback(Cut(report.failure.traceback, kMaxTraceback));
  failure->set_user_location(Cut(report.failure.user_location, kMaxName));
  failure->set_operator_name(Cut(report.failure.operator_name, kMaxName));
  failure->set_operator_uid(Cut(report.failure.operator_uid, kMaxName));
  failure->set_hint(Cut(report.failure.hint, kMaxSample));
}

/// Takes the size of the texts out of `room`; with too little left, what ReportTask has carried whole is left out.
void FitInto(std::size_t* room, proto::TaskFailure* failure) {
  if (failure->ByteSizeLong() > *room) {
    failure->clear_traceback();
    failure->set_message(Cut(failure->message(), kMaxSample));
  }
  *room -= std::min(*room, failure->ByteSizeLong());
}

Result<TaskReport> ReportFromMessage(const proto::TaskReport& message) {
  TaskReport report;
  report.attempt = FromMessage(message.attempt());
  HR_ASSIGN_OR_RAISE(report.state, StateFromMessage(message.state()));
  const proto::TaskFailure& failure = message.failure();
  report.failure = {static_cast<int>(failure.code()), failure.message(),      failure.traceback(), failure.user_location(),
                    failure.operator_name(),          failure.operator_uid(), failure.hint()};
  if (message.has_metrics()) {
    report.metrics = MetricsFromMessage(message.metrics());
    report.metrics->attempt = report.attempt;
  }
  return report;
}

}  // namespace

void ToMessage(const LeaderToken& token, proto::LeaderToken* message) {
  message->set_epoch(token.epoch);
  message->set_holder(token.holder.str());
}

LeaderToken FromMessage(const proto::LeaderToken& message) { return {message.epoch(), Incarnation(message.holder())}; }

void ToMessage(const RegisterRequest& request, proto::RegisterRequest* message) {
  message->set_id(request.id.str());
  message->set_incarnation(request.incarnation.str());
  message->set_host(request.host);
  message->set_rpc_port(request.rpc_port);
  message->set_exchange_port(request.exchange_port);
  message->set_metrics_port(request.metrics_port);
  message->set_slots(request.slots);
  message->set_version(request.version);
  message->set_python_version(request.python_version);
  for (const AttemptId& attempt : request.running) ToMessage(attempt, message->add_running());
  ToMessage(request.highest_leader, message->mutable_highest_leader());
}

Result<RegisterRequest> FromMessage(const proto::RegisterRequest& message) {
  RegisterRequest request;
  request.id = TaskManagerId(message.id());
  request.incarnation = Incarnation(message.incarnation());
  request.host = message.host();
  HR_ASSIGN_OR_RAISE(request.rpc_port, Port(message.rpc_port()));
  HR_ASSIGN_OR_RAISE(request.exchange_port, Port(message.exchange_port()));
  HR_ASSIGN_OR_RAISE(request.metrics_port, Port(message.metrics_port()));
  request.slots = message.slots();
  request.version = message.version();
  request.python_version = message.python_version();
  for (const proto::AttemptId& attempt : message.running()) request.running.push_back(FromMessage(attempt));
  request.highest_leader = FromMessage(message.highest_leader());
  if (request.id.empty() || request.incarnation.empty()) return Broken("a TaskManager registers with an id and an incarnation");
  return request;
}

void ToMessage(const RegisterReply& reply, proto::RegisterReply* message) {
  ToMessage(reply.leader, message->mutable_leader());
  message->set_heartbeat_interval_ms(reply.heartbeat_interval_ms);
  message->set_heartbeat_timeout_ms(reply.heartbeat_timeout_ms);
}

RegisterReply FromMessage(const proto::RegisterReply& message) {
  return {FromMessage(message.leader()), message.heartbeat_interval_ms(), message.heartbeat_timeout_ms()};
}

void ToMessage(const HeartbeatRequest& request, proto::HeartbeatRequest* message) {
  message->set_id(request.id.str());
  message->set_incarnation(request.incarnation.str());
  message->set_sequence(request.sequence);
  std::size_t room = kMaxHeartbeatTexts;
  for (const TaskReport& report : request.tasks) {
    proto::TaskReport* added = message->add_tasks();
    ReportToMessage(report, added);
    if (added->has_failure()) FitInto(&room, added->mutable_failure());
  }
  for (const TaskMetrics& metrics : request.metrics) MetricsToMessage(metrics, message->add_metrics());
  message->set_resident_bytes(request.resident_bytes);
  message->set_worker_processes(request.worker_processes);
  AlignedToMessage(request.aligned, message->mutable_aligned());
  ToMessage(request.highest_leader, message->mutable_highest_leader());
}

Result<HeartbeatRequest> FromMessage(const proto::HeartbeatRequest& message) {
  HeartbeatRequest request;
  request.id = TaskManagerId(message.id());
  request.incarnation = Incarnation(message.incarnation());
  request.sequence = message.sequence();
  for (const proto::TaskReport& report : message.tasks()) {
    HR_ASSIGN_OR_RAISE(TaskReport decoded, ReportFromMessage(report));
    request.tasks.push_back(std::move(decoded));
  }
  for (const proto::TaskMetrics& metrics : message.metrics()) request.metrics.push_back(MetricsFromMessage(metrics));
  request.resident_bytes = message.resident_bytes();
  request.worker_processes = message.worker_processes();
  request.aligned = AlignedFromMessage(message.aligned());
  request.highest_leader = FromMessage(message.highest_leader());
  return request;
}

void ToMessage(const HeartbeatReply& reply, proto::HeartbeatReply* message) {
  ToMessage(reply.leader, message->mutable_leader());
  message->set_known(reply.known);
  AlignedToMessage(reply.aligned, message->mutable_aligned());
}

HeartbeatReply FromMessage(const proto::HeartbeatReply& message) {
  return {FromMessage(message.leader()), message.known(), AlignedFromMessage(message.aligned())};
}

void ToMessage(const TaskManagerId& id, const Incarnation& incarnation, const TaskReport& report, proto::ReportTaskRequest* message) {
  message->set_id(id.str());
  message->set_incarnation(incarnation.str());
  ReportToMessage(report, message->mutable_report());
}

Result<TaskReport> FromMessage(const proto::ReportTaskRequest& message) { return ReportFromMessage(message.report()); }

void ToMessage(const Status& reason, bool unknown, proto::Refusal* message) {
  const ErrorDetail* detail = ErrorDetail::Of(reason);
  message->set_code(static_cast<std::uint32_t>(CodeOf(reason)));
  message->set_message(Cut(reason.message(), kMaxTraceback));
  if (detail != nullptr) message->set_hint(Cut(std::string(detail->hint()), kMaxMessage));
  message->set_unknown(unknown);
}

Status FromMessage(const proto::Refusal& message) {
  return Error(static_cast<ErrorCode>(message.code()), message.message(), message.hint());
}

}  // namespace headrace::wire
