#include "apps/cli/doctor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>

#include "apps/host_port.h"
#include "apps/program_output.h"
#include "apps/python_executable.h"

namespace headrace::apps::cli {
namespace {

enum class Verdict { kOk, kWarn, kFail };

/// Counts and prints the lines.
class Report {
 public:
  void Line(Verdict verdict, const std::string& what, const std::string& advice = {}) {
    const char* mark = verdict == Verdict::kOk ? "ok  " : verdict == Verdict::kWarn ? "warn" : "FAIL";
    std::printf("%s  %s\n", mark, what.c_str());
    if (!advice.empty() && verdict != Verdict::kOk) std::printf("      %s\n", advice.c_str());
    failures_ += verdict == Verdict::kFail ? 1 : 0;
  }
  int failures() const { return failures_; }

 private:
  int failures_ = 0;
};

/// Empty when host:port accepts a connection within two seconds, else why not.
std::string WhyUnreachable(const std::string& host, const std::string& port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0)
    return fmt::format("{} does not resolve: {}", host, gai_strerror(error));
  std::string why = "no address";
  for (addrinfo* at = found; at != nullptr && !why.empty(); at = at->ai_next) {
    const int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
    if (fd < 0) continue;
    int error = connect(fd, at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      pollfd wait{fd, POLLOUT, 0};
      socklen_t size = sizeof(error);
      if (poll(&wait, 1, 2000) <= 0)
        error = ETIMEDOUT;
      else
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    why = error == 0 ? std::string{} : std::string(std::strerror(error));
    close(fd);
  }
  freeaddrinfo(found);
  return why;
}

/// True when a listener could be opened on the port.
bool PortIsFree(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool free = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return free;
}

void CheckMachine(Report* report, const Settings& settings) {
  const unsigned cores = std::thread::hardware_concurrency();
  report->Line(cores >= 2 ? Verdict::kOk : Verdict::kWarn, fmt::format("{} cores", cores), "A TaskManager wants one core for each slot.");
  struct sysinfo info {};
  sysinfo(&info);
  const double gib = static_cast<double>(info.totalram) * info.mem_unit / (1u << 30);
  report->Line(gib >= 8 ? Verdict::kOk : Verdict::kWarn, fmt::format("{:.1f} GiB of memory", gib), "The Compose stack wants 8 GiB.");
  std::error_code error;
  std::filesystem::path folder = settings.Path("data.dir");
  while (!folder.empty() && !std::filesystem::exists(folder, error) && folder.has_parent_path() && folder != folder.parent_path())
    folder = folder.parent_path();
  const auto space = std::filesystem::space(folder, error);
  const double free_gib = error ? 0 : static_cast<double>(space.available) / (1u << 30);
  report->Line(free_gib >= 20 ? Verdict::kOk : Verdict::kWarn, fmt::format("{:.0f} GiB free under {}", free_gib, folder.string()),
               "The Compose stack wants 20 GiB.");
  report->Line(access(folder.c_str(), W_OK) == 0 ? Verdict::kOk : Verdict::kFail, fmt::format("{} can be written", folder.string()),
               "Set HEADRACE_DATA_DIR to a folder of yours.");
}

void CheckPython(Report* report, const Settings& settings) {
  const std::string python = PythonExecutable(settings);
  const std::string version = FirstLineOf({python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"});
  report->Line(version.empty() ? Verdict::kFail : Verdict::kOk,
               version.empty() ? fmt::format("{} does not run", python) : fmt::format("{} is Python {}", python, version),
               "Install Python 3.10 or newer, or set HEADRACE_PYTHON__EXECUTABLE.");
  if (version.empty()) return;
  const std::string package = FirstLineOf({python, "-c", "import headrace, headrace.worker; print(headrace.__version__)"});
  report->Line(package.empty() ? Verdict::kFail : Verdict::kOk,
               package.empty() ? "that Python has no headrace package" : fmt::format("it has headrace {}", package),
               "Run ./dev build, or pip install the headrace wheel for that Python.");
}

void CheckContainers(Report* report) {
  const std::string docker = FirstLineOf({"docker", "version", "--format", "{{.Server.Version}}"});
  report->Line(docker.empty() ? Verdict::kWarn : Verdict::kOk, docker.empty() ? "no Docker engine answers" : "Docker engine " + docker,
               "Only the Compose stack needs one (20.10 or newer).");
  if (docker.empty()) return;
  std::string compose = FirstLineOf({"docker", "compose", "version", "--short"});
  if (compose.empty()) compose = FirstLineOf({"docker-compose", "version", "--short"});
  report->Line(compose.empty() ? Verdict::kWarn : Verdict::kOk, compose.empty() ? "no Docker Compose" : "Docker Compose " + compose,
               "Install docker-compose 2.0 or newer.");
}

void CheckPorts(Report* report, const Settings& settings) {
  for (const char* key : {"rest.port", "jobmanager.rpc_port", "taskmanager.rpc_port", "taskmanager.exchange_port", "metrics.port"}) {
    const std::uint16_t port = settings.Port(key);
    if (port == 0) continue;
    const bool free = PortIsFree(port);
    report->Line(free ? Verdict::kOk : Verdict::kWarn, fmt::format("port {} ({}) is {}", port, key, free ? "free" : "in use"),
                 "Fine when Headrace itself runs here; else set another port.");
  }
}

void CheckServers(Report* report, const Settings& settings) {
  auto check = [report](const std::string& what, const std::string& host, const std::string& port) {
    const std::string why = WhyUnreachable(host, port);
    report->Line(why.empty() ? Verdict::kOk : Verdict::kFail,
                 fmt::format("{} {}:{} {}", what, host, port, why.empty() ? "accepts connections" : "cannot be reached: " + why),
                 "Check the name, the port, and that it runs.");
  };
  if (!settings.String("postgres.host").empty())
    check("PostgreSQL", settings.String("postgres.host"), std::to_string(settings.Port("postgres.port")));
  auto split = [&check, report](const std::string& what, const std::string& text, std::uint16_t default_port) {
    const auto address = ParseHostPort(what, text, default_port);
    if (!address.ok()) return report->Line(Verdict::kFail, address.status().message(), "Write host or host:port.");
    check(what, address->host, std::to_string(address->port));
  };
  for (const auto& host : settings.List("jobmanager.host")) split("JobManager", host, settings.Port("jobmanager.rpc_port"));
  std::string brokers = settings.String("kafka.bootstrap_servers");
  while (!brokers.empty()) {
    const auto comma = brokers.find(',');
    split("Kafka broker", brokers.substr(0, comma), 9092);
    brokers = comma == std::string::npos ? std::string{} : brokers.substr(comma + 1);
  }
}

}  // namespace

int RunDoctor(const Settings& settings) {
  Report report;
  CheckMachine(&report, settings);
  CheckPython(&report, settings);
  CheckContainers(&report);
  CheckPorts(&report, settings);
  CheckServers(&report, settings);
  std::printf("\n%s\n", report.failures() == 0 ? "Nothing stands in the way. Next: headrace demo"
                                               : "Correct the lines marked FAIL, then run headrace doctor again.");
  return report.failures();
}

}  // namespace headrace::apps::cli
