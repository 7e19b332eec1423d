#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/ids.h"
#include "base/random.h"
#include "control/cluster/mailbox.h"
#include "wire/gateways.h"

namespace headrace::simulation {

/// One process generation of a TaskManager, as the contract of wire::TaskManagerGateway describes it, without data.
/// Tasks run after a while, finish when the job is bounded, and are held until they are cancelled.
class ModelTaskManager {
 public:
  /// Sees what happens, to check it.
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void OnTaskTaken(const ModelTaskManager& process, const plan::TaskDeployment& task) = 0;
    virtual void OnViolation(const std::string& what) = 0;
  };
  struct Options {
    TaskManagerId id;
    Incarnation incarnation;
    std::string host;
    std::uint32_t slots = 4;
    Duration finish_after{};         ///< of bounded jobs
    bool forgets_cancelled = false;  ///< planted bug: takes deployments that were cancelled before they arrived
  };
  ModelTaskManager(ManualClock* clock, Random* random, wire::JobManagerGateway* job_manager, Observer* observer, Options options);

  void Start();
  void Deploy(wire::LeaderToken leader, const Incarnation& target, const plan::JobDeployment& deployment, wire::Reply<Nothing> reply);
  void Cancel(wire::LeaderToken leader, const Incarnation& target, const JobId& job, DeploymentNumber up_to, wire::Reply<Nothing> reply);
  void AddSplits(wire::LeaderToken leader, const Incarnation& target, const AttemptId& attempt, wire::Reply<Nothing> reply);
  void Probe(wire::LeaderToken leader, const Incarnation& target, wire::Reply<Nothing> reply);
  /// One live task of the job fails by itself. False when there is none.
  bool FailOneTask(const JobId& job, ErrorCode code);

  const Options& options() const { return options_; }
  ManualExecutor& executor() { return executor_; }
  /// Live tasks, also those that are being stopped: attempt and slot.
  std::map<AttemptId, std::uint32_t> LiveTasks() const;
  std::size_t added_splits() const { return added_splits_; }
  void set_heartbeat_pause(bool pause) { heartbeat_pause_ = pause; }

 private:
  struct Task {
    std::uint32_t slot = 0;
    wire::TaskState state = wire::TaskState::kDeploying;
    wire::TaskFailure failure;
    bool stopping = false;
    bool bounded = false;
    bool reported_end = false;
  };
  bool Refuses(const wire::LeaderToken& leader, const Incarnation& target, const wire::Reply<Nothing>& reply);
  bool HasTasks(const JobId& job, DeploymentNumber up_to) const;
  void Register();
  void BeatLoop();
  void Beat();
  void ChangeState(const AttemptId& attempt, wire::TaskState state, wire::TaskFailure failure);
  void Report(const AttemptId& attempt);
  Duration Within(Duration longest);

  Random* const random_;
  wire::JobManagerGateway* const job_manager_;
  Observer* const observer_;
  const Options options_;
  ManualExecutor executor_;
  wire::LeaderToken leader_;
  std::map<AttemptId, Task> tasks_;
  std::map<JobId, DeploymentNumber> cancelled_up_to_;
  std::uint64_t sequence_ = 0;
  std::size_t added_splits_ = 0;
  bool registered_ = false, registering_ = false, heartbeat_pause_ = false;
  control::cluster::Mailbox mailbox_;
};

}  // namespace headrace::simulation
