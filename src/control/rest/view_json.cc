#include "control/rest/view_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/status.h"

namespace headrace::control::rest {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json TimeOrNull(std::int64_t wall_ms) { return wall_ms == 0 ? Json(nullptr) : Json(wall_ms); }

Json StatusFields(const job::JobView& job) {
  return {{"job_id", job.id.str()},
          {"job_name", job.name},
          {"status", job::NameOf(job.state)},
          {"reason", job.reason},
          {"start_time", TimeOrNull(job.start_wall_ms)},
          {"end_time", TimeOrNull(job.end_wall_ms)},
          {"status_since", TimeOrNull(job.state_since_wall_ms)},
          {"deployment", job.deployment},
          {"restarts", job.restarts},
          {"slots_needed", job.slots_needed}};
}

/// Sums over tasks.
struct Totals {
  std::uint64_t records_in = 0, records_out = 0, bytes_in = 0, bytes_out = 0, bad_records = 0, late_records = 0;
  std::uint32_t tasks = 0, running = 0;

  void Add(const job::SubtaskView& subtask) {
    records_in += subtask.metrics.records_in;
    records_out += subtask.metrics.records_out;
    bytes_in += subtask.metrics.bytes_in;
    bytes_out += subtask.metrics.bytes_out;
    bad_records += subtask.metrics.bad_records;
    late_records += subtask.metrics.late_records;
    ++tasks;
    running += subtask.state == wire::TaskState::kRunning ? 1 : 0;
  }
  Json ToJson() const {
    return {{"tasks", tasks},       {"running_tasks", running}, {"records_in", records_in},   {"records_out", records_out},
            {"bytes_in", bytes_in}, {"bytes_out", bytes_out},   {"bad_records", bad_records}, {"late_records", late_records}};
  }
};

Json SubtaskFields(const job::SubtaskView& subtask) {
  return {{"subtask", subtask.subtask},
          {"state", StateName(subtask.state)},
          {"task_manager", subtask.task_manager.str()},
          {"records_in", subtask.metrics.records_in},
          {"records_out", subtask.metrics.records_out},
          {"bytes_in", subtask.metrics.bytes_in},
          {"bytes_out", subtask.metrics.bytes_out},
          {"bad_records", subtask.metrics.bad_records},
          {"late_records", subtask.metrics.late_records},
          {"bad_record_samples", subtask.metrics.bad_record_samples},
          {"busy_ratio", subtask.metrics.busy_ratio},
          {"backpressured_ratio", subtask.metrics.backpressured_ratio},
          {"waiting_reason", subtask.metrics.waiting_reason}};
}

Json Vertices(const job::JobView& job, Totals* of_job) {
  Json vertices = Json::array();
  for (const job::VertexView& vertex : job.vertices) {
    Totals totals;
    Json subtasks = Json::array();
    for (const job::SubtaskView& subtask : vertex.subtasks) {
      totals.Add(subtask);
      of_job->Add(subtask);
      subtasks.push_back(SubtaskFields(subtask));
    }
    vertices.push_back({{"vertex", vertex.index},
                        {"name", vertex.name},
                        {"parallelism", vertex.parallelism},
                        {"metrics", totals.ToJson()},
                        {"subtasks", std::move(subtasks)}});
  }
  return vertices;
}

Json TaskManagerFields(const job::TaskManagerView& tm) {
  return {{"task_manager_id", tm.id.str()},
          {"host", tm.host},
          {"port", tm.rpc_port},
          {"exchange_port", tm.exchange_port},
          {"metrics_port", tm.metrics_port},
          {"task_slots", tm.slots},
          {"available_slots", tm.free_slots},
          {"status", tm.status},
          {"version", tm.version},
          {"python_version", tm.python_version},
          {"last_heartbeat", TimeOrNull(tm.last_heartbeat_wall_ms)},
          {"resident_bytes", tm.resident_bytes},
          {"worker_processes", tm.worker_processes}};
}

}  // namespace

std::string_view StateName(wire::TaskState state) {
  switch (state) {
    case wire::TaskState::kDeploying:
      return "DEPLOYING";
    case wire::TaskState::kRunning:
      return "RUNNING";
    case wire::TaskState::kFinished:
      return "FINISHED";
    case wire::TaskState::kFailed:
      return "FAILED";
    case wire::TaskState::kCanceled:
      return "CANCELED";
  }
  return "UNKNOWN";
}

