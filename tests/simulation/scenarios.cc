#include "tests/simulation/scenarios.h"

#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace headrace::simulation {
namespace {

using namespace std::chrono_literals;
using control::job::JobState;

void StartCluster(Simulation& world) {
  world.StartJobManager();
  for (const char* id : {"tm1", "tm2", "tm3"}) world.StartTaskManager(id);
  world.RunFor(3s);
}

std::shared_ptr<Simulation::Submitted> SubmitAndAwait(Simulation& world, const Simulation::JobSpec& spec) {
  auto job = world.Submit(spec);
  world.RunUntil([&] { return job->answered; }, 60s, "the submission is answered");
  return job;
}

void Flaky(Simulation& world) {
  world.network().faults().loss = 0.05;
  world.network().faults().duplicate = 0.1;
  world.network().faults().slow = 0.1;
}

void NothingHappens(Simulation& world) {
  StartCluster(world);
  auto job = SubmitAndAwait(world, {12});
  world.Expect(job->job.has_value() && job->status == JobState::kRunning, "the job runs: " + job->error);
  auto bounded = SubmitAndAwait(world, {1, true});
  world.Expect(bounded->error == "need 1 slots, 0 free", "no slot is left: " + bounded->error);
  auto too_large = SubmitAndAwait(world, {13});
  world.Expect(too_large->error == "need 13 slots, 0 free", "too large: " + too_large->error);
  world.Cancel(job);
  world.RunUntil([&] { return job->cancel_answered; }, 5s, "the cancel is answered");
  world.Expect(job->cancelled == JobState::kCanceled, "CANCELED");
  auto small = SubmitAndAwait(world, {3, true});
  world.RunUntil([&] { return world.View(*small->job).state == JobState::kFinished; }, 10s, "a bounded job finishes");
  world.ExpectNobodyLost();
  world.ExpectConverged();
}

void TaskManagerLostDuringDeploy(Simulation& world) {
  StartCluster(world);
  Flaky(world);
  auto job = world.Submit({8});
  world.RunFor(world.RandomUpTo(400ms));
  world.KillTaskManager("tm2");
  world.RunUntil([&] { return job->answered; }, 60s, "the submission is answered");
  if (job->job) {
    world.Heal();
    world.RunUntil([&] { return world.RunsProperly(*job->job); }, 30s, "the job runs on the others");
  }
  world.ExpectConverged();
}

void TaskManagerLostWhileRunning(Simulation& world) {
  StartCluster(world);
  auto job = SubmitAndAwait(world, {8});
  world.RunFor(world.RandomUpTo(5s));
  world.KillTaskManager("tm1");
  world.RunFor(200ms);  // a certain loss: the job knows within the suspect time and restarts without backoff
  world.RunUntil([&] { return world.RunsProperly(*job->job); }, 5s, "the job runs again within 5 s");
  world.ExpectConverged();
}

void AllSlotsNeededThenReturn(Simulation& world) {
  StartCluster(world);
  auto job = SubmitAndAwait(world, {12});
  world.KillTaskManager("tm3");
  world.RunUntil([&] { return world.View(*job->job).reason == "need 12 slots, 8 free"; }, 15s, "the job says what it waits for");
  world.Expect(world.View(*job->job).state == JobState::kRestarting, "RESTARTING while it waits");
  world.RunFor(world.RandomUpTo(10s));
  world.Expect(world.View(*job->job).state == JobState::kRestarting, "still RESTARTING");
  world.StartTaskManager("tm3");
  world.RunUntil([&] { return world.RunsProperly(*job->job); }, 5s, "the job runs within 5 s of the return");
  world.ExpectConverged();
}

void CancelDuringDeploy(Simulation& world) {
  StartCluster(world);
  Flaky(world);
  world.network().faults().slow = 0.4;
  auto job = world.Submit({8});
  // The id is known before the answer: the list of jobs has it.
  world.RunFor(30ms + world.RandomUpTo(1500ms));
  world.RunUntil([&] { return job->answered; }, 60s, "the submission is answered");
  if (!job->job) return world.ExpectConverged();
  world.RunFor(world.RandomUpTo(200ms));
  world.Cancel(job);
  world.RunUntil([&] { return job->cancel_answered; }, 60s, "the cancel is answered");
  world.ExpectConverged();
  world.Expect(world.View(*job->job).state == JobState::kCanceled, "CANCELED");
}

void CancelAtAnyMoment(Simulation& world) {
  StartCluster(world);
  world.network().faults().slow = 0.5;
  auto job = SubmitAndAwait(world, {12});
  if (!job->job) return world.ExpectConverged();
  const std::uint64_t what = world.random().Uniform(3);
  if (what == 0) world.FailTask(*job->job, ErrorCode::kPythonRaised);
  if (what == 1) world.KillTaskManager("tm1");
  if (what == 1 && world.random().Uniform(2) == 0) world.StartTaskManager("tm1");
  world.RunFor(world.RandomUpTo(4s));
  world.Cancel(job);
  world.RunUntil([&] { return job->cancel_answered; }, 30s, "the cancel is answered");
  world.Expect(job->cancelled == JobState::kCanceled, "CANCELED");
  world.ExpectConverged();
}

void DuplicateAndLateHeartbeats(Simulation& world) {
  StartCluster(world);
  auto job = SubmitAndAwait(world, {8});
  const control::job::JobView before = world.View(*job->job);
  world.network().faults().duplicate = 0.5;
  world.network().faults().slow = 0.5;
  world.network().faults().slow_delay = 900ms;  // late, but a probe still comes back within its time-out
  for (int i = 0; i < 10; ++i) {
    const std::string id = "tm" + std::to_string(1 + world.random().Uniform(3));
    world.PauseHeartbeats(id, true);
    world.RunFor(world.RandomUpTo(9s));  // longer than the timeout: the process answers probes, so it is not lost
    world.ExpectNobodyLost();
    world.PauseHeartbeats(id, false);
    world.RunFor(world.RandomUpTo(3s));
  }
  const control::job::JobView after = world.View(*job->job);
  world.Expect(after.deployment == before.deployment && after.state == JobState::kRunning, "the job never noticed");
  world.ExpectConverged();
}

void LostAndRepeatedDeployReplies(Simulation& world) {
  StartCluster(world);
  world.network().faults().loss = 0.25;
  world.network().faults().duplicate = 0.3;
  world.network().faults().slow = 0.3;
  auto job = SubmitAndAwait(world, {12});
  world.RunFor(20s);
  world.ExpectConverged();
}

void UnknownResultWrite(Simulation& world) {
  StartCluster(world);
  auto job = SubmitAndAwait(world, {6, true});
  world.store_faults().unknown_applied = 0.4;
  world.store_faults().unknown_lost = 0.4;
  world.RunFor(world.RandomUpTo(4s));
  if (world.random().Uniform(2) == 0) world.Cancel(job);
  world.RunFor(world.RandomUpTo(4s));
  if (world.random().Uniform(2) == 0) {
    const JobState shown = world.View(*job->job).state;
    world.KillJobManager();
    world.RunFor(world.RandomUpTo(1s));
    world.store_faults().unknown_applied = world.store_faults().unknown_lost = 0;
    world.StartJobManager();
    world.RunUntil([&] { return world.StatusOf("tm1") == "ACTIVE"; }, 20s, "TaskManagers register again");
    world.RunFor(5s);
    if (control::job::IsTerminal(shown)) world.Expect(world.View(*job->job).state == shown, "an end that was shown stays");
  }
  world.ExpectConverged();
}

void TaskManagerRestartsWithSameId(Simulation& world) {
  StartCluster(world);
  auto job = SubmitAndAwait(world, {12});
  Flaky(world);
  for (int i = 0; i < 3; ++i) {
    const std::string id = "tm" + std::to_string(1 + world.random().Uniform(3));
    world.KillTaskManager(id);
    world.RunFor(world.RandomUpTo(world.random().Uniform(2) == 0 ? 50ms : 8s));
    world.StartTaskManager(id);
    world.RunFor(world.RandomUpTo(6s));
  }
  world.ExpectConverged();
}

void PartitionAndReturn(Simulation& world) {
  StartCluster(world);
  auto job = SubmitAndAwait(world, {6});
  auto other = SubmitAndAwait(world, {3});
  for (int i = 0; i < 2; ++i) {
    const std::string id = "tm" + std::to_string(1 + world.random().Uniform(3));
    world.Cut(id);
    world.RunFor(world.RandomUpTo(20s));
    world.Mend(id);
    world.RunFor(world.RandomUpTo(5s));
  }
  world.ExpectConverged();
}

void JobManagerRestarts(Simulation& world) {
  StartCluster(world);
  auto job = SubmitAndAwait(world, {8});
  auto bounded = SubmitAndAwait(world, {4, true});
  world.store_faults().unknown_applied = 0.1;
  world.store_faults().unknown_lost = 0.1;
  world.RunFor(world.RandomUpTo(3s));
  world.KillJobManager();
  world.RunFor(world.RandomUpTo(10s));
  world.StartJobManager();
  if (world.random().Uniform(2) == 0) {
    world.RunFor(world.RandomUpTo(2s));
    world.KillJobManager();
    world.StartJobManager();
  }
  world.RunFor(world.RandomUpTo(10s));
  world.ExpectConverged();
}

void StoreIsEmptied(Simulation& world) {
  StartCluster(world);
  auto job = SubmitAndAwait(world, {8});
  const JobId forgotten = *job->job;
  for (int i = 0; i < 3; ++i) {
    world.KillJobManager();
    world.StartJobManager();
    world.RunFor(3s + world.RandomUpTo(2s));
  }
  world.KillJobManager();
  world.EmptyStore();
  world.StartJobManager();
  world.RunUntil(
      [&] { return world.StatusOf("tm1") == "ACTIVE" && world.StatusOf("tm2") == "ACTIVE" && world.StatusOf("tm3") == "ACTIVE"; }, 20s,
      "TaskManagers accept the leader of the new store");
  world.RunUntil([&] { return !world.HasLiveTasks(forgotten); }, 20s, "tasks that nobody knows are cancelled");
  auto fresh = SubmitAndAwait(world, {12});
  world.Expect(fresh->job.has_value(), "a new job is taken: " + fresh->error);
  world.ExpectConverged();
}

void StoreAway(Simulation& world) {
  StartCluster(world);
  auto job = SubmitAndAwait(world, {8});
  world.store_faults().away = true;
  world.RunFor(6s);  // frozen by now
  world.FailTask(*job->job, ErrorCode::kPythonRaised);
  world.RunFor(5s + world.RandomUpTo(5s));
  world.Expect(world.View(*job->job).state == JobState::kRestarting, "nothing is deployed by a frozen leader");
  world.Expect(!world.HasLiveTasks(*job->job), "no task while frozen");
  world.store_faults().away = false;
  world.RunUntil([&] { return world.RunsProperly(*job->job); }, 10s, "the job runs once the store is back");
  world.ExpectConverged();
}

void SlowStore(Simulation& world) {
  StartCluster(world);
  auto job = SubmitAndAwait(world, {8});
  world.store_faults().delay = 3500ms;  // now and then the lease freezes and thaws between two renewals
  for (int i = 0; i < 3; ++i) {
    world.RunFor(world.RandomUpTo(8s));
    if (world.random().Uniform(2) == 0) {
      world.FailTask(*job->job, ErrorCode::kExchangeBroken);
    } else {
      world.KillTaskManager("tm1");
      world.StartTaskManager("tm1");
    }
  }
  world.ExpectConverged();
}

void RepeatedSubmissions(Simulation& world) {
  StartCluster(world);
  world.store_faults().unknown_applied = world.store_faults().unknown_lost = 0.4;
  Simulation::JobSpec spec{3};
  spec.idempotency_key = "same";
  std::vector<std::shared_ptr<Simulation::Submitted>> tries;
  for (int i = 0; i < 6; ++i) {
    tries.push_back(world.Submit(spec));
    if (world.random().Uniform(3) == 0) world.store_faults().away = !world.store_faults().away;
    world.RunFor(world.RandomUpTo(12s));
  }
  world.Heal();
  world.RunFor(3s);  // the lease is fresh again
  tries.push_back(SubmitAndAwait(world, spec));
  std::optional<JobId> job;
  for (const auto& one : tries) {
    world.RunUntil([&] { return one->answered; }, 60s, "every try is answered");
    if (one->job && !job) job = one->job;
    if (one->job) world.Expect(*one->job == *job, "one key is one job");
  }
  world.Expect(job.has_value(), "the last try finds the job: " + tries.back()->error);
  world.ExpectConverged();
}

void TaskFailures(Simulation& world) {
  StartCluster(world);
  auto job = SubmitAndAwait(world, {4});
  auto fragile = SubmitAndAwait(world, {4, false, 0, "none"});
  for (int i = 0; i < 3; ++i) {
    world.RunUntil([&] { return world.RunsProperly(*job->job); }, 70s, "the job runs");
    world.FailTask(*job->job, ErrorCode::kPythonRaised);
    world.RunFor(world.RandomUpTo(2s));
  }
  world.FailTask(*fragile->job, ErrorCode::kPythonRaised);
  world.RunUntil([&] { return world.View(*fragile->job).state == JobState::kFailed; }, 10s, "no restart strategy: the job fails");
  world.Expect(world.View(*job->job).exceptions.size() == 3, "every failure is shown");
  world.ExpectConverged();
}

void BrokerAwayAndNewSplits(Simulation& world) {
  StartCluster(world);
  world.broker_reachable() = false;
  auto job = SubmitAndAwait(world, {4});
  world.Expect(job->job.has_value() && job->status == JobState::kInitializing, "accepted while the broker is away");
  world.Expect(!world.View(*job->job).reason.empty(), "the job says why it waits");
  world.RunFor(world.RandomUpTo(20s));
  world.broker_reachable() = true;
  world.RunUntil([&] { return world.RunsProperly(*job->job); }, 35s, "the job starts by itself");
  world.network().faults().loss = 0.2;
  world.splits_in_broker() += 3;
  world.RunUntil([&] { return world.splits_added() >= 3; }, 60s, "new splits reach their tasks");
  world.ExpectConverged();
}

void Everything(Simulation& world) {
  StartCluster(world);
  Flaky(world);
  world.store_faults().unknown_applied = world.store_faults().unknown_lost = 0.03;
  auto first = SubmitAndAwait(world, {6});
  auto second = SubmitAndAwait(world, {4, true});
  auto third = world.Submit({2});
  bool cancelled = false;
  for (int i = 0; i < 12; ++i) {
    const std::string id = "tm" + std::to_string(1 + world.random().Uniform(3));
    switch (world.random().Uniform(6)) {
      case 0:
        world.KillTaskManager(id);
        world.RunFor(world.RandomUpTo(8s));
        world.StartTaskManager(id);
        break;
      case 1:
        world.Cut(id);
        world.RunFor(world.RandomUpTo(12s));
        world.Mend(id);
        break;
      case 2:
        if (first->job) world.FailTask(*first->job, ErrorCode::kPythonCrashed);
        break;
      case 3:
        world.store_faults().away = true;
        world.RunFor(world.RandomUpTo(8s));
        world.store_faults().away = false;
        break;
      case 4:
        if (i > 8 && first->job && !std::exchange(cancelled, true)) world.Cancel(first);
        break;
      default:
        break;
    }
    world.RunFor(world.RandomUpTo(4s));
  }
  world.ExpectConverged(300s);
}

}  // namespace

