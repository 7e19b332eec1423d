#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/status.h"
#include "data/exchange/channel.h"
#include "data/task/task_loop.h"
#include "data/taskmanager/task_manager.h"
#include "data/taskmanager/task_manager_parts.h"
#include "wire/gateways.h"

namespace headrace::data::taskmanager {

struct TaskManagerHostOptions {
  TaskManagerOptions task_manager;  ///< exchange_port is filled in
  exchange::ExchangeOptions exchange;
  std::uint32_t loops = 0;      ///< 0 = one a core
  bool exit_when_stuck = true;  ///< false (embedded): a task that cannot be cancelled is only logged
  std::function<void(const std::string& uid, const columnar::DataBatch& batch)> on_collected;
};

/// A TaskManager with its threads: one control executor, one for blocking work, the exchange's, one task loop a core. Owned by
/// the process (or the embedded run). Make() listens for other TaskManagers; Start() registers; RequestStop() cancels
/// everything without blocking; Join() waits and ends the threads.
class TaskManagerHost {
 public:
  static Result<std::unique_ptr<TaskManagerHost>> Make(TaskManagerHostOptions options,
                                                       std::vector<std::shared_ptr<wire::JobManagerGateway>> job_managers,
                                                       MetricsRegistry* metrics);
  ~TaskManagerHost();  ///< RequestStop() and Join()
  /// What a server on port 6124 hands its calls to. Lives as long as the host; after Join() calls are dropped.
  wire::TaskManagerGateway& gateway() { return *task_manager_; }
  /// What that server fetches large plans with. Any thread.
  void FetchBlob(BlobId id, wire::Reply<std::string> reply) { task_manager_->FetchBlob(std::move(id), std::move(reply)); }
  std::uint16_t exchange_port() const { return exchange_->port(); }
  void Start(std::uint16_t rpc_port, std::uint16_t metrics_port);
  void RequestStop();
  void Join();

 private:
  explicit TaskManagerHost(MetricsRegistry* metrics) : metrics_(metrics) {}
  struct StopState;
  MetricsRegistry* metrics_;
  SystemRandom random_;
  std::unique_ptr<exchange::Exchange> exchange_;
  std::unique_ptr<ThreadExecutor> blocking_, executor_;
  std::vector<std::unique_ptr<task::TaskLoop>> loops_;
  std::unique_ptr<TaskManager> task_manager_;
  std::shared_ptr<StopState> stop_;
};

}  // namespace headrace::data::taskmanager
