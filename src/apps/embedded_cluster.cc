#include "apps/embedded_cluster.h"

#include <fmt/core.h>
#include <chrono>
#include <future>

#include "apps/task_manager_options.h"
#include "kafka/client_settings.h"

namespace headrace::apps {
namespace {

/// A pointer that does not own: the cluster outlives every call.
template <typename T>
std::shared_ptr<T> Borrowed(T* pointer) {
  return std::shared_ptr<T>(pointer, [](T*) {});
}

}  // namespace

/// The one TaskManager of the process.
class EmbeddedCluster::Connector final : public wire::TaskManagerConnector {
 public:
  void set_gateway(wire::TaskManagerGateway* gateway) { gateway_ = Borrowed(gateway); }
  std::shared_ptr<wire::TaskManagerGateway> Connect(const std::string&, std::uint16_t, const TaskManagerId&) override { return gateway_; }

 private:
  std::shared_ptr<wire::TaskManagerGateway> gateway_;
};

Result<std::unique_ptr<EmbeddedCluster>> EmbeddedCluster::Start(const Settings& settings, Options options, MetricsRegistry* metrics) {
  kafka::SetDefaultBootstrapServers(settings.String("kafka.bootstrap_servers"));
  std::unique_ptr<EmbeddedCluster> cluster(new EmbeddedCluster());
  cluster->connector_ = std::make_unique<Connector>();
  cluster->on_change_ = std::move(options.on_change);
  ControlPlane::Options plane;
  plane.store = options.store;
  plane.address = options.rest_address;
  plane.connector = cluster->connector_.get();
  plane.fail_at_once = options.fail_at_once;
  plane.on_change = [cluster = cluster.get()] { cluster->OnChange(); };
  HR_ASSIGN_OR_RAISE(cluster->plane_, ControlPlane::Make(settings, std::move(plane), metrics));
  auto host = TaskManagerOptionsFrom(settings, options.python_version);
  host.task_manager.id = TaskManagerId("local");
  host.task_manager.slots = options.slots;
  host.task_manager.work_dir = options.work_dir;
  host.exchange.task_manager = "local";
  host.exchange.listen = false;
  host.exit_when_stuck = false;
  host.on_collected = std::move(options.on_collected);
  HR_ASSIGN_OR_RAISE(cluster->host_, data::taskmanager::TaskManagerHost::Make(std::move(host), {cluster->plane_->gateway()}, metrics));
  cluster->connector_->set_gateway(&cluster->host_->gateway());
  cluster->plane_->Start();
  HR_RETURN_NOT_OK(cluster->AwaitCluster([](const control::job::ClusterView& view) { return view.leader; }, "takes the lead"));
  cluster->host_->Start(0, 0);
  HR_RETURN_NOT_OK(cluster->AwaitCluster([](const control::job::ClusterView& view) { return view.available_slots > 0; }, "has its slots"));
  return cluster;
}

void EmbeddedCluster::OnChange() {
  {
    std::lock_guard lock(mutex_);
    ++changes_;
  }
  changed_.notify_all();
  if (on_change_) on_change_();
}

Status EmbeddedCluster::AwaitCluster(const std::function<bool(const control::job::ClusterView&)>& reached, const char* what) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  std::unique_lock lock(mutex_);
  for (bool in_time = true; in_time;) {
    const std::uint64_t seen = changes_;
    lock.unlock();
    auto promise = std::make_shared<std::promise<control::job::ClusterView>>();
    auto future = promise->get_future();
    plane_->dispatcher()->GetCluster([promise](control::job::ClusterView view) { promise->set_value(std::move(view)); });
    if (reached(future.get())) return Status::OK();
    lock.lock();
    in_time = changed_.wait_until(lock, give_up, [&] { return changes_ != seen; });
  }
  return Error(ErrorCode::kNotReady, fmt::format("the embedded JobManager does not get to where it {} within 30 s", what),
               "See the log lines above.");
}

EmbeddedCluster::~EmbeddedCluster() { Stop(); }

void EmbeddedCluster::Stop() {
  // Tasks first: what they report while they end still finds the control plane.
  if (host_ != nullptr) {
    host_->RequestStop();
    host_->Join();
  }
  if (plane_ != nullptr) plane_->Stop();
  host_.reset();
}

}  // namespace headrace::apps