const std::vector<Scenario>& Scenarios() {
  static const std::vector<Scenario> kScenarios = {
      {"NothingHappens", NothingHappens},
      {"TaskManagerLostDuringDeploy", TaskManagerLostDuringDeploy},
      {"TaskManagerLostWhileRunning", TaskManagerLostWhileRunning},
      {"AllSlotsNeededThenReturn", AllSlotsNeededThenReturn},
      {"CancelDuringDeploy", CancelDuringDeploy},
      {"CancelAtAnyMoment", CancelAtAnyMoment},
      {"DuplicateAndLateHeartbeats", DuplicateAndLateHeartbeats},
      {"LostAndRepeatedDeployReplies", LostAndRepeatedDeployReplies},
      {"UnknownResultWrite", UnknownResultWrite},
      {"TaskManagerRestartsWithSameId", TaskManagerRestartsWithSameId},
      {"PartitionAndReturn", PartitionAndReturn},
      {"JobManagerRestarts", JobManagerRestarts},
      {"StoreIsEmptied", StoreIsEmptied},
      {"StoreAway", StoreAway},
      {"SlowStore", SlowStore},
      {"RepeatedSubmissions", RepeatedSubmissions},
      {"TaskFailures", TaskFailures},
      {"BrokerAwayAndNewSplits", BrokerAwayAndNewSplits},
      {"Everything", Everything},
  };
  return kScenarios;
}

}  // namespace headrace::simulation
