#pragma once
#include <string>

#include "base/status.h"
#include "data/operator/chain.h"
#include "plan/execution_plan.h"

namespace headrace::data::task {

/// Why an attempt failed, in words for people.
struct TaskFailure {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::string traceback;      ///< user frames, when a Python function raised
  std::string user_location;  ///< file:line: the frame that raised, else where the operator was made
  std::string operator_name, operator_uid;
  std::string hint;  ///< of the error itself; empty: the code's own says it
};

/// `link` is the chain's failed operator, or null when the error came from a source, a channel or the task itself.
TaskFailure DescribeFailure(const Status& status, const plan::ExecutionVertex& vertex, const op::ChainLink* link);

}  // namespace headrace::data::task
