#pragma once
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "control/job/dispatcher.h"

namespace headrace::control::job {

/// The failures of one job: the first for ever, of the rest the newest 20. A value.
class ExceptionHistory {
 public:
  void Add(ExceptionEntry entry);
  std::vector<ExceptionEntry> entries() const;  ///< oldest first
  const ExceptionEntry* newest() const;

 private:
  std::optional<ExceptionEntry> first_;
  std::deque<ExceptionEntry> rest_;
};

/// {"code","message","traceback","user_location","operator_name","operator_uid","task_name","task_manager"} for the result row.
std::string FailureJson(const ExceptionEntry& entry);
/// The entry of a stored row; an empty message when the text is empty or not JSON.
ExceptionEntry FailureFromJson(const std::string& json);
/// A failure of the job as a whole.
wire::TaskFailure FailureOf(const Status& status);

}  // namespace headrace::control::job
