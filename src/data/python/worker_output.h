#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace headrace::data::python {

/// Turns what a worker prints into log lines: cuts long lines, limits their rate, remembers the last ones for the report of a
/// crash. Supervisor thread only.
class WorkerOutput {
 public:
  WorkerOutput(std::string job_id, bool is_error, Clock* clock) : job_id_(std::move(job_id)), is_error_(is_error), clock_(clock) {}
  /// Reads the non-blocking pipe `fd` until it is empty; false at its end.
  bool Drain(int fd);
  /// The last lines, joined by newlines, at most ~2 KiB.
  std::string Tail() const;

 private:
  void Take(std::string_view bytes);
  void Finish();
  std::string job_id_;
  bool is_error_;
  Clock* clock_;
  std::string line_;
  std::deque<std::string> last_;
  MonotonicTime window_start_{};
  int lines_in_window_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace headrace::data::python
