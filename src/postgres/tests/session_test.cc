#include "postgres/session.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <future>

#include "tests/support/postgres_server.h"
#include "tests/support/tcp_proxy.h"

namespace headrace::postgres {
namespace {

using test_support::SharedPostgres;
using test_support::TcpProxy;

ConnectionOptions OptionsAt(std::uint16_t port) {
  ConnectionOptions options;
  options.host = "127.0.0.1";
  options.port = port;
  options.database = SharedPostgres().database;
  options.user = "postgres";
  return options;
}
Statement Reads(const std::string& sql) { return Statement(Statement::Effect::kReads, sql); }
Statement Writes(const std::string& sql) { return Statement(Statement::Effect::kWrites, sql); }

std::future<Outcome<Rows>> Start(Session& session, Statement statement) {
  auto promise = std::make_shared<std::promise<Outcome<Rows>>>();
  auto future = promise->get_future();
  session.Execute(std::move(statement), [promise](Outcome<Rows> outcome) { promise->set_value(std::move(outcome)); });
  return future;
}
Outcome<Rows> Ask(Session& session, Statement statement) { return Start(session, std::move(statement)).get(); }

class PostgresSession : public testing::Test {
 protected:
  ThreadExecutor executor_{"answers"};
};

TEST_F(PostgresSession, BytesOfAnyKindComeBackUnchanged) {
  Session session(OptionsAt(SharedPostgres().port), {}, &executor_);
  std::string bytes;
  for (int i = 0; i < 3 << 20; ++i) bytes.push_back(static_cast<char>(i * 31 >> 3));
  const auto rows =
      Ask(session, Reads("SELECT $1::bytea, $2::int8, $3::text, $4::text").Bytes(bytes).Int64(-7).Text("é'\\").OptionalText(std::nullopt));
  ASSERT_TRUE(rows.done()) << rows.reason().ToString();
  EXPECT_EQ(rows.value().Bytes(0, 0), bytes);
  EXPECT_EQ(rows.value().Int64(0, 1), -7);
  EXPECT_EQ(rows.value().Bytes(0, 2), "é'\\");
  EXPECT_TRUE(rows.value().IsNull(0, 3));
}

TEST_F(PostgresSession, ASilentHostDoesNotHideTheNextOfTheList) {
  // Takes connections and never says a word, on the server's port of another loopback address.
  const int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(SharedPostgres().port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
  ASSERT_EQ(bind(silent, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(silent, 4), 0);
  ConnectionOptions options = OptionsAt(SharedPostgres().port);
  options.host = "127.0.0.2,127.0.0.1";
  options.connect_timeout_ms = 300;
  Session session(options, {}, &executor_);
  const auto rows = Ask(session, Reads("SELECT 7::int8"));
  close(silent);
  ASSERT_TRUE(rows.done()) << rows.reason().ToString();
  EXPECT_EQ(rows.value().Int64(0, 0), 7);
}

TEST_F(PostgresSession, AnErrorFailsItsOwnStatementOnly) {
  Session session(OptionsAt(SharedPostgres().port), {}, &executor_);
  std::vector<std::future<Outcome<Rows>>> answers;
  for (int i = 0; i < 300; ++i)
    answers.push_back(Start(session, i % 3 == 1 ? Writes("SELECT nonsense") : Reads("SELECT $1::int8").Int64(i)));
  for (int i = 0; i < 300; ++i) {
    const auto outcome = answers[static_cast<std::size_t>(i)].get();
    if (i % 3 == 1) {
      EXPECT_TRUE(outcome.not_done());
      EXPECT_EQ(CodeOf(outcome.reason()), ErrorCode::kInternal);
    } else {
      ASSERT_TRUE(outcome.done()) << outcome.reason().ToString();
      EXPECT_EQ(outcome.value().Int64(0, 0), i);
    }
  }
}

TEST_F(PostgresSession, EndlessStatementIsEndedByTheServerAndSurelyUndone) {
  ConnectionOptions options = OptionsAt(SharedPostgres().port);
  options.statement_timeout_ms = 200;
  Session session(options, {}, &executor_);
  const auto outcome = Ask(session, Writes("SELECT pg_sleep(3600)::text"));
  EXPECT_TRUE(outcome.not_done());
  EXPECT_EQ(CodeOf(outcome.reason()), ErrorCode::kStoreUnavailable) << outcome.reason().ToString();
  EXPECT_TRUE(Ask(session, Reads("SELECT 1::int8")).done());
}

TEST_F(PostgresSession, SettingsProtectTheServerAndTheData) {
  Session session(OptionsAt(SharedPostgres().port), {}, &executor_);
  auto setting = [&](const std::string& name) { return Ask(session, Reads("SELECT current_setting('" + name + "')")).value().Bytes(0, 0); };
  EXPECT_EQ(setting("statement_timeout"), "5s");
  EXPECT_EQ(setting("idle_in_transaction_session_timeout"), "2s");
  EXPECT_EQ(setting("default_transaction_isolation"), "read committed");
  EXPECT_EQ(setting("synchronous_commit"), "on");
}

TEST_F(PostgresSession, HangingServerIsGivenUpWritesUnknownReadsNotDone) {
  TcpProxy proxy(SharedPostgres().port);
  ConnectionOptions options = OptionsAt(proxy.port());
  options.answer_timeout_ms = 300;
  Session session(options, {}, &executor_);
  ASSERT_TRUE(Ask(session, Reads("SELECT 1::int8")).done());
  proxy.HoldReplies(true);
  auto write = Start(session, Writes("SELECT 2::int8"));
  auto read = Start(session, Reads("SELECT 3::int8"));
  EXPECT_TRUE(write.get().unknown());
  EXPECT_TRUE(read.get().not_done());
  proxy.HoldReplies(false);
  while (!Ask(session, Reads("SELECT 4::int8")).done()) continue;
}

TEST_F(PostgresSession, KilledBackendIsUnknownForWritesAndReconnects) {
  Session session(OptionsAt(SharedPostgres().port), {}, &executor_);
  Session other(OptionsAt(SharedPostgres().port), {}, &executor_);
  const std::int64_t pid = Ask(session, Reads("SELECT pg_backend_pid()::int8")).value().Int64(0, 0);
  auto pending = Start(session, Writes("SELECT pg_sleep(3)::text"));
  while (Ask(other, Reads("SELECT count(*) FROM pg_stat_activity WHERE pid = " + std::to_string(pid) + " AND state = 'active'"))
             .value()
             .Int64(0, 0) == 0)
    continue;
  ASSERT_TRUE(Ask(other, Writes("SELECT pg_terminate_backend(" + std::to_string(pid) + ")::text")).done());
  const auto outcome = pending.get();
  EXPECT_TRUE(outcome.unknown()) << outcome.reason().ToString();
  EXPECT_NE(Ask(session, Reads("SELECT pg_backend_pid()::int8")).value().Int64(0, 0), pid);
}

TEST_F(PostgresSession, NobodyListeningIsSaidAtOnceWithTheAddress) {
  std::uint16_t port = 0;
  {
    TcpProxy gone(1);
    port = gone.port();
  }
  Session session(OptionsAt(port), {}, &executor_);
  const auto outcome = Ask(session, Writes("SELECT 1::int8"));
  EXPECT_TRUE(outcome.not_done());
  EXPECT_NE(outcome.reason().message().find("127.0.0.1:" + std::to_string(port)), std::string::npos) << outcome.reason().message();
}

TEST_F(PostgresSession, PasswordNeverAppearsInAMessage) {
  ConnectionOptions options = OptionsAt(SharedPostgres().port);
  options.password = "correct-horse";
  options.database = "no_such_database";
  Session session(options, {}, &executor_);
  const auto outcome = Ask(session, Writes("SELECT 1::int8"));
  EXPECT_TRUE(outcome.not_done());
  EXPECT_NE(outcome.reason().message().find("no_such_database"), std::string::npos);
  EXPECT_EQ(outcome.reason().ToString().find("correct-horse"), std::string::npos);
}

TEST_F(PostgresSession, ServerThatNeverAnswersDoesNotHoldUpStopping) {
  TcpProxy proxy(SharedPostgres().port);
  proxy.HoldReplies(true);
  Session session(OptionsAt(proxy.port()), {}, &executor_);
  auto waiting = Start(session, Writes("SELECT 1::int8"));
  const auto begin = std::chrono::steady_clock::now();
  session.RequestStop();
  session.Join();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_TRUE(waiting.get().not_done());
  EXPECT_TRUE(Ask(session, Reads("SELECT 1::int8")).not_done());
}

TEST_F(PostgresSession, RefusalWhilePreparingIsWhatStatementsAreTold) {
  Session session(
      OptionsAt(SharedPostgres().port), [](const RunNow&) { return Error(ErrorCode::kStoreCorrupt, "not ours"); }, &executor_);
  const auto outcome = Ask(session, Reads("SELECT 1::int8"));
  EXPECT_TRUE(outcome.not_done());
  EXPECT_EQ(CodeOf(outcome.reason()), ErrorCode::kStoreCorrupt);
}

}  // namespace
}  // namespace headrace::postgres
