#include "apps/signal_waiter.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <csignal>
#include <cstdint>

namespace headrace::apps {
namespace {

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

SignalWaiter::SignalWaiter() {
  sigset_t set = StopSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  signal_fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  event_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int SignalWaiter::Wait() {
  for (;;) {
    if (auto result = WaitFor(std::chrono::milliseconds(-1))) return *result;
  }
}

std::optional<int> SignalWaiter::WaitFor(std::chrono::milliseconds timeout) {
  pollfd fds[2] = {{signal_fd_, POLLIN, 0}, {event_fd_, POLLIN, 0}};
  if (poll(fds, 2, static_cast<int>(timeout.count())) <= 0) return std::nullopt;
  if (fds[0].revents & POLLIN) {
    signalfd_siginfo info{};
    if (read(signal_fd_, &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) return static_cast<int>(info.ssi_signo);
  }
  std::uint64_t notified = 0;
  if ((fds[1].revents & POLLIN) && read(event_fd_, &notified, sizeof(notified)) == static_cast<ssize_t>(sizeof(notified))) return 0;
  return std::nullopt;
}

void SignalWaiter::Notify() {
  std::uint64_t one = 1;
  [[maybe_unused]] auto written = write(event_fd_, &one, sizeof(one));
}

void SignalWaiter::ReleaseSignals() {
  sigset_t set = StopSignals();
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace headrace::apps
