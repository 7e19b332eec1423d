#include "base/logging.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "base/shown_warnings.h"
#include "base/utf8.h"

namespace headrace {
namespace {

constexpr std::string_view kLevelNames[] = {"debug", "info", "warn", "error"};

/// Where lines go now. Immutable once made; replaced as a whole by ConfigureLogging().
struct Destination {
  std::shared_ptr<spdlog::logger> logger;
  bool json = false;
};

std::atomic<int> g_level{static_cast<int>(LogLevel::kInfo)};
std::atomic<const char*> g_shown{nullptr};  // the logger whose warnings are shown at any level
std::mutex g_mutex;
std::shared_ptr<const Destination> g_destination;  // guarded by g_mutex

std::shared_ptr<const Destination> MakeDestination(const LogOptions& options) {
  spdlog::sink_ptr sink;
  std::string failure;
  if (!options.file.empty()) {
    try {
      sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(options.file, options.rotate_bytes,
                                                                    static_cast<std::size_t>(options.keep));
    } catch (const std::exception& e) {
      failure = e.what();
    }
  }
  const bool to_file = sink != nullptr;
  if (!to_file) sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto destination = std::make_shared<Destination>();
  destination->logger = std::make_shared<spdlog::logger>("headrace", std::move(sink));
  destination->logger->set_level(spdlog::level::trace);
  destination->logger->set_pattern("%v");
  destination->logger->flush_on(spdlog::level::trace);
  destination->json = options.format == LogOptions::Format::kJson ||
                      (options.format == LogOptions::Format::kAuto && (to_file || isatty(STDERR_FILENO) == 0));
  if (!failure.empty()) destination->logger->warn("cannot log to the file, logging here instead: {}", failure);
  return destination;
}

std::shared_ptr<const Destination> CurrentDestination() {
  std::lock_guard lock(g_mutex);
  if (g_destination == nullptr) g_destination = MakeDestination({});
  return g_destination;
}

/// `text` is valid UTF-8.
void AppendEscaped(std::string* out, std::string_view text) {
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (c == '\n') {
      out->append("\\n");
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(*out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out->push_back(c);
    }
  }
}

void AppendJsonString(std::string* out, std::string_view text) {
  out->push_back('"');
  for (std::size_t bad = FindInvalidUtf8(text); bad != std::string_view::npos; bad = FindInvalidUtf8(text)) {
    AppendEscaped(out, text.substr(0, bad));
    out->append("\\ufffd");
    text.remove_prefix(bad + 1);
  }
  AppendEscaped(out, text);
  out->push_back('"');
}

std::string JsonLine(std::string_view ts, LogLevel level, std::string_view logger, std::string_view message, LogFields fields) {
  std::string line = fmt::format(R"({{"ts":"{}","level":"{}","logger":)", ts, kLevelNames[static_cast<int>(level)]);
  AppendJsonString(&line, logger);
  line.append(",\"msg\":");
  AppendJsonString(&line, message);
  for (const auto& [name, value] : fields) {
    line.push_back(',');
    AppendJsonString(&line, name);
    line.push_back(':');
    AppendJsonString(&line, value);
  }
  line.push_back('}');
  return line;
}

std::string TextLine(std::string_view ts, LogLevel level, std::string_view logger, std::string_view message, LogFields fields) {
  std::string line = fmt::format("{} {:<5} {}: {}", ts, kLevelNames[static_cast<int>(level)], logger, message);
  for (const auto& [name, value] : fields) fmt::format_to(std::back_inserter(line), " {}={}", name, value);
  return line;
}

}  // namespace

void Log(LogLevel level, std::string_view logger, std::string_view message, LogFields fields) {
  if (static_cast<int>(level) < g_level.load(std::memory_order_relaxed)) {
    const char* shown = g_shown.load(std::memory_order_relaxed);
    if (level < LogLevel::kWarn || shown == nullptr || logger != shown) return;
  }
  const auto destination = CurrentDestination();
  const std::int64_t now_ms = SystemClock().WallTimeMs();
  const std::string ts = fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(now_ms / 1000)), now_ms % 1000);
  destination->logger->log(spdlog::level::info,
                           destination->json ? JsonLine(ts, level, logger, message, fields) : TextLine(ts, level, logger, message, fields));
}

void ShowWarningsOf(const char* logger) { g_shown.store(logger, std::memory_order_relaxed); }

void ConfigureLogging(const LogOptions& options) {
  auto destination = MakeDestination(options);
  g_level.store(static_cast<int>(options.level), std::memory_order_relaxed);
  std::lock_guard lock(g_mutex);
  g_destination = std::move(destination);
}

}  // namespace headrace
