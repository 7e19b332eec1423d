#include "tests/simulation/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <utility>

#include "plan/execution_plan.h"

namespace headrace::simulation {

using namespace std::chrono_literals;
using control::job::JobState;
using control::job::JobView;

namespace {

const std::string kJobManager = "jobmanager";

std::string FileOf(const Simulation::JobSpec& spec) {
  return fmt::format("{} {} {} {}", spec.parallelism, spec.bounded ? 1 : 0, spec.discovery_interval_ms, spec.restart);
}

/// A source and a sink with an all-to-all exchange between them.
Result<plan::JobGraph> ReadFile(std::string_view file) {
  std::istringstream text{std::string(file)};
  Simulation::JobSpec spec;
  int bounded = 0;
  text >> spec.parallelism >> bounded >> spec.discovery_interval_ms >> spec.restart;
  plan::JobGraph graph;
  graph.job_name = "simulated";
  graph.settings.parallelism = spec.parallelism;
  if (spec.restart == "none") graph.settings.restart.kind = plan::RestartSettings::Kind::kNone;
  plan::OperatorSpec source;
  source.uid = OperatorUid("source");
  source.name = "numbers";
  plan::ConnectorSpec generator{"generator", {}, "", bounded == 1};
  if (bounded == 1) generator.options["count"] = "1000";
  source.kind = plan::SourceSpec{generator};
  plan::OperatorSpec sink;
  sink.uid = OperatorUid("sink");
  sink.name = "nowhere";
  sink.inputs = {{source.uid, plan::Partitioning::kRebalance}};
  sink.kind = plan::SinkSpec{{"blackhole", {}, "", false}};
  graph.operators = {source, sink};
  return graph;
}

}  // namespace

/// Splits "s-0" … of a broker that can be away.
class Simulation::Planner final : public control::job::SplitPlanner {
 public:
  Planner(Simulation* world, ManualExecutor* executor) : world_(world), executor_(executor) {}
  void PlanSplits(const plan::OperatorSpec& source, SplitsAnswer answer) override { Answer({}, std::move(answer)); }
  void FindNewSplits(const plan::OperatorSpec& source, const std::vector<plan::SourceSplit>& known, SplitsAnswer answer) override {
    Answer(known, std::move(answer));
  }
  std::int64_t DiscoveryIntervalMs(const plan::OperatorSpec& source) const override { return 3000; }
  void CheckSink(const plan::OperatorSpec& sink, std::function<void(Outcome<Nothing>)> answer) override {
    executor_->PostAfter(world_->RandomUpTo(20ms), [answer] { answer(Outcome<Nothing>::Done({})); });
  }

 private:
  void Answer(const std::vector<plan::SourceSplit>& known, SplitsAnswer answer) {
    using Splits = std::vector<plan::SourceSplit>;
    Splits splits;
    for (std::uint32_t i = 0; i < world_->splits_in_broker_; ++i) {
      plan::SourceSplit split{fmt::format("s-{}", i), "{}"};
      if (std::find(known.begin(), known.end(), split) == known.end()) splits.push_back(std::move(split));
    }
    const bool reachable = world_->broker_reachable_;
    executor_->PostAfter(world_->RandomUpTo(20ms), [reachable, splits, answer = std::move(answer)] {
      answer(reachable ? Outcome<Splits>::Done(splits)
                       : Outcome<Splits>::NotDone(Error(ErrorCode::kBrokerUnreachable, "the broker is away")));
    });
  }
  Simulation* const world_;
  ManualExecutor* const executor_;
};

/// Gateways over the simulated network; an address is a node name.
class Simulation::Connector final : public wire::TaskManagerConnector {
 public:
  explicit Connector(Simulation* world) : world_(world) {}
  std::shared_ptr<wire::TaskManagerGateway> Connect(const std::string& host, std::uint16_t rpc_port, const TaskManagerId& id) override {
    return std::make_shared<Gateway>(world_, host);
  }

