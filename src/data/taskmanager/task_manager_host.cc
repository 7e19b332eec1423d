#include "data/taskmanager/task_manager_host.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <future>
#include <thread>
#include <utility>

#include "base/logging.h"

namespace headrace::data::taskmanager {

struct TaskManagerHost::StopState {
  bool requested = false, joined = false;
  std::promise<void> stopped;
};

Result<std::unique_ptr<TaskManagerHost>> TaskManagerHost::Make(TaskManagerHostOptions options,
                                                               std::vector<std::shared_ptr<wire::JobManagerGateway>> job_managers,
                                                               MetricsRegistry* metrics) {
  std::unique_ptr<TaskManagerHost> host(new TaskManagerHost(metrics));
  host->stop_ = std::make_shared<StopState>();
  HR_ASSIGN_OR_RAISE(host->exchange_, exchange::MakeExchange(options.exchange));
  options.task_manager.exchange_port = host->exchange_->port();
  host->blocking_ = std::make_unique<ThreadExecutor>("tm-blocking");
  host->executor_ = std::make_unique<ThreadExecutor>("tm-control");
  const std::uint32_t loops = options.loops != 0 ? options.loops : std::max(1u, std::thread::hardware_concurrency());
  TaskManagerParts parts;
  for (std::uint32_t i = 0; i < loops; ++i) {
    host->loops_.push_back(std::make_unique<task::TaskLoop>("loop-" + std::to_string(i)));
    parts.runners.push_back(host->loops_.back().get());
  }
  parts.executor = host->executor_.get();
  parts.blocking = host->blocking_.get();
  parts.random = &host->random_;
  parts.exchange = host->exchange_.get();
  parts.job_managers = std::move(job_managers);
  parts.metrics = metrics;
  parts.connectors = {connector::MakeSourceReader, connector::MakeSinkWriter};
  parts.start_pool = python::StartWorkerPool;
  parts.make_partitioner = exchange::MakePartitioner;
  parts.on_collected = std::move(options.on_collected);
  if (options.exit_when_stuck) {
    parts.end_process = [](const std::string&) { ::_exit(70); };  // no destructor may wait for the stuck task
  }
  host->task_manager_ = std::make_unique<TaskManager>(std::move(options.task_manager), std::move(parts));
  return host;
}

TaskManagerHost::~TaskManagerHost() {
  if (task_manager_ == nullptr) return;  // Make() failed
  RequestStop();
  Join();
}

void TaskManagerHost::Start(std::uint16_t rpc_port, std::uint16_t metrics_port) { task_manager_->Start(rpc_port, metrics_port); }

void TaskManagerHost::RequestStop() {
  if (std::exchange(stop_->requested, true)) return;
  task_manager_->RequestStop([stop = stop_] { stop->stopped.set_value(); });
}

void TaskManagerHost::Join() {
  if (std::exchange(stop_->joined, true)) return;
  stop_->stopped.get_future().wait();
  executor_->RequestStop();
  executor_->Join();
  // What is queued for the blocking thread is finished first: it deletes the files of jobs.
  std::promise<void> idle;
  blocking_->Post([&idle] { idle.set_value(); });
  idle.get_future().wait();
  for (auto& loop : loops_) loop->RequestStop();
  for (auto& loop : loops_) loop->Join();
  exchange_->RequestStop();
  exchange_->Join();
  blocking_->RequestStop();
  blocking_->Join();
}

}  // namespace headrace::data::taskmanager
