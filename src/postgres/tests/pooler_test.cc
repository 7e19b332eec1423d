// A real pgbouncer between the session and a real server.
#include <gtest/gtest.h>
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "postgres/session.h"
#include "tests/support/postgres_server.h"
#include "tests/support/tcp_proxy.h"

namespace headrace::postgres {
namespace {

using test_support::SharedPostgres;

/// Owns the process and its folder. As root it runs as nobody, because pgbouncer will not run as root.
class Pgbouncer {
 public:
  explicit Pgbouncer(const std::string& mode)
      : folder_(std::filesystem::temp_directory_path() / ("headrace-pool-" + SystemRandom().NextHex(12))) {
    { port_ = test_support::TcpProxy(1).port(); }
    std::filesystem::create_directories(folder_);
    const auto& server = SharedPostgres();
    std::ofstream(folder_ / "pool.ini") << "[databases]\n"
                                        << server.database << " = host=" << server.host << " port=" << server.port << " user=postgres\n"
                                        << "[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " << port_
                                        << "\nunix_socket_dir =\nauth_type = any\npool_mode = " << mode << "\n";
    pid_ = fork();
    if (pid_ == 0) {
      if (const passwd* nobody = getpwnam("nobody");
          getuid() == 0 && nobody != nullptr && (setgid(nobody->pw_gid) != 0 || setuid(nobody->pw_uid) != 0))
        _exit(126);
      execl("/usr/sbin/pgbouncer", "pgbouncer", "-q", (folder_ / "pool.ini").c_str(), nullptr);
      _exit(127);
    }
  }
  ~Pgbouncer() {
    kill(pid_, SIGKILL);
    int status = 0;
    waitpid(pid_, &status, 0);
    EXPECT_FALSE(WIFEXITED(status)) << "pgbouncer ended by itself; install it with apt-get install pgbouncer";
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  bool alive() const {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
  }
  std::uint16_t port() const { return port_; }

 private:
  std::filesystem::path folder_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

/// The first answer that did not come from a pooler that is still starting.
Outcome<Rows> FirstAnswer(const Pgbouncer& pooler, Executor* executor) {
  ConnectionOptions options;
  options.host = "127.0.0.1";
  options.port = pooler.port();
  options.database = SharedPostgres().database;
  options.user = "postgres";
  Session session(options, {}, executor);
  for (;;) {
    std::promise<Outcome<Rows>> promise;
    session.Execute(Statement(Statement::Effect::kReads, "SELECT current_setting('statement_timeout')"),
                    [&](auto outcome) { promise.set_value(std::move(outcome)); });
    auto outcome = promise.get_future().get();
    if (outcome.done() || !pooler.alive() || outcome.reason().message().find("Connection refused") == std::string::npos) return outcome;
  }
}

TEST(PostgresPooler, InTransactionModeIsRefusedWithAHint) {
  const Pgbouncer pooler("transaction");
  ThreadExecutor executor("answers");
  const auto outcome = FirstAnswer(pooler, &executor);
  EXPECT_TRUE(outcome.not_done());
  EXPECT_NE(outcome.reason().message().find("pooler in transaction mode"), std::string::npos) << outcome.reason().ToString();
  ASSERT_NE(ErrorDetail::Of(outcome.reason()), nullptr);
  EXPECT_NE(ErrorDetail::Of(outcome.reason())->hint().find("session mode"), std::string::npos);
}

TEST(PostgresPooler, InSessionModeIsTaken) {
  const Pgbouncer pooler("session");
  ThreadExecutor executor("answers");
  const auto outcome = FirstAnswer(pooler, &executor);
  ASSERT_TRUE(outcome.done()) << outcome.reason().ToString();
  EXPECT_EQ(outcome.value().Bytes(0, 0), "5s");
}

}  // namespace
}  // namespace headrace::postgres
