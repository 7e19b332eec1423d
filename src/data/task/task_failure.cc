#include "data/task/task_failure.h"

#include <algorithm>

#include "data/python/worker_error.h"

namespace headrace::data::task {

TaskFailure DescribeFailure(const Status& status, const plan::ExecutionVertex& vertex, const op::ChainLink* link) {
  TaskFailure failure;
  failure.code = CodeOf(status);
  std::string who = vertex.name;
  if (link != nullptr) {
    who = link->describe;
    failure.operator_name = link->name;
    failure.operator_uid = link->uid;
    failure.user_location = link->location;
  }
  const auto* error = python::FunctionError::Of(status);
  if (error != nullptr) {
    failure.traceback = error->frame().traceback;
    if (!error->location().empty()) failure.user_location = error->location();
    // Several verbs may run in one trip: the worker knows which one it was.
    const auto verb = std::find_if(vertex.operators.begin(), vertex.operators.end(),
                                   [&](const plan::OperatorSpec& spec) { return spec.uid.str() == error->frame().uid; });
    if (verb != vertex.operators.end()) {
      who = verb->Describe();
      failure.operator_name = verb->name;
      failure.operator_uid = verb->uid.str();
      if (error->location().empty() && !verb->location.file.empty()) failure.user_location = verb->location.ToString();
    }
  }
  failure.message = who.empty() ? status.message() : who + ": " + status.message();
  if (const ErrorDetail* detail = ErrorDetail::Of(status); detail != nullptr) failure.hint = detail->hint();
  return failure;
}

}  // namespace headrace::data::task
