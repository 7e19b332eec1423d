#pragma once
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "apps/control_plane.h"
#include "base/metrics.h"
#include "base/settings.h"
#include "data/taskmanager/task_manager_host.h"
#include "wire/gateways.h"

namespace headrace::apps {

/// Both planes in one process: calls and channels are pointers instead of gRPC and TCP. Owned by an app, main thread.
class EmbeddedCluster {
 public:
  struct Options {
    ControlPlane::Store store = ControlPlane::Store::kConfigured;
    std::string rest_address;
    std::uint32_t slots = 4;
    std::string work_dir;        ///< unpacked archives and the like
    bool fail_at_once = false;   ///< jobs without a restart strategy end with their first failure, unless a setting says otherwise
    std::string python_version;  ///< of the workers' Python, empty when not known
    std::function<void(const std::string& uid, const columnar::DataBatch& batch)> on_collected;  ///< any task loop
    std::function<void()> on_change;  ///< a job or the slots changed; control thread, may not block
  };
  static Result<std::unique_ptr<EmbeddedCluster>> Start(const Settings& settings, Options options, MetricsRegistry* metrics);
  ~EmbeddedCluster();  ///< Stop()
  control::job::Dispatcher* dispatcher() { return plane_->dispatcher(); }
  /// Cancels what runs and ends all threads and workers. Idempotent.
  void Stop();

 private:
  EmbeddedCluster() = default;
  void OnChange();
  /// Waits for `reached`, which is looked at after every change of the control plane.
  Status AwaitCluster(const std::function<bool(const control::job::ClusterView&)>& reached, const char* what);
  class Connector;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t changes_ = 0;  // guarded by mutex_
  std::function<void()> on_change_;
  std::unique_ptr<Connector> connector_;
  std::unique_ptr<ControlPlane> plane_;
  std::unique_ptr<data::taskmanager::TaskManagerHost> host_;
};

}  // namespace headrace::apps
