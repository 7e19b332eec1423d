#pragma once
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "wire/gateways.h"
#include "wire/sha256.h"

namespace headrace::wire::testing {

/// Waits for the one answer of a call. A second answer fails the test; a missing one after 30 s does too.
template <typename T>
class Answer {
 public:
  Reply<T> reply() {
    return [state = state_](Outcome<T> outcome) {
      std::lock_guard lock(state->mutex);
      EXPECT_FALSE(state->outcome.has_value()) << "answered twice";
      state->outcome = std::move(outcome);
      state->changed.notify_all();
    };
  }
  Outcome<T> Wait() {
    std::unique_lock lock(state_->mutex);
    if (!state_->changed.wait_for(lock, std::chrono::seconds(30), [&] { return state_->outcome.has_value(); })) {
      ADD_FAILURE() << "no answer";
      return Outcome<T>::Unknown(Status::Invalid("no answer in the test"));
    }
    return *state_->outcome;
  }
  bool answered() const {
    std::lock_guard lock(state_->mutex);
    return state_->outcome.has_value();
  }

 private:
  struct State {
    mutable std::mutex mutex;
    std::condition_variable changed;
    std::optional<Outcome<T>> outcome;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

/// A JobManager that answers as it is told and remembers what it was asked.
class FakeJobManager final : public JobManagerGateway {
 public:
  std::function<Outcome<RegisterReply>()> on_register = [] { return Outcome<RegisterReply>::Done({{7, Incarnation("jm")}, 250, 1250}); };
  std::function<void(Reply<HeartbeatReply>)> on_heartbeat = [](Reply<HeartbeatReply> reply) {
    reply(Outcome<HeartbeatReply>::Done({{7, Incarnation("jm")}, false}));
  };
  std::map<BlobId, std::string> blobs;
  RegisterRequest registered;
  HeartbeatRequest heartbeat;
  TaskReport report;
  TaskManagerId report_from;
  std::atomic<int> fetches{0};

  void Register(RegisterRequest request, Reply<RegisterReply> reply) override {
    registered = std::move(request);
    reply(on_register());
  }
  void Heartbeat(HeartbeatRequest request, Reply<HeartbeatReply> reply) override {
    heartbeat = std::move(request);
    on_heartbeat(std::move(reply));
  }
  void ReportTask(TaskManagerId from, Incarnation, TaskReport asked, Reply<Nothing> reply) override {
    report = std::move(asked);
    report_from = std::move(from);
    reply(Outcome<Nothing>::Done({}));
  }
  void FetchBlob(BlobId id, Reply<std::string> reply) override {
    ++fetches;
    auto found = blobs.find(id);
    reply(found == blobs.end() ? Outcome<std::string>::NotDone(Error(ErrorCode::kNotFound, "no such blob", "look elsewhere"))
                               : Outcome<std::string>::Done(found->second));
  }
};

/// A TaskManager that answers as it is told and remembers what it was asked.
class FakeTaskManager final : public TaskManagerGateway {
 public:
  std::function<void(Reply<Nothing>)> answer = [](Reply<Nothing> reply) { reply(Outcome<Nothing>::Done({})); };
  LeaderToken leader;
  Incarnation target;
  plan::JobDeployment deployment;
  JobId job;
  DeploymentNumber up_to = 0;
  AttemptId attempt;
  plan::SourceAssignment splits;
  std::atomic<int> calls{0};

  void Deploy(LeaderToken token, Incarnation meant, plan::JobDeployment asked, Reply<Nothing> reply) override {
    deployment = std::move(asked);
    Take(std::move(token), std::move(meant), std::move(reply));
  }
  void Cancel(LeaderToken token, Incarnation meant, JobId id, DeploymentNumber number, Reply<Nothing> reply) override {
    job = std::move(id);
    up_to = number;
    Take(std::move(token), std::move(meant), std::move(reply));
  }
  void AddSplits(LeaderToken token, Incarnation meant, AttemptId of, plan::SourceAssignment more, Reply<Nothing> reply) override {
    attempt = std::move(of);
    splits = std::move(more);
    Take(std::move(token), std::move(meant), std::move(reply));
  }
  void Probe(LeaderToken token, Incarnation meant, Reply<Nothing> reply) override {
    Take(std::move(token), std::move(meant), std::move(reply));
  }

 private:
  void Take(LeaderToken token, Incarnation meant, Reply<Nothing> reply) {
    leader = std::move(token);
    target = std::move(meant);
    ++calls;
    answer(std::move(reply));
  }
};

/// A request of TaskManager tm1 with nothing else in it.
template <typename Request>
Request From1() {
  Request request;
  request.id = TaskManagerId("tm1");
  request.incarnation = Incarnation("i1");
  return request;
}

inline const LeaderToken kLeader{7, Incarnation("jm")};
inline const Incarnation kTarget{"tm-process"};

}  // namespace headrace::wire::testing
