#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "control/cluster/mailbox.h"
#include "control/job/split_planner.h"
#include "kafka/admin_probe.h"
#include "plan/job_graph.h"

namespace headrace::control::job {

/// Asks Kafka about topics, and finds files, generators and collections by itself. Keeps one probe per cluster settings;
/// an unused one goes after a while. Executor only; destroy it after the executor stopped (that joins the probes).
class SplitPlannerImpl final : public SplitPlanner {
 public:
  /// `default_servers` stands in where a job names no brokers (KAFKA_BOOTSTRAP_SERVERS).
  SplitPlannerImpl(Executor* executor, std::string default_servers);
  ~SplitPlannerImpl() override;

  void PlanSplits(const plan::OperatorSpec& source, SplitsAnswer answer) override;
  void FindNewSplits(const plan::OperatorSpec& source, const std::vector<plan::SourceSplit>& known, SplitsAnswer answer) override;
  std::int64_t DiscoveryIntervalMs(const plan::OperatorSpec& source) const override;
  void CheckSink(const plan::OperatorSpec& sink, std::function<void(Outcome<Nothing>)> answer) override;

 private:
  struct Client {
    std::shared_ptr<kafka::AdminProbe> probe;
    MonotonicTime last_used{};
  };
  Result<std::shared_ptr<kafka::AdminProbe>> ProbeOf(const plan::ConnectorSpec& spec, bool is_source);
  void DropUnused();

  const std::string default_servers_;
  std::map<kafka::ClientSettings, Client> clients_;
  cluster::Mailbox mailbox_;
};

}  // namespace headrace::control::job
