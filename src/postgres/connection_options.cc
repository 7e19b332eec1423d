#include "postgres/connection_options.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::postgres {

std::string ConnectionOptions::Where() const { return fmt::format("{}:{}/{}", host, port, database); }

std::vector<std::pair<std::string, std::string>> ConnectionOptions::Keywords() const {
  return {
      {"host", host},
      {"port", fmt::format("{}", port)},
      {"dbname", database},
      {"user", user},
      {"password", password},
      {"sslmode", sslmode},
      {"application_name", "headrace"},
      {"client_encoding", "UTF8"},
      {"connect_timeout", fmt::format("{}", std::max<std::int64_t>(2, connect_timeout_ms / 1000))},
      {"keepalives", "1"},
      {"keepalives_idle", "2"},
      {"keepalives_interval", "1"},
      {"keepalives_count", "3"},
      {"tcp_user_timeout", fmt::format("{}", statement_timeout_ms)},
      {"target_session_attrs", only_reads ? "any" : "read-write"},  // after a failover the old primary's replica must not answer
  };
}

}  // namespace headrace::postgres
