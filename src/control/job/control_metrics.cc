#include "control/job/control_metrics.h"

#include <algorithm>
#include <cctype>

#include "base/metrics.h"

namespace headrace::control::job {

ControlMetrics::ControlMetrics(MetricsRegistry* registry)
    : leader_(registry->GetGauge("headrace_leader", "1 when this JobManager leads.")),
      task_managers_(registry->GetGauge("headrace_taskmanagers", "Registered TaskManagers that are not lost.")),
      slots_total_(registry->GetGauge("headrace_slots", "Slots of registered TaskManagers.", {{"state", "total"}})),
      slots_free_(registry->GetGauge("headrace_slots", "Slots of registered TaskManagers.", {{"state", "free"}})) {
  for (int i = 0; i <= static_cast<int>(JobState::kReconciling); ++i) {
    const auto state = static_cast<JobState>(i);
    std::string label = NameOf(state);
    std::transform(label.begin(), label.end(), label.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    jobs_[state] = registry->GetGauge("headrace_jobs", "Jobs by state.", {{"state", label}});
  }
}

void ControlMetrics::Set(const ClusterView& cluster, const std::map<JobState, std::size_t>& jobs) {
  leader_->Set(cluster.leader ? 1 : 0);
  task_managers_->Set(cluster.active_task_managers);
  slots_total_->Set(cluster.total_slots);
  slots_free_->Set(cluster.available_slots);
  for (const auto& [state, gauge] : jobs_) {
    const auto count = jobs.find(state);
    gauge->Set(count == jobs.end() ? 0.0 : static_cast<double>(count->second));
  }
}

}  // namespace headrace::control::job
