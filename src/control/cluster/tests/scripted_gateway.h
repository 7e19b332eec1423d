#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "wire/gateways.h"

namespace headrace::control::cluster {

/// A TaskManager whose answers a test decides. Answers at once unless `hold` is set.
struct ScriptedProcess {
  Outcome<Nothing> probe_answer = Outcome<Nothing>::Done({});
  Outcome<Nothing> cancel_answer = Outcome<Nothing>::Done({});
  int probes = 0;
  std::vector<std::pair<JobId, DeploymentNumber>> cancels;
};

class ScriptedGateway final : public wire::TaskManagerGateway {
 public:
  explicit ScriptedGateway(ScriptedProcess* process) : process_(process) {}
  void Deploy(wire::LeaderToken, Incarnation, plan::JobDeployment, wire::Reply<Nothing> reply) override {
    reply(Outcome<Nothing>::Done({}));
  }
  void Cancel(wire::LeaderToken, Incarnation, JobId job, DeploymentNumber up_to, wire::Reply<Nothing> reply) override {
    process_->cancels.emplace_back(job, up_to);
    reply(process_->cancel_answer);
  }
  void AddSplits(wire::LeaderToken, Incarnation, AttemptId, plan::SourceAssignment, wire::Reply<Nothing> reply) override {
    reply(Outcome<Nothing>::Done({}));
  }
  void Probe(wire::LeaderToken, Incarnation, wire::Reply<Nothing> reply) override {
    ++process_->probes;
    reply(process_->probe_answer);
  }

 private:
  ScriptedProcess* const process_;
};

/// One scripted process per host name.
class ScriptedConnector final : public wire::TaskManagerConnector {
 public:
  std::shared_ptr<wire::TaskManagerGateway> Connect(const std::string& host, std::uint16_t, const TaskManagerId&) override {
    return std::make_shared<ScriptedGateway>(&processes[host]);
  }
  std::map<std::string, ScriptedProcess> processes;
};

}  // namespace headrace::control::cluster
