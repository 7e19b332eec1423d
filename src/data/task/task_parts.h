#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/status.h"
#include "base/waker.h"
#include "data/connector/sink.h"
#include "data/connector/source.h"
#include "data/operator/chain.h"
#include "data/operator/event_time.h"
#include "data/python/worker_pool.h"
#include "data/task/batch_cutter.h"
#include "data/task/task_vitals.h"
#include "data/time/watermark_alignment.h"
#include "plan/deployment.h"
#include "plan/execution_plan.h"

namespace headrace::data::task {

/// How connectors are made; tests and the simulator put their own in place.
struct ConnectorFactories {
  std::function<Result<std::unique_ptr<connector::SourceReader>>(const plan::ConnectorSpec&)> source;
  std::function<Result<std::unique_ptr<connector::SinkWriter>>(const plan::ConnectorSpec&)> sink;
};

/// What a task needs from its process. Outlives the task.
struct TaskEnvironment {
  std::string task_manager;
  python::WorkerPool* pool = nullptr;    ///< null when the plan has no Python
  std::int64_t reduce_trip_rows = 8192;  ///< rows that a reduce gathers while a trip is outstanding
  std::string native_libraries;          ///< folder of libraries with native functions; empty: none are loaded
  std::uint64_t cut_batches_seed = 0;    ///< not 0: every task cuts what it takes in (BatchCutter)
  bool pre_aggregates = false;           ///< rows are added up in front of a shuffle where it pays (LocalAggregate)
  MetricsRegistry* metrics = nullptr;
  ConnectorFactories connectors;
  const Clock* clock = nullptr;
  time::WatermarkAlignment* alignment = nullptr;  ///< null: sources are not aligned
  std::function<void(const std::string& uid, const columnar::DataBatch& batch)> on_collected;
};

/// One subtask to be built.
struct TaskSpec {
  std::shared_ptr<const plan::ExecutionPlan> plan;
  AttemptId attempt;
  std::uint32_t slot = 0;
  std::vector<plan::SourceAssignment> sources;

  const plan::ExecutionVertex& vertex() const { return plan->vertices[attempt.vertex]; }
};

/// A source's reader with the operator it stands for.
struct SourcePart {
  const plan::OperatorSpec* spec = nullptr;
  std::unique_ptr<connector::SourceReader> reader;
  connector::ConnectorContext context;
  op::EventTimeOperator* times = nullptr;  ///< right behind the source: keeps watermarks by split; of the first link
};

/// The operators of a vertex, not yet opened. Consecutive Python verbs become one operator.
struct TaskParts {
  SourcePart source;  ///< reader null when the vertex reads channels
  std::vector<op::ChainLink> links;
  op::OperatorContext context;
  std::unique_ptr<BatchCutter> cutter;  ///< null: batches stay whole
};
/// A step of a chain as errors and metrics name it; checked in debug builds.
op::ChainLink MakeLink(std::unique_ptr<op::Operator> made, std::string name, const plan::OperatorSpec& op);
Result<TaskParts> BuildParts(const TaskSpec& spec, const TaskEnvironment& environment, TaskVitals* vitals, Waker* waker);

}  // namespace headrace::data::task
