#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace headrace::postgres {

/// How to reach a server and how long to wait for it. Times in milliseconds.
struct ConnectionOptions {
  std::string host;  ///< one name, a comma list, or the folder of a unix socket
  std::uint16_t port = 5432;
  std::string database, user, password, sslmode = "prefer";
  bool only_reads = false;                             ///< a replica will do
  std::int64_t connect_timeout_ms = 5000;              ///< of each host
  std::int64_t statement_timeout_ms = 5000;            ///< the server ends the statement
  std::int64_t idle_in_transaction_timeout_ms = 2000;  ///< the server ends the session
  std::int64_t answer_timeout_ms = 10'000;             ///< silence with statements in flight: the connection is given up
  std::int64_t first_backoff_ms = 100, last_backoff_ms = 5000;

  /// "host:port/database" for messages; never the password.
  std::string Where() const;
  /// libpq's keywords: keepalives, the TCP user timeout, a server that takes writes.
  std::vector<std::pair<std::string, std::string>> Keywords() const;
};

}  // namespace headrace::postgres
