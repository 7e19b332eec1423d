#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/outcome.h"
#include "postgres/connection_options.h"
#include "postgres/statement.h"

struct pg_conn;
struct pg_result;

namespace headrace::postgres {

/// Sleeps until the descriptor is ready as asked, the instant has come, or somebody wakes the thread; false = stop now.
using Wait = std::function<bool(int fd, bool for_write, MonotonicTime until)>;

/// One libpq connection in non-blocking pipeline mode. Owned and touched by one thread; closed by its destructor.
class Connection {
 public:
  /// Connects, waiting with `wait`: to the first host of the list that takes it, each within the connect timeout.
  /// kStoreUnavailable with the servers' own words when none does.
  static Result<std::unique_ptr<Connection>> Open(const ConnectionOptions& options, const Wait& wait);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Queues a statement and the end of its transaction. An error means that the connection is lost; parts may have been sent.
  Status Send(const Statement& statement);
  /// Moves bytes both ways without blocking. An error means that the connection is lost.
  Status Pump();
  bool wants_write() const { return wants_write_; }
  int fd() const;

  /// The answer of the oldest statement once its transaction is over. `Ended` without rows carries the server's refusal;
  /// `certain` is false when the server's words leave open whether the transaction took effect.
  struct Ended {
    Result<Rows> rows;
    bool certain = true;
    bool connection_is_useless = false;  ///< the server became read-only or is going down
  };
  std::optional<Ended> TakeEnded();

  /// Sends one statement and waits for its answer; only while nothing is in flight.
  Result<Rows> Run(const Statement& statement, const Wait& wait, MonotonicTime until);

  /// The server process that was told at connecting: with a pooler between, not the one that answers.
  std::int64_t announced_pid() const;

 private:
  static Result<std::unique_ptr<Connection>> OpenOne(const ConnectionOptions& options, const Wait& wait);
  Connection(pg_conn* connection, std::string where) : connection_(connection), where_(std::move(where)) {}
  Status Lost(std::string_view doing) const;
  Ended EndedWith(const pg_result* result) const;

  pg_conn* connection_;
  std::string where_;
  bool wants_write_ = false;
  std::optional<Ended> ended_;  // the answer came, the end of its transaction did not yet
};

/// kStoreUnavailable when `connection` goes through a pooler that gives each transaction another server process: its sessions
/// keep no settings. Opens a second connection for a moment when a pooler is there.
Status CheckNoTransactionPooler(Connection* connection, const ConnectionOptions& options, const Wait& wait, MonotonicTime until);

}  // namespace headrace::postgres
