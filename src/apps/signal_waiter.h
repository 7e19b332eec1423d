#pragma once
#include <chrono>
#include <optional>

namespace headrace::apps {

/// Turns SIGINT and SIGTERM into something a main thread can wait for. Made first in main(), before any thread starts, so
/// that every thread inherits the blocked signals. A second signal while stopping ends the process at once.
class SignalWaiter {
 public:
  SignalWaiter();
  /// Waits for a signal, or for a Notify() since the last wait that ended with one; returns the signal's number, 0 when notified.
  int Wait();
  /// Like Wait(), but gives up after `timeout`.
  std::optional<int> WaitFor(std::chrono::milliseconds timeout);
  /// Ends a Wait() from any thread.
  void Notify();
  /// From now on SIGINT and SIGTERM end the process: for the time of stopping.
  void ReleaseSignals();

 private:
  int event_fd_ = -1;
  int signal_fd_ = -1;
};

}  // namespace headrace::apps
