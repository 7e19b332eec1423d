#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "control/job/dispatcher.h"

namespace headrace {
class Gauge;
class MetricsRegistry;
}  // namespace headrace

namespace headrace::control::job {

/// The JobManager's own series: leader, TaskManagers, slots, jobs by state. Set on the control executor, read anywhere.
class ControlMetrics {
 public:
  explicit ControlMetrics(MetricsRegistry* registry);
  void Set(const ClusterView& cluster, const std::map<JobState, std::size_t>& jobs);

 private:
  std::shared_ptr<Gauge> leader_, task_managers_, slots_total_, slots_free_;
  std::map<JobState, std::shared_ptr<Gauge>> jobs_;
};

}  // namespace headrace::control::job
