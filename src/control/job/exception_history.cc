#include "control/job/exception_history.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/status.h"

namespace headrace::control::job {
namespace {

constexpr std::size_t kKept = 20;

}  // namespace

void ExceptionHistory::Add(ExceptionEntry entry) {
  if (!first_) {
    first_ = std::move(entry);
    return;
  }
  rest_.push_back(std::move(entry));
  if (rest_.size() > kKept) rest_.pop_front();
}

std::vector<ExceptionEntry> ExceptionHistory::entries() const {
  std::vector<ExceptionEntry> all;
  if (first_) all.push_back(*first_);
  all.insert(all.end(), rest_.begin(), rest_.end());
  return all;
}

const ExceptionEntry* ExceptionHistory::newest() const { return !rest_.empty() ? &rest_.back() : first_ ? &*first_ : nullptr; }

std::string FailureJson(const ExceptionEntry& entry) {
  const wire::TaskFailure& failure = entry.failure;
  const nlohmann::json json = {{"code", failure.code},
                               {"message", failure.message},
                               {"traceback", failure.traceback},
                               {"user_location", failure.user_location},
                               {"operator_name", failure.operator_name},
                               {"operator_uid", failure.operator_uid},
                               {"hint", failure.hint},
                               {"task_name", entry.task_name},
                               {"task_manager", entry.task_manager},
                               {"deployment", entry.deployment},
                               {"wall_time_ms", entry.wall_time_ms}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);  // a message may hold any bytes
}

ExceptionEntry FailureFromJson(const std::string& text) {
  ExceptionEntry entry;
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return entry;
  const auto str = [&](const char* name) {
    const auto field = json.find(name);
    return field != json.end() && field->is_string() ? field->get<std::string>() : std::string();
  };
  const auto number = [&](const char* name) {
    const auto field = json.find(name);
    return field != json.end() && field->is_number_integer() ? field->get<std::int64_t>() : std::int64_t{0};
  };
  entry.failure = {static_cast<int>(number("code")),
                   str("message"),
                   str("traceback"),
                   str("user_location"),
                   str("operator_name"),
                   str("operator_uid"),
                   str("hint")};
  entry.task_name = str("task_name");
  entry.task_manager = str("task_manager");
  entry.deployment = static_cast<DeploymentNumber>(number("deployment"));
  entry.wall_time_ms = number("wall_time_ms");
  return entry;
}

wire::TaskFailure FailureOf(const Status& status) {
  wire::TaskFailure failure;
  failure.code = static_cast<int>(CodeOf(status));
  failure.message = status.message();
  if (const ErrorDetail* detail = ErrorDetail::Of(status); detail != nullptr) failure.hint = detail->hint();
  return failure;
}

}  // namespace headrace::control::job
