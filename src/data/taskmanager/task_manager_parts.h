#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "base/random.h"
#include "data/exchange/channel.h"
#include "data/exchange/partitioner.h"
#include "data/python/worker_pool.h"
#include "data/task/task_loop.h"
#include "data/task/task_parts.h"
#include "wire/gateways.h"

namespace headrace::data::taskmanager {

struct TaskManagerOptions {
  TaskManagerId id;
  Incarnation incarnation;
  std::string advertise_host = "127.0.0.1";
  std::uint16_t rpc_port = 0, exchange_port = 0, metrics_port = 0;
  std::uint32_t slots = 4;
  std::string version, python_version;
  std::string work_dir = "/tmp/headrace";
  std::string python_executable = "python3";
  std::uint32_t python_workers = 0;  ///< a job; 0 = one a core, at most one a slot in use
  std::int64_t python_batch_timeout_ms = 30'000, python_start_timeout_ms = 30'000;
  std::string native_libraries;        ///< folder of what jobs may load; empty: nothing
  std::uint64_t cut_batches_seed = 0;  ///< for tests, see task::BatchCutter
  bool pre_aggregates = false;         ///< see window::LocalAggregate
  std::int64_t channel_credit_bytes = 256 << 10;
  std::int64_t channel_open_timeout_ms = 10'000;
  std::int64_t cancel_timeout_ms = 30'000;   ///< a task that is not gone then ends the process
  std::int64_t contact_timeout_ms = 30'000;  ///< without contact for so long all attempts are failed
  std::int64_t call_timeout_ms = 5'000;      ///< an answer of a JobManager that takes longer is not waited for
};

/// Everything a TaskManager works with, behind interfaces, so that the simulator can run it on one thread. All outlive it.
struct TaskManagerParts {
  Executor* executor = nullptr;  ///< all decisions
  Executor* blocking = nullptr;  ///< files, starting and joining workers, destroying tasks; one thread, in order
  Random* random = nullptr;      ///< jitter; executor's thread only
  exchange::Exchange* exchange = nullptr;
  std::vector<task::TaskRunner*> runners;
  std::vector<std::shared_ptr<wire::JobManagerGateway>> job_managers;
  MetricsRegistry* metrics = nullptr;
  task::ConnectorFactories connectors;
  std::function<Result<std::unique_ptr<python::WorkerPool>>(const python::WorkerPoolOptions&)> start_pool;
  std::function<Result<std::unique_ptr<exchange::Partitioner>>(const exchange::PartitionerOptions&)> make_partitioner;
  std::function<void(const std::string& uid, const columnar::DataBatch& batch)> on_collected;
  /// Ends the process: a task could not be stopped.
  std::function<void(const std::string& why)> end_process;
};

}  // namespace headrace::data::taskmanager
