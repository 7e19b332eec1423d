#pragma once
#include <chrono>

#include "base/clock.h"
#include "plan/job_graph.h"

namespace headrace {
class Counter;
class Executor;
class MetricsRegistry;
class Random;
}  // namespace headrace
namespace headrace::control::cluster {
class Leadership;
class TaskManagerRegistry;
}  // namespace headrace::control::cluster
namespace headrace::control::metastore {
class Metastore;
}
namespace headrace::control::schedule {
class SlotPool;
}

namespace headrace::control::job {

class BlobStore;
class SplitPlanner;

/// Waiting times of jobs. Only liveness depends on them.
struct JobTiming {
  Duration store_retry = std::chrono::milliseconds(500);
  Duration planner_retry_first = std::chrono::milliseconds(1000);
  Duration planner_retry_longest = std::chrono::milliseconds(30'000);
  Duration healthy_after = std::chrono::seconds(60);
  Duration infrastructure_retry = std::chrono::milliseconds(1000);  ///< after a failure that is nobody's: no lost process, no failing task
  Duration split_send_retry = std::chrono::milliseconds(1000);
};

/// What every job works with. Owned by the control plane, outlives its jobs; control executor only.
struct JobServices {
  Executor* executor = nullptr;
  Executor* side = nullptr;  ///< for work that takes longer than a turn may: reading job files
  metastore::Metastore* store = nullptr;
  cluster::Leadership* leadership = nullptr;
  cluster::TaskManagerRegistry* registry = nullptr;
  schedule::SlotPool* slots = nullptr;
  SplitPlanner* planner = nullptr;
  BlobStore* blobs = nullptr;
  Random* random = nullptr;
  MetricsRegistry* metrics = nullptr;  ///< may be null
  JobTiming timing;
  plan::RestartSettings default_restart;  ///< of jobs that set none
};

}  // namespace headrace::control::job