 private:
  class Gateway final : public wire::TaskManagerGateway {
   public:
    Gateway(Simulation* world, std::string node) : world_(world), node_(std::move(node)) {}
    void Deploy(wire::LeaderToken leader, Incarnation target, plan::JobDeployment deployment, wire::Reply<Nothing> reply) override {
      const bool fresh = world_->sent_.insert({deployment.job, deployment.deployment, target}).second;
      world_->Expect(fresh,
                     fmt::format("deployment {} of {} was sent twice to {}", deployment.deployment, deployment.job.str(), target.str()));
      auto shared = std::make_shared<const plan::JobDeployment>(std::move(deployment));
      Call([=](ModelTaskManager& tm, auto answer) { tm.Deploy(leader, target, *shared, answer); }, std::move(reply));
    }
    void Cancel(wire::LeaderToken leader, Incarnation target, JobId job, DeploymentNumber up_to, wire::Reply<Nothing> reply) override {
      ++world_->cancels_sent_[job];
      if (world_->mutations_.unknown_cancel_passes_for_done) {
        reply = [reply](Outcome<Nothing> outcome) { reply(outcome.unknown() ? Outcome<Nothing>::Done({}) : outcome); };
      }
      Call([=](ModelTaskManager& tm, auto answer) { tm.Cancel(leader, target, job, up_to, answer); }, std::move(reply));
    }
    void AddSplits(wire::LeaderToken leader, Incarnation target, AttemptId attempt, plan::SourceAssignment splits,
                   wire::Reply<Nothing> reply) override {
      Call([=](ModelTaskManager& tm, auto answer) { tm.AddSplits(leader, target, attempt, answer); }, std::move(reply));
    }
    void Probe(wire::LeaderToken leader, Incarnation target, wire::Reply<Nothing> reply) override {
      if (world_->mutations_.silence_alone_is_loss) {
        reply = [reply](Outcome<Nothing>) { reply(Outcome<Nothing>::Unknown(Network::Lost("not believed"))); };
      }
      Call([=](ModelTaskManager& tm, auto answer) { tm.Probe(leader, target, answer); }, std::move(reply));
    }

   private:
    void Call(std::function<void(ModelTaskManager&, wire::Reply<Nothing>)> serve, wire::Reply<Nothing> reply) {
      world_->network_.Call<Nothing>(
          kJobManager, node_,
          [world = world_, node = node_, serve = std::move(serve)](wire::Reply<Nothing> answer) {
            if (ModelTaskManager* tm = world->TaskManagerAt(node)) serve(*tm, std::move(answer));
          },
          std::move(reply));
    }
    Simulation* const world_;
    const std::string node_;
  };
  Simulation* const world_;
};

struct Simulation::JobManager {
  explicit JobManager(Simulation* world)
      : executor(&world->clock_),
        store(&world->clock_, &executor, &world->random_, world->tables_, &world->store_faults_, &world->results_),
        planner(world, &executor),
        connector(world),
        random(world->random_.NextUint64()) {
    control::job::ControlPlaneParts parts{&executor, &store, &connector, &planner, &random, nullptr};
    control::job::ControlPlaneOptions options;
    options.address = kJobManager;
    options.read_job_file = ReadFile;
    dispatcher = std::make_unique<control::job::DispatcherImpl>(parts, std::move(options));
  }
  ManualExecutor executor;
  FaultMetastore store;
  Planner planner;
  Connector connector;
  SeededRandom random;
  std::unique_ptr<control::job::DispatcherImpl> dispatcher;
};

/// What TaskManagers call: the JobManager that lives when the message arrives.
class Simulation::JobManagerStub final : public wire::JobManagerGateway {
 public:
  explicit JobManagerStub(Simulation* world) : world_(world) {}
  void Register(wire::RegisterRequest request, wire::Reply<wire::RegisterReply> reply) override {
    const std::string from = request.host;
    world_->network_.Call<wire::RegisterReply>(
        from, kJobManager, [w = world_, request](auto answer) { w->job_manager_->dispatcher->gateway()->Register(request, answer); },
        std::move(reply));
  }
  void Heartbeat(wire::HeartbeatRequest request, wire::Reply<wire::HeartbeatReply> reply) override {
    const std::string from = request.id.str();
    world_->network_.Call<wire::HeartbeatReply>(
        from, kJobManager, [w = world_, request](auto answer) { w->job_manager_->dispatcher->gateway()->Heartbeat(request, answer); },
        std::move(reply));
  }
  void ReportTask(TaskManagerId from, Incarnation incarnation, wire::TaskReport report, wire::Reply<Nothing> reply) override {
    world_->network_.Call<Nothing>(
        from.str(), kJobManager,
        [w = world_, from, incarnation, report](auto answer) {
          w->job_manager_->dispatcher->gateway()->ReportTask(from, incarnation, report, answer);
        },
        std::move(reply));
  }
  void FetchBlob(BlobId id, wire::Reply<std::string> reply) override {}

