#include "control/job/execution_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace headrace::control::job {

using cluster::ProcessKey;
using wire::TaskState;

namespace {

constexpr std::size_t kSamplesKept = 10;

/// Takes newer numbers. A process sends each sample once, so those that it sent before stay.
void TakeMetrics(const wire::TaskMetrics& newer, wire::TaskMetrics* kept) {
  std::vector<std::string> samples = std::move(kept->bad_record_samples);
  *kept = newer;
  samples.insert(samples.end(), newer.bad_record_samples.begin(), newer.bad_record_samples.end());
  if (samples.size() > kSamplesKept) samples.erase(samples.begin(), samples.end() - kSamplesKept);
  kept->bad_record_samples = std::move(samples);
}

int Rank(TaskState state) { return state == TaskState::kDeploying ? 0 : state == TaskState::kRunning ? 1 : 2; }

}  // namespace

void ExecutionGraph::Reset(const JobId& job, DeploymentNumber deployment, std::shared_ptr<const plan::ExecutionPlan> plan,
                           const std::vector<schedule::SlotRef>& slots) {
  plan_ = std::move(plan);
  tasks_.clear();
  taken_ = false;
  for (const plan::ExecutionVertex& vertex : plan_->vertices) {
    for (std::uint32_t i = 0; i < vertex.parallelism; ++i) {
      TaskEntry entry;
      entry.attempt = AttemptId{job, deployment, vertex.index, i};
      entry.process = slots[i].process;
      entry.slot = slots[i].slot;
      tasks_.emplace(entry.attempt, std::move(entry));
    }
  }
}

bool ExecutionGraph::Apply(const ProcessKey& process, const wire::TaskReport& report) {
  const auto found = tasks_.find(report.attempt);
  if (found == tasks_.end() || found->second.process != process) return false;
  if (Rank(report.state) <= Rank(found->second.state)) return false;
  found->second.state = report.state;
  found->second.heartbeats_without_it = 0;
  if (report.metrics) TakeMetrics(*report.metrics, &found->second.metrics);
  return true;
}

std::vector<AttemptId> ExecutionGraph::NoteHeartbeat(const ProcessKey& process, const wire::HeartbeatRequest& heartbeat,
                                                     std::uint32_t patience) {
  std::set<AttemptId> named;
  for (const wire::TaskReport& report : heartbeat.tasks) named.insert(report.attempt);
  for (const wire::TaskMetrics& metrics : heartbeat.metrics) {
    const auto found = tasks_.find(metrics.attempt);
    if (found == tasks_.end() || found->second.process != process) continue;
    // The last numbers came with the last report: of a heartbeat that it overtook only the samples are news.
    wire::TaskMetrics news = found->second.ended() ? found->second.metrics : metrics;
    news.bad_record_samples = metrics.bad_record_samples;
    TakeMetrics(news, &found->second.metrics);
  }
  std::vector<AttemptId> missing;
  for (auto& [attempt, task] : tasks_) {
    if (task.process != process || task.ended()) continue;
    if (named.count(attempt) != 0) {
      task.heartbeats_without_it = 0;
    } else if (!taken_ && task.state == TaskState::kDeploying) {
      continue;  // its deployment may still be on the way
    } else if (++task.heartbeats_without_it == patience) {
      missing.push_back(attempt);
    }
  }
  return missing;
}

bool ExecutionGraph::NeedsProcess(const ProcessKey& process) const {
  return std::any_of(tasks_.begin(), tasks_.end(),
                     [&](const auto& entry) { return entry.second.process == process && entry.second.state != TaskState::kFinished; });
}

bool ExecutionGraph::all_started() const {
  return std::all_of(tasks_.begin(), tasks_.end(), [](const auto& entry) {
    return entry.second.state == TaskState::kRunning || entry.second.state == TaskState::kFinished;
  });
}

bool ExecutionGraph::all_finished() const {
  return std::all_of(tasks_.begin(), tasks_.end(), [](const auto& entry) { return entry.second.state == TaskState::kFinished; });
}

const TaskEntry* ExecutionGraph::Find(const AttemptId& attempt) const {
  const auto found = tasks_.find(attempt);
  return found == tasks_.end() ? nullptr : &found->second;
}

std::string ExecutionGraph::WaitingReason() const {
  for (const auto& [attempt, task] : tasks_) {
    if (!task.ended() && !task.metrics.waiting_reason.empty()) return fmt::format("{}: {}", TaskName(attempt), task.metrics.waiting_reason);
  }
  return "";
}

std::string ExecutionGraph::TaskName(const AttemptId& attempt) const {
  if (plan_ == nullptr || attempt.vertex >= plan_->vertices.size()) return "";
  const plan::ExecutionVertex& vertex = plan_->vertices[attempt.vertex];
  return fmt::format("{} ({}/{})", vertex.name, attempt.subtask + 1, vertex.parallelism);
}

std::vector<VertexView> ExecutionGraph::View(const plan::ExecutionPlan& plan) const {
  std::vector<VertexView> views;
  for (const plan::ExecutionVertex& vertex : plan.vertices) views.push_back({vertex.index, vertex.name, vertex.parallelism, {}});
  for (const auto& [attempt, task] : tasks_) {
    if (attempt.vertex >= views.size()) continue;
    views[attempt.vertex].subtasks.push_back({attempt.subtask, task.state, task.process.id, task.metrics});
  }
  return views;
}

}  // namespace headrace::control::job
