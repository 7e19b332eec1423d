#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace headrace::data::exchange {

/// Told by the loop that something happened on its descriptor. Loop thread only.
class Watcher {
 public:
  virtual ~Watcher() = default;
  /// `events` are epoll's, edge-triggered: read and write until nothing is left, or call ReadAgain().
  virtual void OnEvents(std::uint32_t events) = 0;
};

/// The one I/O thread of an exchange: epoll, posted closures and timers. Owned by the exchange.
/// Post() from any thread, the rest on the loop's thread. Stop: RequestStop() ends the turn, Join() waits.
class IoLoop {
 public:
  static Result<std::unique_ptr<IoLoop>> Make();
  ~IoLoop();
  void Start();
  /// After the stop closures are dropped.
  void Post(std::function<void()> task);
  void PostAfter(Duration delay, std::function<void()> task);
  /// The loop keeps the watcher alive until Unwatch().
  Result<std::uint64_t> Watch(int fd, std::shared_ptr<Watcher> watcher);
  void Unwatch(int fd, std::uint64_t id);
  /// Calls OnEvents(EPOLLIN) once more after the others had their turn.
  void ReadAgain(std::uint64_t id) { again_.push_back(id); }
  void RequestStop();
  void Join();

 private:
  IoLoop(int epoll_fd, int event_fd) : epoll_fd_(epoll_fd), event_fd_(event_fd) {}
  void Run();
  void Signal();
  int WaitMs() const;
  void RunPosted();
  void RunTimers();

  const int epoll_fd_;
  const int event_fd_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
  std::unordered_map<std::uint64_t, std::shared_ptr<Watcher>> watchers_;
  std::uint64_t next_id_ = 1;  // 0 is the event descriptor
  std::vector<std::uint64_t> again_;
  std::multimap<MonotonicTime, std::function<void()>> timers_;
};

}  // namespace headrace::data::exchange
