#include "base/status.h"

#include <cstdio>
#include <cstdlib>

namespace headrace {
namespace {

constexpr ErrorCodeInfo kInfos[] = {
#define HEADRACE_ERROR(number, symbol, who, http, hint) {number, #symbol, WhoActs::who, http, hint},
#include "base/error_codes.def"
#undef HEADRACE_ERROR
};

arrow::StatusCode ArrowCodeOf(ErrorCode code) {
  if (code == ErrorCode::kInternal) return arrow::StatusCode::UnknownError;
  switch (InfoOf(code).who) {
    case WhoActs::kUser:
      return code == ErrorCode::kNotFound ? arrow::StatusCode::KeyError : arrow::StatusCode::Invalid;
    case WhoActs::kTransient:
      return arrow::StatusCode::IOError;
    case WhoActs::kTaskFatal:
      return arrow::StatusCode::ExecutionError;
    case WhoActs::kCorruption:
      return arrow::StatusCode::SerializationError;
  }
  return arrow::StatusCode::UnknownError;
}

constexpr std::string_view kDetailTypeId = "headrace::ErrorDetail";

}  // namespace

const ErrorCodeInfo& InfoOf(ErrorCode code) {
  const ErrorCodeInfo* internal = nullptr;
  for (const ErrorCodeInfo& info : kInfos) {
    if (info.number == static_cast<int>(code)) return info;
    if (info.number == static_cast<int>(ErrorCode::kInternal)) internal = &info;
  }
  return *internal;  // a number from a newer peer
}

std::string CodeName(ErrorCode code) { return "HR" + std::to_string(static_cast<int>(code)); }

std::string ErrorDetail::ToString() const { return CodeName(code_) + ". " + std::string(hint()); }

const ErrorDetail* ErrorDetail::Of(const Status& status) {
  if (status.ok() || status.detail() == nullptr || status.detail()->type_id() != kDetailTypeId) return nullptr;
  return static_cast<const ErrorDetail*>(status.detail().get());
}

Status Error(ErrorCode code, std::string message, std::string hint) {
  return Status(ArrowCodeOf(code), std::move(message), std::make_shared<ErrorDetail>(code, std::move(hint)));
}

ErrorCode CodeOf(const Status& status) {
  const ErrorDetail* detail = ErrorDetail::Of(status);
  return detail == nullptr ? ErrorCode::kInternal : detail->code();
}

WhoActs WhoActsOn(const Status& status) { return InfoOf(CodeOf(status)).who; }

Status WithContext(const Status& status, std::string_view context) {
  if (status.ok()) return status;
  return Status(status.code(), std::string(context) + ": " + status.message(), status.detail());
}

void CheckFailed(const char* file, int line, const char* condition, std::string_view message) {
  std::fprintf(stderr, "%s:%d: check failed: %s%s%.*s\n", file, line, condition, message.empty() ? "" : ": ",
               static_cast<int>(message.size()), message.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace headrace
