#include "apps/exit_code.h"

#include <cstdio>
#include <string>

namespace headrace::apps {

ExitCode ExitCodeOf(const Status& status) {
  if (status.ok()) return kExitOk;
  switch (CodeOf(status)) {
    case ErrorCode::kNotFound:
      return kExitNotFound;
    case ErrorCode::kRequestTimeout:
      return kExitTimeout;
    case ErrorCode::kBadSetting:
      return kExitUsage;
    default:
      return kExitFailed;
  }
}

ExitCode PrintFailure(const Status& status) {
  const ErrorDetail* detail = ErrorDetail::Of(status);
  std::string text = "error: " + status.message() + "\n";
  if (detail != nullptr) {
    if (!detail->hint().empty()) text += "  hint: " + std::string(detail->hint()) + "\n";
    text += "  code: " + CodeName(detail->code()) + "\n";
  }
  std::fputs(text.c_str(), stderr);
  return ExitCodeOf(status);
}

}  // namespace headrace::apps
