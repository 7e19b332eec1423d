#pragma once
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>

#include "base/executor.h"
#include "base/random.h"
#include "control/metastore/metastore.h"
#include "postgres/session.h"
#include "tests/support/postgres_server.h"

namespace headrace::control::metastore {

/// Runs one statement on a session of its own. Making a database writes a checkpoint, which a busy disk may hold up:
/// it has a minute.
inline Outcome<postgres::Rows> RunOn(const test_support::PostgresAddress& address, const std::string& sql) {
  postgres::ConnectionOptions options;
  options.host = address.host;
  options.port = address.port;
  options.database = address.database;
  options.user = "postgres";
  options.statement_timeout_ms = 60'000;
  options.answer_timeout_ms = 90'000;
  ThreadExecutor executor("answers");
  postgres::Session session(options, {}, &executor);
  std::promise<Outcome<postgres::Rows>> promise;
  auto future = promise.get_future();
  session.Execute(postgres::Statement(postgres::Statement::Effect::kWrites, sql),
                  [&](auto outcome) { promise.set_value(std::move(outcome)); });
  return future.get();
}

inline PostgresOptions OptionsFor(const test_support::PostgresAddress& address) {
  PostgresOptions options;
  options.host = address.host;
  options.port = address.port;
  options.database = address.database;
  return options;
}

/// Stores over a database of their own on the shared server.
class PostgresStores {
 public:
  PostgresStores() : address_(test_support::SharedPostgres()) {
    const std::string name = "headrace_test_" + SystemRandom().NextHex(12);
    const auto made = RunOn(address_, "CREATE DATABASE " + name);
    EXPECT_TRUE(made.done()) << made.reason().ToString();
    address_.database = name;
  }
  ~PostgresStores() { RunOn(test_support::SharedPostgres(), "DROP DATABASE " + address_.database + " WITH (FORCE)"); }
  std::unique_ptr<Metastore> Open(Executor* executor) {
    auto store = OpenPostgresMetastore(OptionsFor(address_), executor);
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    return std::move(store).ValueOrDie();
  }
  const test_support::PostgresAddress& address() const { return address_; }

 private:
  test_support::PostgresAddress address_;
};

}  // namespace headrace::control::metastore
