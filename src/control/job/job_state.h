#pragma once
#include "control/cluster/mailbox.h"
#include "control/cluster/task_manager_registry.h"
#include "control/job/dispatcher.h"
#include "wire/gateways.h"

namespace headrace::control::job {

class JobMaster;

/// What a job does while it is in one state: one class and one file per state under states/. Entered once, left for good;
/// answers that come after it was left reach nobody, because its mailbox is closed.
/// Owned by the JobMaster; control executor only.
class JobStateHandler {
 public:
  explicit JobStateHandler(JobMaster* job);
  virtual ~JobStateHandler() = default;
  virtual JobState state() const = 0;
  /// May change the state as its last act.
  virtual void Enter() = 0;
  /// Closes the mailbox and what else may call back. Must not destroy anything: it may run inside one of those calls.
  virtual void Leave() { mailbox_.Close(); }

  /// After the report changed the execution graph.
  virtual void OnTaskReport(const wire::TaskReport& report) {}
  /// After the process left the job's lists; `needed` = one of its tasks had not finished.
  virtual void OnProcessLost(const cluster::ProcessKey& process, bool needed) {}
  /// Slots came, went or were freed, or the lease is fresh again.
  virtual void OnCapacityChanged() {}
  /// The user wants the job to end. By default it goes to CANCELLING.
  virtual void OnCancel();

 protected:
  JobMaster& job() { return *job_; }
  cluster::Mailbox& mailbox() { return mailbox_; }

 private:
  JobMaster* const job_;
  cluster::Mailbox mailbox_;
};

}  // namespace headrace::control::job
