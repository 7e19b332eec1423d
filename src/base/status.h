#pragma once
#include <arrow/result.h>
#include <arrow/status.h>

#include <memory>
#include <string>
#include <string_view>

namespace headrace {

using arrow::Result;
using arrow::Status;

/// Who has to act on an error.
enum class WhoActs {
  kUser,        ///< the request or job is wrong: refuse it, never retry
  kTransient,   ///< an outside system is away: retry with backoff, visibly
  kTaskFatal,   ///< the attempt cannot go on: restart it
  kCorruption,  ///< data cannot be what was written: never retry in silence
};

/// Every error that a person may see, from error_codes.def: code "HR1042", who acts, HTTP status, hint.
enum class ErrorCode : int {
#define HEADRACE_ERROR(number, symbol, who, http, hint) symbol = number,
#include "base/error_codes.def"
#undef HEADRACE_ERROR
};

/// What error_codes.def says of one code.
struct ErrorCodeInfo {
  int number;
  std::string_view symbol;
  WhoActs who;
  int http_status;
  std::string_view hint;
};
const ErrorCodeInfo& InfoOf(ErrorCode code);
/// "HR1042"
std::string CodeName(ErrorCode code);

/// Travels inside a Status. Immutable, shared between threads.
class ErrorDetail : public arrow::StatusDetail {
 public:
  ErrorDetail(ErrorCode code, std::string hint) : code_(code), hint_(std::move(hint)) {}
  const char* type_id() const override { return "headrace::ErrorDetail"; }
  std::string ToString() const override;
  ErrorCode code() const { return code_; }
  WhoActs who() const { return InfoOf(code_).who; }
  /// One sentence on what to do next; the code's own hint when none was given.
  std::string_view hint() const { return hint_.empty() ? InfoOf(code_).hint : std::string_view(hint_); }
  /// The detail of `status`, or nullptr.
  static const ErrorDetail* Of(const Status& status);

 private:
  ErrorCode code_;
  std::string hint_;
};

/// A Status with a detail. `message` says what failed, where and why, as one sentence without the code.
Status Error(ErrorCode code, std::string message, std::string hint = {});
/// The status' code, or kInternal when it has no detail.
ErrorCode CodeOf(const Status& status);
WhoActs WhoActsOn(const Status& status);
/// `status` with "context: " before its message, the detail kept.
Status WithContext(const Status& status, std::string_view context);

/// Ends the process with file, line and message. For bugs only; on in release builds.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, std::string_view message);

}  // namespace headrace

#define HR_CHECK(condition, ...)                                                                                                   \
  do {                                                                                                                             \
    if (__builtin_expect(!(condition), 0)) ::headrace::CheckFailed(__FILE__, __LINE__, #condition, std::string_view{__VA_ARGS__}); \
  } while (false)
#define HR_RETURN_NOT_OK(expression) ARROW_RETURN_NOT_OK(expression)
#define HR_ASSIGN_OR_RAISE(lhs, expression) ARROW_ASSIGN_OR_RAISE(lhs, expression)
