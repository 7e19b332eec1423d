#pragma once
#include <cstdint>
#include <string>

#include "apps/exit_code.h"
#include "apps/signal_waiter.h"
#include "base/settings.h"

namespace headrace::apps {

/// `headrace local`: both planes in one process with REST on loopback; runs until a signal. Main thread.
ExitCode RunLocal(const Settings& settings, SignalWaiter* signals);

/// `headrace run FILE`: one job, no servers; ends with the job. `results_fd` >= 0 takes the rows of collection sinks.
ExitCode RunJobFile(const Settings& settings, const std::string& path, int results_fd, std::uint32_t parallelism, SignalWaiter* signals);

/// `headrace demo`: a word count on made-up lines with a live table, and the REST interface to look at it.
struct DemoOptions {
  double duration_seconds = 0;  ///< 0 = until a signal
  std::uint32_t parallelism = 2;
  std::uint32_t rows_per_second = 20000;
};
ExitCode RunDemo(const Settings& settings, const DemoOptions& options, SignalWaiter* signals);

}  // namespace headrace::apps
