#pragma once
#include <functional>
#include <vector>

#include "base/outcome.h"
#include "plan/job_graph.h"
#include "plan/split.h"

namespace headrace::control::job {

/// Finds the splits of sources, start positions resolved. Answers on the control executor. Behind an interface, so that
/// the simulator needs no broker. not_done with a transient code = the outside system is away (ask again later), with a
/// user code = the job is wrong (unknown topic).
class SplitPlanner {
 public:
  virtual ~SplitPlanner() = default;
  using SplitsAnswer = std::function<void(Outcome<std::vector<plan::SourceSplit>>)>;
  /// Splits for the first deployment, positions by the source's start option, ends resolved for bounded sources.
  virtual void PlanSplits(const plan::OperatorSpec& source, SplitsAnswer answer) = 0;
  /// Splits that are not in `known`; they start at the earliest position.
  virtual void FindNewSplits(const plan::OperatorSpec& source, const std::vector<plan::SourceSplit>& known, SplitsAnswer answer) = 0;
  /// Whether the source may get new splits while it runs, and how often to look; 0 = never.
  virtual std::int64_t DiscoveryIntervalMs(const plan::OperatorSpec& source) const = 0;
  /// Checks a sink's outside system at submit (topic exists). OK, user error, or transient.
  virtual void CheckSink(const plan::OperatorSpec& sink, std::function<void(Outcome<Nothing>)> answer) = 0;
};

}  // namespace headrace::control::job
