#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/executor.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/settings.h"
#include "control/job/dispatcher_impl.h"
#include "control/job/split_planner_impl.h"
#include "control/metastore/metastore.h"
#include "wire/gateways.h"

namespace headrace::apps {

/// The control plane of a process with everything it stands on: executors, metadata store, random numbers, split planner,
/// dispatcher. Owned by an app; made and stopped on the main thread.
class ControlPlane {
 public:
  enum class Store { kConfigured, kMemory };  ///< PostgreSQL or SQLite as the settings say; or nothing that outlives the process
  struct Options {
    Store store = Store::kConfigured;
    std::string address;  ///< of the REST interface, for followers and people
    /// Outlives the control plane.
    wire::TaskManagerConnector* connector = nullptr;
    bool fail_at_once = false;        ///< restart.strategy is none by default
    std::function<void()> on_change;  ///< see control::job::ControlPlaneOptions
  };
  static Result<std::unique_ptr<ControlPlane>> Make(const Settings& settings, Options options, MetricsRegistry* metrics);
  ~ControlPlane();  ///< Stop()
  /// Takes the lead and recovers stored jobs.
  void Start() { dispatcher_->Start(); }
  /// Ends the executors and the store. Tasks on TaskManagers are not touched. Idempotent.
  void Stop();

  control::job::Dispatcher* dispatcher() { return dispatcher_.get(); }
  std::shared_ptr<wire::JobManagerGateway> gateway() { return dispatcher_->gateway(); }
  Executor* executor() { return &executor_; }
  /// "PostgreSQL db.example:5432/stream_processing" or "SQLite /…/metadata.db"
  const std::string& store_description() const { return store_description_; }

 private:
  ControlPlane() : executor_("control"), side_("control-side") {}
  ThreadExecutor executor_;
  ThreadExecutor side_;
  SystemRandom random_;
  std::unique_ptr<control::metastore::Metastore> store_;
  std::string store_description_;
  std::unique_ptr<control::job::SplitPlanner> planner_;
  std::unique_ptr<control::job::DispatcherImpl> dispatcher_;
  bool stopped_ = false;
};

}  // namespace headrace::apps