std::string JobListJson(const std::vector<job::JobView>& jobs) {
  Json list = Json::array();
  for (const job::JobView& job : jobs) {
    list.push_back({{"job_id", job.id.str()},
                    {"job_name", job.name},
                    {"status", job::NameOf(job.state)},
                    {"start_time", TimeOrNull(job.start_wall_ms)},
                    {"end_time", TimeOrNull(job.end_wall_ms)},
                    {"reason", job.reason}});
  }
  return Dump({{"jobs", std::move(list)}});
}

std::string JobStatusJson(const job::JobView& job) {
  Totals totals;
  for (const job::VertexView& vertex : job.vertices) {
    for (const job::SubtaskView& subtask : vertex.subtasks) totals.Add(subtask);
  }
  Json json = StatusFields(job);
  json["metrics"] = totals.ToJson();
  return Dump(json);
}

std::string JobJson(const job::JobView& job) {
  Json json = StatusFields(job);
  Totals totals;
  Json vertices = Vertices(job, &totals);
  json["warnings"] = job.warnings;
  json["metrics"] = totals.ToJson();
  json["vertices"] = std::move(vertices);
  return Dump(json);
}

std::string JobPlanJson(const job::JobView& job) { return job.plan == nullptr ? "{}" : plan::ExplainJson(*job.plan); }

std::string JobConfigJson(const job::JobView& job) {
  if (job.plan == nullptr) return "{}";
  static constexpr const char* kRestart[] = {"default", "none", "fixed_delay", "exponential"};
  const plan::JobSettings& settings = job.plan->settings;
  return Dump({{"parallelism", settings.parallelism},
               {"max_parallelism", settings.max_parallelism},
               {"checkpoint_interval_ms", settings.checkpoint_interval_ms},
               {"restart_strategy", kRestart[static_cast<int>(settings.restart.kind)]}});
}

std::string JobMetricsJson(const job::JobView& job) {
  Totals totals;
  Json vertices = Vertices(job, &totals);
  return Dump({{"job_id", job.id.str()}, {"metrics", totals.ToJson()}, {"vertices", std::move(vertices)}});
}

std::string JobExceptionsJson(const job::JobView& job) {
  Json list = Json::array();
  for (const job::ExceptionEntry& entry : job.exceptions) {
    list.push_back(
        {{"time", entry.wall_time_ms},
         {"code", CodeName(static_cast<ErrorCode>(entry.failure.code))},
         {"message", entry.failure.message},
         {"hint", entry.failure.hint.empty() ? std::string(InfoOf(static_cast<ErrorCode>(entry.failure.code)).hint) : entry.failure.hint},
         {"traceback", entry.failure.traceback},
         {"location", entry.failure.user_location},
         {"operator_name", entry.failure.operator_name},
         {"operator_uid", entry.failure.operator_uid},
         {"task", entry.task_name},
         {"task_manager", entry.task_manager},
         {"deployment", entry.deployment}});
  }
  return Dump({{"job_id", job.id.str()}, {"exceptions", std::move(list)}});
}

std::string ValidatedJson(const plan::ExecutionPlan& plan) { return "{\"valid\":true,\"plan\":" + plan::ExplainJson(plan) + "}"; }

std::string SubmittedJson(const job::SubmitAnswer& answer) {
  return Dump({{"job_id", answer.job.str()}, {"status", job::NameOf(answer.status)}, {"warnings", answer.warnings}});
}

std::string CancelledJson(const JobId& job, job::JobState state) {
  return Dump({{"job_id", job.str()}, {"status", job::NameOf(state)}, {"savepoint_path", nullptr}});
}

std::string TaskManagerListJson(const std::vector<job::TaskManagerView>& task_managers) {
  Json list = Json::array();
  for (const auto& task_manager : task_managers) list.push_back(TaskManagerFields(task_manager));
  return Dump({{"task_managers", std::move(list)}});
}

std::string TaskManagerJson(const job::TaskManagerView& task_manager) { return Dump(TaskManagerFields(task_manager)); }

std::string ClusterJson(const job::ClusterView& cluster) {
  const std::uint32_t used = cluster.total_slots - std::min(cluster.available_slots, cluster.total_slots);
  return Dump({{"total_task_managers", cluster.total_task_managers},
               {"active_task_managers", cluster.active_task_managers},
               {"total_slots", cluster.total_slots},
               {"available_slots", cluster.available_slots},
               {"utilization", cluster.total_slots == 0 ? 0.0 : static_cast<double>(used) / cluster.total_slots},
               {"total_jobs", cluster.total_jobs},
               {"running_jobs", cluster.running_jobs}});
}

std::string LeaderJson(const job::ClusterView& cluster) {
  return Dump({{"leader", cluster.leader}, {"epoch", cluster.leader_epoch}, {"address", cluster.leader_address}});
}

}  // namespace headrace::control::rest
