#include "data/python/worker_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace headrace::data::python {

namespace {

constexpr int kWorkerSocket = 3;
constexpr int kReport = 4;                // closed by exec
constexpr int kFirstSafeDescriptor = 16;  // above the ones that the child arranges

/// Everything the child needs, made before the fork: the child may not allocate.
struct ChildPlan {
  const char* path;
  char* const* argv;
  char* const* envp;
  const char* working_directory;
  int null, out, err, socket, report;
  pid_t parent;
  rlim_t max_address_space;
  uid_t uid;
  gid_t gid;
};

/// Where the child stopped; it writes one of these to its report pipe, which exec closes otherwise.
struct ChildFailure {
  char step[32];
  int error;
};

[[noreturn]] void Fail(const char* step) {
  ChildFailure failure = {};
  failure.error = errno;
  for (std::size_t i = 0; i + 1 < sizeof(failure.step) && step[i] != '\0'; ++i) failure.step[i] = step[i];
  (void)!::write(kReport, &failure, sizeof(failure));
  ::_exit(127);
}

void ResetSignals() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < 32; ++signal) {
    if (signal != SIGKILL && signal != SIGSTOP) ::sigaction(signal, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Runs between vfork and exec: system calls only.
[[noreturn]] void RunChild(const ChildPlan& plan) {
  ::setpgid(0, 0);
  if (::dup3(plan.report, kReport, O_CLOEXEC) < 0) ::_exit(125);
  if (::dup2(plan.null, 0) < 0 || ::dup2(plan.out, 1) < 0 || ::dup2(plan.err, 2) < 0 || ::dup2(plan.socket, kWorkerSocket) < 0)
    Fail("descriptors");
#ifdef SYS_close_range
  if (::syscall(SYS_close_range, kReport + 1, ~0u, 0) != 0)
#endif
  {
    for (int fd = kReport + 1; fd < 65536; ++fd) ::close(fd);
  }
  const struct rlimit no_core = {0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  if (plan.max_address_space != 0) {
    const struct rlimit memory = {plan.max_address_space, plan.max_address_space};
    if (::setrlimit(RLIMIT_AS, &memory) != 0) Fail("memory limit");
  }
  if (plan.gid != 0 && (::syscall(SYS_setgroups, 0, nullptr) != 0 || ::syscall(SYS_setgid, plan.gid) != 0)) Fail("group");
  if (plan.uid != 0 && ::syscall(SYS_setuid, plan.uid) != 0) Fail("user");
  // After a change of user the kernel forgets the death signal, so it is asked for last.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) Fail("death signal");
  if (::getppid() != plan.parent) ::_exit(126);
  if (plan.working_directory != nullptr && ::chdir(plan.working_directory) != 0) Fail("working directory");
  ResetSignals();
  ::execvpe(plan.path, plan.argv, plan.envp);
  Fail("exec");
}

// noinline: the frame that calls vfork must not be shared with code the child runs after it.
__attribute__((noinline)) pid_t Fork(const ChildPlan& plan) {
  // All signals stay blocked until the child has reset its handlers: it shares our memory.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::vfork();
  if (pid == 0) RunChild(plan);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return pid;
}

Result<Descriptor> High(int fd, const char* what) {
  Descriptor low(fd);
  Descriptor high(fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, kFirstSafeDescriptor));
  if (!high) return Error(ErrorCode::kPythonStart, fmt::format("cannot start a Python worker: {}: {}", what, std::strerror(errno)));
  return high;
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const auto& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Result<SpawnedProcess> SpawnProcess(const SpawnOptions& options) {
  int sockets[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1}, report[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0 || ::pipe2(out, O_CLOEXEC) != 0 ||
      ::pipe2(err, O_CLOEXEC) != 0 || ::pipe2(report, O_CLOEXEC) != 0) {
    const int error = errno;
    for (int fd : {sockets[0], sockets[1], out[0], out[1], err[0], err[1], report[0], report[1]}) {
      if (fd >= 0) ::close(fd);
    }
    return Error(ErrorCode::kPythonStart, fmt::format("cannot start a Python worker: {}", std::strerror(error)));
  }
  SpawnedProcess process;
  process.socket = Descriptor(sockets[0]);
  process.out = Descriptor(out[0]);
  process.err = Descriptor(err[0]);
  const Descriptor reported(report[0]);
  // Our end never blocks; the worker's does.
  for (int fd : {sockets[0], out[0], err[0]}) ::fcntl(fd, F_SETFL, O_NONBLOCK);
  auto child_socket = High(sockets[1], "socket"), child_out = High(out[1], "pipe"), child_err = High(err[1], "pipe");
  auto child_report = High(report[1], "pipe");
  auto null = High(::open("/dev/null", O_RDONLY | O_CLOEXEC), "/dev/null");
  HR_RETURN_NOT_OK(child_socket.status());
  HR_RETURN_NOT_OK(child_out.status());
  HR_RETURN_NOT_OK(child_err.status());
  HR_RETURN_NOT_OK(child_report.status());
  HR_RETURN_NOT_OK(null.status());

  std::vector<std::string> arguments = options.arguments;
  arguments.insert(arguments.begin(), options.executable);
  const auto argv = Pointers(arguments);
  const auto envp = Pointers(options.environment);
  const ChildPlan plan{options.executable.c_str(),
                       argv.data(),
                       envp.data(),
                       options.working_directory.empty() ? nullptr : options.working_directory.c_str(),
                       null->get(),
                       child_out->get(),
                       child_err->get(),
                       child_socket->get(),
                       child_report->get(),
                       ::getpid(),
                       static_cast<rlim_t>(options.max_address_space_bytes),
                       options.uid,
                       options.gid};
  process.pid = Fork(plan);
  const int fork_error = errno;
  child_report->Reset();
  if (process.pid < 0)
    return Error(ErrorCode::kPythonStart, fmt::format("cannot start a Python worker: fork: {}", std::strerror(fork_error)));
  ChildFailure failure = {};
  if (::read(reported.get(), &failure, sizeof(failure)) == sizeof(failure)) {
    ::waitpid(process.pid, nullptr, 0);
    return Error(ErrorCode::kPythonStart,
                 fmt::format("cannot start the Python worker {}: {}: {}", options.executable, failure.step, std::strerror(failure.error)));
  }
  process.pidfd = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  if (!process.pidfd) {
    ::kill(process.pid, SIGKILL);
    ::waitpid(process.pid, nullptr, 0);
    return Error(ErrorCode::kPythonStart, "cannot watch a Python worker: the kernel has no pidfd_open (Linux 5.3 or later is needed)");
  }
  return process;
}

std::vector<std::string> WorkerEnvironment() {
  std::vector<std::string> environment;
  for (const char* name : {"PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH"}) {
    const char* value = std::getenv(name);
    if (value != nullptr) environment.push_back(fmt::format("{}={}", name, value));
  }
  if (std::getenv("LANG") == nullptr) environment.emplace_back("LANG=C.UTF-8");
  if (std::getenv("PATH") == nullptr) environment.emplace_back("PATH=/usr/local/bin:/usr/bin:/bin");
  environment.emplace_back("PYTHONDONTWRITEBYTECODE=1");
  environment.emplace_back("PYTHONUNBUFFERED=1");
  environment.emplace_back("PYTHONFAULTHANDLER=1");
  return environment;
}

}  // namespace headrace::data::python
