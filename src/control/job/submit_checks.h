#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/status.h"
#include "control/cluster/mailbox.h"
#include "control/cluster/task_manager_registry.h"
#include "control/job/dispatcher.h"
#include "control/job/job_master.h"
#include "control/job/split_planner.h"
#include "plan/job_graph.h"

namespace headrace::control::job {

/// Turns the bytes of a job file into a graph. Pure, any thread; a seam, so that tests need no pickle.
using JobFileReader = std::function<Result<plan::JobGraph>(std::string_view)>;

/// Reads, validates and chains: everything that needs nobody else. Pure, any thread; tens of megabytes take tenths of a second,
/// so never in a turn of the control executor. The answer's record has the job's name and no job file.
/// Errors: kNotAJobFile … of the reader, those of plan::Validate.
Result<JobDescription> PrepareJob(const JobFileReader& read, const metastore::JobRecord& record);

/// kPythonVersion when the job needs another Python than every TaskManager has. OK while none is registered.
Status CheckPythonVersion(const plan::ExecutionPlan& plan, const cluster::TaskManagerRegistry& registry);

/// What the author should know about options that do less than they say.
std::vector<std::string> SubmitWarnings(const plan::ExecutionPlan& plan);

/// Asks the outside systems of all sources and sinks at once. Owned by one submission; control executor only.
class OutsideChecks {
 public:
  struct Findings {
    Status error;                                                   ///< the job is wrong
    std::vector<std::string> warnings;                              ///< who did not answer
    std::map<OperatorUid, std::vector<plan::SourceSplit>> planned;  ///< splits of the sources that did
  };
  using Done = std::function<void(Findings)>;
  OutsideChecks(Executor* executor, SplitPlanner* planner);
  /// Answers once, at the latest after `patience`: who has not answered by then is taken for away.
  void Start(std::shared_ptr<const plan::ExecutionPlan> plan, Duration patience, Done done);

 private:
  void CheckOne(const plan::OperatorSpec& op);
  void Note(const plan::OperatorSpec& op, const Status& reason, bool unknown);
  void Settle();

  SplitPlanner* const planner_;
  std::shared_ptr<const plan::ExecutionPlan> plan_;
  std::map<OperatorUid, const plan::OperatorSpec*> waiting_;
  Findings findings_;
  Done done_;
  cluster::Mailbox mailbox_;
};

}  // namespace headrace::control::job
