#include "data/exchange/remote/io_loop.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace headrace::data::exchange {

Result<std::unique_ptr<IoLoop>> IoLoop::Make() {
  const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  const int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  if (epoll_fd < 0 || event_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event_fd, &event) != 0) {
    const Status status = Status::IOError("the exchange's I/O loop cannot start: ", std::strerror(errno));
    if (epoll_fd >= 0) close(epoll_fd);
    if (event_fd >= 0) close(event_fd);
    return status;
  }
  return std::unique_ptr<IoLoop>(new IoLoop(epoll_fd, event_fd));
}

IoLoop::~IoLoop() {
  RequestStop();
  Join();
  close(epoll_fd_);
  close(event_fd_);
}

void IoLoop::Start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "exchange-io");
    Run();
  });
}

void IoLoop::Signal() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(event_fd_, &one, sizeof(one));
}

void IoLoop::Post(std::function<void()> task) {
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    if (stopping_.load()) return;
    first = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (first) Signal();
}

void IoLoop::PostAfter(Duration delay, std::function<void()> task) { timers_.emplace(SystemClock().Now() + delay, std::move(task)); }

Result<std::uint64_t> IoLoop::Watch(int fd, std::shared_ptr<Watcher> watcher) {
  const std::uint64_t id = next_id_++;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = id;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) return Status::IOError("epoll: ", std::strerror(errno));
  watchers_.emplace(id, std::move(watcher));
  return id;
}

void IoLoop::Unwatch(int fd, std::uint64_t id) {
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
  watchers_.erase(id);
}

int IoLoop::WaitMs() const {
  if (!again_.empty()) return 0;
  if (timers_.empty()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - SystemClock().Now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

void IoLoop::RunPosted() {
  std::vector<std::function<void()>> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

void IoLoop::RunTimers() {
  const MonotonicTime now = SystemClock().Now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    auto task = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    task();
  }
}

void IoLoop::Run() {
  epoll_event events[64];
  std::vector<std::uint64_t> again;
  auto call = [this](std::uint64_t id, std::uint32_t what) {
    const auto at = watchers_.find(id);
    if (at == watchers_.end()) return;  // closed earlier in this turn
    const std::shared_ptr<Watcher> watcher = at->second;
    watcher->OnEvents(what);
  };
  while (!stopping_.load()) {
    const int count = epoll_wait(epoll_fd_, events, 64, WaitMs());
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 != 0) {
        call(events[i].data.u64, events[i].events);
      } else {
        std::uint64_t ignored;
        [[maybe_unused]] const auto got = read(event_fd_, &ignored, sizeof(ignored));
      }
    }
    again.clear();
    again.swap(again_);
    for (const std::uint64_t id : again) call(id, EPOLLIN);
    RunPosted();
    RunTimers();
  }
  // What is left of the loop's own state goes on its thread.
  watchers_.clear();
  timers_.clear();
}

void IoLoop::RequestStop() {
  {
    std::lock_guard lock(mutex_);
    stopping_.store(true);
  }
  Signal();
}

void IoLoop::Join() {
  if (thread_.joinable()) thread_.join();
  std::vector<std::function<void()>> dropped;
  {
    std::lock_guard lock(mutex_);
    dropped.swap(posted_);
  }
}

}  // namespace headrace::data::exchange
