#include "control/deploy/deployer.h"

#include <utility>

#include "base/status.h"

namespace headrace::control::deploy {

using cluster::ProcessKey;

Deployer::Deployer(Executor* executor, cluster::Leadership* leadership, cluster::TaskManagerRegistry* registry)
    : leadership_(leadership), registry_(registry), mailbox_(executor) {}

void Deployer::Deploy(std::map<ProcessKey, plan::JobDeployment> deployments, Done done, Failed failed) {
  done_ = std::move(done);
  failed_ = std::move(failed);
  for (const auto& [process, deployment] : deployments) waiting_for_.insert(process);
  for (auto& [process, deployment] : deployments) {
    const cluster::TaskManagerEntry* entry = registry_->FindAlive(process);
    if (entry == nullptr) {
      mailbox_.Bind([this, key = process] {
        OnAnswer(key, Outcome<Nothing>::NotDone(
                          Error(ErrorCode::kTaskManagerLost, "TaskManager " + key.id.str() + " was lost before the tasks were sent.")));
      })();
      continue;
    }
    entry->gateway->Deploy(leadership_->token(), process.incarnation, std::move(deployment),
                           mailbox_.Bind([this, key = process](Outcome<Nothing> outcome) { OnAnswer(key, outcome); }));
  }
}

void Deployer::OnAnswer(const ProcessKey& process, const Outcome<Nothing>& outcome) {
  if (outcome.done()) {
    waiting_for_.erase(process);
    if (!waiting_for_.empty()) return;
    const Done done = std::exchange(done_, nullptr);
    return done();
  }
  mailbox_.Close();
  registry_->NoteFailedCall(process, outcome.reason());
  const Failed failed = std::exchange(failed_, nullptr);
  failed({process, outcome.reason(), outcome.unknown()});
}

}  // namespace headrace::control::deploy
