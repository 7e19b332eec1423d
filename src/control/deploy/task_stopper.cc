#include "control/deploy/task_stopper.h"

#include <chrono>
#include <utility>
#include <vector>

namespace headrace::control::deploy {
namespace {

constexpr Duration kRetry = std::chrono::milliseconds(300);

}  // namespace

using cluster::ProcessKey;

TaskStopper::TaskStopper(Executor* executor, cluster::Leadership* leadership, cluster::TaskManagerRegistry* registry, JobId job,
                         TouchedProcesses* touched)
    : leadership_(leadership), registry_(registry), job_(std::move(job)), touched_(touched), mailbox_(executor) {}

void TaskStopper::Start(std::function<void()> stopped) {
  stopped_ = std::move(stopped);
  std::vector<ProcessKey> processes;
  for (const auto& [process, deployment] : *touched_) processes.push_back(process);
  for (const ProcessKey& process : processes) Send(process);
  Check();
}

void TaskStopper::Send(const ProcessKey& process) {
  const auto touched = touched_->find(process);
  if (touched == touched_->end() || !leadership_->leading()) return;
  const cluster::TaskManagerEntry* entry = registry_->FindAlive(process);
  if (entry == nullptr) return;  // its loss is on the way to the owner
  const DeploymentNumber up_to = touched->second;
  entry->gateway->Cancel(leadership_->token(), process.incarnation, job_, up_to,
                         mailbox_.Bind([this, process, up_to](Outcome<Nothing> outcome) {
                           const auto left = touched_->find(process);
                           if (left == touched_->end()) return;
                           if (outcome.done() && left->second <= up_to) {
                             touched_->erase(left);
                             return Check();
                           }
                           if (!outcome.done()) registry_->NoteFailedCall(process, outcome.reason());
                           mailbox_.After(kRetry, [this, process] { Send(process); });
                         }));
}

void TaskStopper::Check() {
  if (!touched_->empty() || !stopped_) return;
  // A retry that is still due would take what is deployed next for a left-over and cancel it.
  mailbox_.Close();
  // The callback may destroy this object: nothing is touched after it.
  const std::function<void()> stopped = std::exchange(stopped_, nullptr);
  stopped();
}

std::string TaskStopper::Describe() const {
  std::string text = "stopping tasks on ";
  bool first = true;
  for (const auto& [process, deployment] : *touched_) {
    if (!first) text += ", ";
    first = false;
    text += process.id.str();
  }
  return text;
}

}  // namespace headrace::control::deploy
