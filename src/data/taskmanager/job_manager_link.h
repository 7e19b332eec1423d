#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "data/taskmanager/callback_gate.h"
#include "data/taskmanager/task_manager_parts.h"
#include "wire/epoch_guard.h"
#include "wire/gateways.h"

namespace headrace::data::taskmanager {

/// Keeps a TaskManager known to the leading JobManager: registers at one of several addresses, heartbeats, registers again
/// when it is told that it is not known or when answers stay away, and knows since when there was no contact. Owned by the
/// TaskManager; control executor only. Stop() is final.
class JobManagerLink {
 public:
  struct Callbacks {
    std::function<std::vector<AttemptId>()> running;
    std::function<void(wire::HeartbeatRequest*)> fill_heartbeat;  ///< tasks, metrics, sizes
    /// Watermarks of sources elsewhere, with each answer; none once the JobManager does not answer.
    std::function<void(const std::vector<wire::AlignedWatermark>&)> on_aligned;
    std::function<void()> on_contact_lost;  ///< each time contact_timeout_ms pass without contact
  };
  JobManagerLink(const TaskManagerOptions* options, const TaskManagerParts* parts, std::shared_ptr<CallbackGate> gate,
                 wire::EpochGuard* guard, Callbacks callbacks);
  void Start();
  void Stop();
  bool registered() const { return registered_; }
  /// The gateway that answers at present.
  wire::JobManagerGateway& gateway() { return *parts_->job_managers[address_]; }

 private:
  void Register();
  void OnRegistered(std::uint64_t call, const Outcome<wire::RegisterReply>& outcome);
  void RetryRegister(const Status& why);
  void RegisterLater();
  void Heartbeat();
  void OnHeartbeat(std::uint64_t call, const Outcome<wire::HeartbeatReply>& outcome);
  void LoseRegistration(const std::string& why, bool next_address);
  void CheckContact();
  void LogHeartbeat(const wire::HeartbeatRequest& request);
  Duration Jittered(Duration delay);

  const TaskManagerOptions* options_;
  const TaskManagerParts* parts_;
  std::shared_ptr<CallbackGate> gate_;
  wire::EpochGuard* guard_;
  Callbacks callbacks_;
  std::size_t address_ = 0;
  bool stopped_ = false, registered_ = false, contact_lost_ = false;
  std::uint64_t call_ = 0;  // the newest call; answers to older ones are ignored
  bool call_open_ = false;
  MonotonicTime call_sent_{}, last_answer_{}, last_contact_{}, last_log_{};
  std::uint64_t sequence_ = 0;
  int failures_ = 0;
  Duration interval_ = std::chrono::seconds(1), timeout_ = std::chrono::seconds(5);
  Executor::TimerId timer_ = 0;
};

}  // namespace headrace::data::taskmanager
