#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "control/job/dispatcher_impl.h"
#include "control/job/split_planner.h"
#include "tests/simulation/fault_metastore.h"
#include "tests/simulation/model_task_manager.h"
#include "tests/simulation/network.h"

namespace headrace::simulation {

/// Bugs that can be planted to see that the scenarios find them.
struct Mutations {
  bool task_manager_forgets_cancelled = false;  ///< a late Deploy is taken after its Cancel
  bool unknown_cancel_passes_for_done = false;  ///< no verification before the next deployment
  bool unknown_result_passes_for_done = false;  ///< the end of a job is guessed
  bool deployment_numbers_repeat = false;
  bool silence_alone_is_loss = false;  ///< probes are not believed
};

/// A broken invariant: ends the run.
struct Violation {
  std::string what;
};

/// The world of one run: a JobManager (the real control plane), model TaskManagers, a network and a store with faults, and
/// the invariants. One thread; the seed decides every choice. Throws Violation out of the run functions.
class Simulation final : public ModelTaskManager::Observer {
 public:
  struct JobSpec {
    std::uint32_t parallelism = 4;
    bool bounded = false;
    std::uint32_t discovery_interval_ms = 0;
    std::string restart = "default";  ///< default | none
    std::string idempotency_key = {};
  };
  struct Submitted {
    bool bounded = false;
    bool answered = false;
    std::optional<JobId> job;
    std::string error;
    control::job::JobState status{};
    bool cancel_answered = false;
    std::optional<control::job::JobState> cancelled;  ///< set when the cancel was answered with a state
  };

  Simulation(std::uint64_t seed, Mutations mutations);
  ~Simulation() override;

  // Actions.
  void StartJobManager();
  void KillJobManager();
  /// The store loses every row.
  void EmptyStore();
  void StartTaskManager(const std::string& id, std::uint32_t slots = 4);
  /// kill -9; peers may report broken exchanges.
  void KillTaskManager(const std::string& id);
  /// No message reaches or leaves the TaskManager until Mend(); its tasks go on.
  void Cut(const std::string& id);
  void Mend(const std::string& id) { network_.Mend(id); }
  void PauseHeartbeats(const std::string& id, bool pause);
  std::shared_ptr<Submitted> Submit(const JobSpec& spec);
  void Cancel(const std::shared_ptr<Submitted>& job);
  bool FailTask(const JobId& job, ErrorCode code);
  /// No faults from here on: cut links are mended, the store answers.
  void Heal();

  // Time.
  void RunFor(Duration span);
  /// A violation when it does not come true within `limit` of simulated time.
  void RunUntil(const std::function<bool()>& condition, Duration limit, const std::string& what);
  Duration RandomUpTo(Duration longest);

  // What is seen.
  control::job::JobView View(const JobId& job);
  std::string StatusOf(const std::string& task_manager);
  control::job::ClusterView Cluster();
  /// All subtasks of the current deployment live, each once, and nothing else of the job lives.
  bool RunsProperly(const JobId& job);
  bool HasLiveTasks(const JobId& job);
  /// For the end of a run: every job that was accepted runs properly or is terminal without tasks.
  void ExpectConverged(Duration limit = std::chrono::seconds(120));
  void ExpectNobodyLost();
  void Expect(bool condition, const std::string& what);

  Network& network() { return network_; }
  StoreFaults& store_faults() { return store_faults_; }
  Random& random() { return random_; }
  /// While false, outside systems of sources and sinks do not answer.
  bool& broker_reachable() { return broker_reachable_; }
  std::uint32_t& splits_in_broker() { return splits_in_broker_; }
  std::size_t splits_added() const;

 private:
  class Planner;
  class Connector;
  class JobManagerStub;
  struct JobManager;
  void OnTaskTaken(const ModelTaskManager& process, const plan::TaskDeployment& task) override;
  void OnViolation(const std::string& what) override { throw Violation{what}; }
  ModelTaskManager* TaskManagerAt(const std::string& id);
  bool StepOne();
  void CheckCancelAnswer(const JobId& job);
  /// Jobs that run are left alone when nothing happens, and no slot is held by anybody else.
  void ExpectQuiet();
  void ExpectNoSlotLeaked();

  Mutations mutations_;
  SeededRandom random_;
  ManualClock clock_;
  ManualExecutor net_executor_;
  Network network_;
  StoreFaults store_faults_;
  std::shared_ptr<meta::MemoryTables> tables_ = meta::MakeMemoryTables();
  std::map<JobId, meta::JobResult> results_;
  bool broker_reachable_ = true;
  std::uint32_t splits_in_broker_ = 5;
  bool somebody_was_unreachable_ = false;  ///< a cancelled job may have left tasks where nobody could look
  std::uint32_t incarnations_ = 0;
  std::unique_ptr<JobManagerStub> job_manager_stub_;
  std::unique_ptr<JobManager> job_manager_;
  std::vector<std::unique_ptr<JobManager>> dead_job_managers_;
  std::map<std::string, std::unique_ptr<ModelTaskManager>> task_managers_;
  std::vector<std::unique_ptr<ModelTaskManager>> dead_task_managers_;
  std::map<AttemptId, Incarnation> taken_;
  std::set<std::tuple<JobId, DeploymentNumber, Incarnation>> sent_;
  std::map<JobId, std::uint64_t> cancels_sent_;
  std::vector<std::shared_ptr<Submitted>> submitted_;
};

}  // namespace headrace::simulation
