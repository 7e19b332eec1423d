#pragma once
#include <functional>
#include <memory>

#include "base/executor.h"
#include "base/outcome.h"
#include "postgres/connection_options.h"
#include "postgres/statement.h"

namespace headrace::postgres {

/// Runs one statement and waits for it. Only given to `Prepare`, on the session's thread.
using RunNow = std::function<Result<Rows>(const Statement&)>;
/// Called for each new connection before any other statement; an error closes it and counts as a failed attempt.
using Prepare = std::function<Status(const RunNow&)>;

/// One connection that is kept open: statements go out in order, pipelined, each its own transaction; answers come in the same
/// order. Owns one thread, which alone touches the connection; Execute and RequestStop may be called from any thread.
/// While the server is away statements are refused at once, attempts go on with backoff. A statement whose connection breaks
/// is not_done when it surely had no effect (never sent, only reads, refused by the server), unknown otherwise; it is done only
/// after the server said that its transaction is over. Every statement is answered exactly once, on `executor`.
class Session {
 public:
  Session(ConnectionOptions options, Prepare prepare, Executor* executor);
  ~Session();  ///< RequestStop() and Join()
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  using Answer = std::function<void(Outcome<Rows>)>;
  void Execute(Statement statement, Answer answer);
  /// Never blocks. What waits is refused, what is in flight is unknown.
  void RequestStop();
  void Join();

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace headrace::postgres
