#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace headrace {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

/// Extra fields of one log line, e.g. {{"job_id", id}, {"tm_id", tm}}. Field names: job_id task_id tm_id, or free.
using LogFields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// Writes one line: text on a terminal, a JSON line otherwise (ts level logger msg and the fields). Thread-safe; never blocks on disk for
/// long.
void Log(LogLevel level, std::string_view logger, std::string_view message, LogFields fields = {});

/// Where lines go. Call once at start. Empty file = stderr; a file rotates at `rotate_bytes`, `keep` old ones are kept.
struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  enum class Format { kAuto, kText, kJson } format = Format::kAuto;
  std::string file;
  std::size_t rotate_bytes = 64u << 20;
  int keep = 5;
};
void ConfigureLogging(const LogOptions& options);

inline void LogDebug(std::string_view logger, std::string_view message, LogFields fields = {}) {
  Log(LogLevel::kDebug, logger, message, fields);
}
inline void LogInfo(std::string_view logger, std::string_view message, LogFields fields = {}) {
  Log(LogLevel::kInfo, logger, message, fields);
}
inline void LogWarn(std::string_view logger, std::string_view message, LogFields fields = {}) {
  Log(LogLevel::kWarn, logger, message, fields);
}
inline void LogError(std::string_view logger, std::string_view message, LogFields fields = {}) {
  Log(LogLevel::kError, logger, message, fields);
}

}  // namespace headrace
