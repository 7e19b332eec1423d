#pragma once
#include <sys/resource.h>
#include <ctime>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/status.h"

namespace headrace::bench {

/// CPU seconds of this thread so far: what a neighbour on the same machine takes does not count.
inline double ThreadCpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}
/// User and system seconds of this process so far, all threads.
inline double ProcessCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Ends the program: a benchmark that failed has no result.
[[noreturn]] inline void Die(const std::string& what) {
  std::fprintf(stderr, "bench: %s\n", what.c_str());
  std::exit(1);
}
inline void Must(const Status& status) {
  if (!status.ok()) Die(status.ToString());
}
template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) Die(result.status().ToString());
  return std::move(result).ValueUnsafe();
}

}  // namespace headrace::bench