 private:
  Simulation* const world_;
};

Simulation::Simulation(std::uint64_t seed, Mutations mutations)
    : mutations_(mutations),
      random_(seed * 2654435761u + 12345),
      net_executor_(&clock_),
      network_(&net_executor_, &random_),
      job_manager_stub_(std::make_unique<JobManagerStub>(this)) {
  store_faults_.repeats_deployment_numbers = mutations.deployment_numbers_repeat;
  store_faults_.trusts_unknown_results = mutations.unknown_result_passes_for_done;
}

Simulation::~Simulation() {
  // Closures in the queues hold replies into other queues: nothing may run or be posted while they die.
  net_executor_.Clear();
  if (job_manager_ != nullptr) job_manager_->executor.Clear();
  for (auto& dead : dead_job_managers_) dead->executor.Clear();
}

void Simulation::StartJobManager() {
  job_manager_ = std::make_unique<JobManager>(this);
  network_.Attach(kJobManager, &job_manager_->executor);
  job_manager_->dispatcher->Start();
}

void Simulation::KillJobManager() {
  network_.Detach(kJobManager);
  job_manager_->executor.Clear();
  job_manager_->dispatcher.reset();
  dead_job_managers_.push_back(std::move(job_manager_));
}

void Simulation::EmptyStore() {
  tables_ = meta::MakeMemoryTables();
  for (const auto& submitted : submitted_) submitted->job.reset();  // nobody can know of them any more
}

void Simulation::StartTaskManager(const std::string& id, std::uint32_t slots) {
  ModelTaskManager::Options options;
  options.id = TaskManagerId(id);
  options.incarnation = Incarnation(fmt::format("{}#{}", id, ++incarnations_));
  options.host = id;
  options.slots = slots;
  options.finish_after = 2s;
  options.forgets_cancelled = mutations_.task_manager_forgets_cancelled;
  auto tm = std::make_unique<ModelTaskManager>(&clock_, &random_, job_manager_stub_.get(), this, options);
  network_.Attach(id, &tm->executor());
  tm->Start();
  task_managers_[id] = std::move(tm);
}

void Simulation::KillTaskManager(const std::string& id) {
  auto tm = std::move(task_managers_.at(id));
  task_managers_.erase(id);
  network_.Detach(id);
  somebody_was_unreachable_ = true;
  std::set<JobId> jobs;
  for (const auto& [attempt, slot] : tm->LiveTasks()) jobs.insert(attempt.job);
  dead_task_managers_.push_back(std::move(tm));  // late replies still find its queue, which never runs again
  for (const auto& [other, peer] : task_managers_) {
    for (const JobId& job : jobs) {
      if (random_.Uniform(2) == 0) continue;
      peer->executor().PostAfter(RandomUpTo(100ms), [peer = peer.get(), job] { peer->FailOneTask(job, ErrorCode::kExchangeBroken); });
    }
  }
}

void Simulation::Cut(const std::string& id) {
  network_.Cut(id);
  somebody_was_unreachable_ = true;
}

void Simulation::PauseHeartbeats(const std::string& id, bool pause) { task_managers_.at(id)->set_heartbeat_pause(pause); }

std::shared_ptr<Simulation::Submitted> Simulation::Submit(const JobSpec& spec) {
  auto submitted = std::make_shared<Submitted>();
  submitted->bounded = spec.bounded;
  submitted_.push_back(submitted);
  control::job::SubmitRequest request;
  request.job_file = FileOf(spec);
  request.idempotency_key = spec.idempotency_key;
  job_manager_->dispatcher->Submit(std::move(request), [submitted](Result<control::job::SubmitAnswer> answer) {
    if (std::exchange(submitted->answered, true)) throw Violation{"a submission was answered twice"};
    if (answer.ok()) {
      submitted->job = answer->job;
      submitted->status = answer->status;
    } else {
      submitted->error = answer.status().message();
    }
  });
  return submitted;
}

void Simulation::Cancel(const std::shared_ptr<Submitted>& submitted) {
  job_manager_->dispatcher->Cancel(*submitted->job, [this, submitted](Result<JobState> state) {
    if (std::exchange(submitted->cancel_answered, true)) throw Violation{"a cancel was answered twice"};
    if (!state.ok()) return;
    submitted->cancelled = *state;
    CheckCancelAnswer(*submitted->job);
  });
}

void Simulation::CheckCancelAnswer(const JobId& job) {
  Expect(results_.count(job) != 0, "a cancel was answered before the end was stored");
  if (!somebody_was_unreachable_) Expect(!HasLiveTasks(job), "tasks live after the cancel was answered");
}

bool Simulation::FailTask(const JobId& job, ErrorCode code) {
  for (const auto& [id, tm] : task_managers_) {
    if (tm->FailOneTask(job, code)) return true;
  }
  return false;
}

void Simulation::Heal() {
  NetworkFaults& faults = network_.faults();
  faults.loss = faults.duplicate = faults.slow = 0;
  store_faults_.away = false;
  store_faults_.delay = StoreFaults{}.delay;
  store_faults_.unknown_applied = store_faults_.unknown_lost = 0;
  broker_reachable_ = true;
  for (const auto& [id, tm] : task_managers_) {
    network_.Mend(id);
    tm->set_heartbeat_pause(false);
  }
}

Duration Simulation::RandomUpTo(Duration longest) {
  return Duration(static_cast<std::int64_t>(random_.NextDouble() * static_cast<double>(longest.count())));
}

bool Simulation::StepOne() {
  std::vector<ManualExecutor*> ready;
  if (net_executor_.has_ready()) ready.push_back(&net_executor_);
  if (job_manager_ != nullptr && job_manager_->executor.has_ready()) ready.push_back(&job_manager_->executor);
  for (const auto& [id, tm] : task_managers_) {
    if (tm->executor().has_ready()) ready.push_back(&tm->executor());
  }
  if (ready.empty()) return false;
  return ready[random_.Uniform(ready.size())]->RunOne();
}

void Simulation::RunFor(Duration span) {
  const MonotonicTime end = clock_.Now() + span;
  RunUntil([&] { return clock_.Now() >= end; }, span + 1s, "");
}

void Simulation::RunUntil(const std::function<bool()>& condition, Duration limit, const std::string& what) {
  const MonotonicTime end = clock_.Now() + limit;
  while (!condition()) {
    if (StepOne()) continue;
    MonotonicTime next = net_executor_.next_timer();
    if (job_manager_ != nullptr) next = std::min(next, job_manager_->executor.next_timer());
    for (const auto& [id, tm] : task_managers_) next = std::min(next, tm->executor().next_timer());
    if (clock_.Now() >= end) throw Violation{"did not happen in time: " + what};
    clock_.AdvanceTo(std::min(next, end));
  }
}

ModelTaskManager* Simulation::TaskManagerAt(const std::string& id) {
  const auto found = task_managers_.find(id);
  return found == task_managers_.end() ? nullptr : found->second.get();
}

void Simulation::OnTaskTaken(const ModelTaskManager& process, const plan::TaskDeployment& task) {
  const AttemptId& attempt = task.attempt;
  Expect(results_.count(attempt.job) == 0, "task " + attempt.ToString() + " was taken although its job has ended");
  const auto [first, fresh] = taken_.emplace(attempt, process.options().incarnation);
  Expect(fresh,
         "task " + attempt.ToString() + " was taken twice: by " + first->second.str() + " and " + process.options().incarnation.str());
  Expect(task.slot < process.options().slots, "a slot that does not exist");
  for (const auto& [other, slot] : process.LiveTasks()) {
    Expect(slot != task.slot || other.job == attempt.job, "slot of " + other.ToString() + " given to " + attempt.ToString());
    Expect(other.job != attempt.job || other.deployment == attempt.deployment, other.ToString() + " lives beside " + attempt.ToString());
  }
}

JobView Simulation::View(const JobId& job) {
  // Asking runs turns of the JobManager, as asking over REST does.
  JobView view;
  bool answered = false;
  job_manager_->dispatcher->GetJob(job, [&](Result<JobView> answer) {
    answered = true;
    if (answer.ok()) view = *answer;
  });
  while (!answered && job_manager_->executor.RunOne()) {
  }
  return view;
}

std::string Simulation::StatusOf(const std::string& task_manager) {
  std::string status;
  bool answered = false;
  job_manager_->dispatcher->ListTaskManagers([&](std::vector<control::job::TaskManagerView> views) {
    answered = true;
    for (const auto& view : views) {
      if (view.id.str() == task_manager) status = view.status;
    }
  });
  while (!answered && job_manager_->executor.RunOne()) {
  }
  return status;
}

control::job::ClusterView Simulation::Cluster() {
  control::job::ClusterView view;
  bool answered = false;
  job_manager_->dispatcher->GetCluster([&](const control::job::ClusterView& answer) {
    answered = true;
    view = answer;
  });
  while (!answered && job_manager_->executor.RunOne()) {
  }
  return view;
}

bool Simulation::HasLiveTasks(const JobId& job) {
  for (const auto& [id, tm] : task_managers_) {
    for (const auto& [attempt, slot] : tm->LiveTasks()) {
      if (attempt.job == job) return true;
    }
  }
  return false;
}

bool Simulation::RunsProperly(const JobId& job) {
  const JobView view = View(job);
  if (view.state != JobState::kRunning) return false;
  std::set<AttemptId> live;
  for (const auto& [id, tm] : task_managers_) {
    for (const auto& [attempt, slot] : tm->LiveTasks()) {
      if (attempt.job == job) live.insert(attempt);
    }
  }
  std::size_t expected = 0;
  for (const control::job::VertexView& vertex : view.vertices) expected += vertex.parallelism;
  return live.size() == expected &&
         std::all_of(live.begin(), live.end(), [&](const AttemptId& a) { return a.deployment == view.deployment; });
}

void Simulation::ExpectConverged(Duration limit) {
  Heal();
  for (const auto& submitted : submitted_) {
    if (!submitted->job) continue;
    const JobId job = *submitted->job;
    const auto converged = [&] {
      if (!control::job::IsTerminal(View(job).state)) return RunsProperly(job);
      return !HasLiveTasks(job) && results_.count(job) != 0;
    };
    try {
      RunUntil(converged, limit, "job " + job.str() + " converges");
    } catch (const Violation& violation) {
      const JobView view = View(job);
      throw Violation{fmt::format("{}; it is {}: {}", violation.what, control::job::NameOf(view.state), view.reason)};
    }
    const JobView view = View(job);
    if (control::job::IsTerminal(view.state)) {
      Expect(results_.at(job).state == control::job::NameOf(view.state), "the shown end differs from the stored one");
    }
    if (submitted->cancelled == JobState::kCanceled)
      Expect(view.state == JobState::kCanceled, "a cancelled job is " + std::string(control::job::NameOf(view.state)));
  }
  ExpectQuiet();
}

void Simulation::ExpectQuiet() {
  RunFor(3s);  // what is on its way arrives
  const std::map<JobId, std::uint64_t> before = cancels_sent_;
  std::map<JobId, DeploymentNumber> running;
  for (const auto& submitted : submitted_) {
    if (!submitted->job || submitted->bounded) continue;
    const JobView view = View(*submitted->job);
    if (view.state == JobState::kRunning) running[view.id] = view.deployment;
  }
  RunFor(4s);
  for (const auto& [job, deployment] : running) {
    Expect(View(job).deployment == deployment, "job " + job.str() + " restarts although nothing happens");
    const auto sent = before.find(job);
    Expect(cancels_sent_[job] == (sent == before.end() ? 0 : sent->second),
           "something of job " + job.str() + " is cancelled while it runs well");
  }
  ExpectNoSlotLeaked();
}

void Simulation::ExpectNoSlotLeaked() {
  std::vector<JobView> jobs;
  bool answered = false;
  job_manager_->dispatcher->ListJobs([&](Result<std::vector<JobView>> answer) {
    answered = true;
    jobs = answer.ValueOr({});
  });
  while (!answered && job_manager_->executor.RunOne()) {
  }
  std::uint32_t held = 0;
  for (const JobView& job : jobs) held += job.state == JobState::kRunning ? job.slots_needed : 0;
  const control::job::ClusterView cluster = Cluster();
  Expect(cluster.available_slots + held == cluster.total_slots,
         fmt::format("of {} slots {} are free and {} belong to jobs that run", cluster.total_slots, cluster.available_slots, held));
}

void Simulation::ExpectNobodyLost() {
  for (const auto& [id, tm] : task_managers_) Expect(StatusOf(id) != "LOST", "TaskManager " + id + " counts as lost although it lives");
}

void Simulation::Expect(bool condition, const std::string& what) {
  if (!condition) throw Violation{what};
}

std::size_t Simulation::splits_added() const {
  std::size_t added = 0;
  for (const auto& [id, tm] : task_managers_) added += tm->added_splits();
  return added;
}

}  // namespace headrace::simulation
