#include "data/python/worker_output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "base/logging.h"

namespace headrace::data::python {

namespace {

constexpr std::size_t kMaxLine = 4096, kTailLines = 20, kTailBytes = 2048;
constexpr int kLinesPerSecond = 200;

}  // namespace

bool WorkerOutput::Drain(int fd) {
  char buffer[8192];
  // Bounded, so that a worker that only prints does not keep the supervisor from the others.
  for (int i = 0; i < 32; ++i) {
    const ssize_t got = ::read(fd, buffer, sizeof(buffer));
    if (got > 0) {
      Take({buffer, static_cast<std::size_t>(got)});
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else {
      if (got == 0 && !line_.empty()) Finish();
      return got != 0;
    }
  }
  return true;
}

void WorkerOutput::Take(std::string_view bytes) {
  for (const char c : bytes) {
    if (c == '\n') {
      Finish();
    } else if (line_.size() < kMaxLine) {
      line_.push_back(c);
    }
  }
}

void WorkerOutput::Finish() {
  last_.push_back(line_);
  if (last_.size() > kTailLines) last_.pop_front();
  const MonotonicTime now = clock_->Now();
  if (now - window_start_ > std::chrono::seconds(1)) {
    if (dropped_ > 0)
      LogWarn("python", fmt::format("{} lines printed by Python functions were not logged", dropped_), {{"job_id", job_id_}});
    window_start_ = now;
    lines_in_window_ = 0;
    dropped_ = 0;
  }
  if (++lines_in_window_ > kLinesPerSecond) {
    ++dropped_;
  } else {
    Log(is_error_ ? LogLevel::kWarn : LogLevel::kInfo, "python", line_, {{"job_id", job_id_}});
  }
  line_.clear();
}

std::string WorkerOutput::Tail() const {
  std::string tail;
  for (const auto& line : last_) tail += line + "\n";
  if (tail.size() > kTailBytes) tail = "…" + tail.substr(tail.size() - kTailBytes);
  while (!tail.empty() && tail.back() == '\n') tail.pop_back();
  return tail;
}

}  // namespace headrace::data::python
