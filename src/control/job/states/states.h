#pragma once
#include <memory>

#include "control/job/job_master.h"
#include "control/job/job_state.h"
#include "control/metastore/metastore.h"

namespace headrace::control::job {

/// Finds the splits of all sources and stores them before anything is read. INITIALIZING.
std::unique_ptr<JobStateHandler> MakeInitializing(JobMaster* job);
/// The first deployment, until all tasks run. CREATED.
std::unique_ptr<JobStateHandler> MakeCreated(JobMaster* job);
/// Watches the tasks, looks for new splits, writes the end of a job whose tasks finished. RUNNING.
std::unique_ptr<JobStateHandler> MakeRunning(JobMaster* job);
/// Stops what is left everywhere, waits as the restart strategy says, deploys again. RESTARTING.
std::unique_ptr<JobStateHandler> MakeRestarting(JobMaster* job, JobMaster::FailureKind cause);
/// Stops everything, then writes FAILED with the newest exception. FAILING.
std::unique_ptr<JobStateHandler> MakeFailing(JobMaster* job);
/// Stops everything, then writes CANCELED. CANCELLING.
std::unique_ptr<JobStateHandler> MakeCancelling(JobMaster* job);
/// The stored result: FINISHED, FAILED or CANCELED. Cleans up, then releases the job.
std::unique_ptr<JobStateHandler> MakeTerminal(JobMaster* job, const metastore::JobResult& result);
/// Another JobManager leads. SUSPENDED.
std::unique_ptr<JobStateHandler> MakeSuspended(JobMaster* job);

}  // namespace headrace::control::job
