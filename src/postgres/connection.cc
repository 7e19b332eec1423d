#include "postgres/connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace headrace::postgres {
namespace {

using PgResult = std::unique_ptr<PGresult, decltype(&PQclear)>;

constexpr std::string_view kPoolerHint = "Connect to PostgreSQL directly, or use a pooler in session mode.";

/// libpq's message as one line.
std::string OneLine(const char* message) {
  std::string line;
  for (const char* at = message == nullptr ? "" : message; *at != '\0'; ++at) {
    if (*at == '\n') {
      if (at[1] != '\0') line += ';';
      if (at[1] != '\t' && at[1] != '\0') line += ' ';
    } else {
      line.push_back(*at == '\t' ? ' ' : *at);
    }
  }
  return line;
}

Rows CopyRows(const PGresult* result) {
  const int columns = PQnfields(result), rows = PQntuples(result);
  std::vector<std::optional<std::string>> cells;
  cells.reserve(static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows));
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      if (PQgetisnull(result, row, column) != 0)
        cells.emplace_back(std::nullopt);
      else
        cells.emplace_back(std::string(PQgetvalue(result, row, column), static_cast<std::size_t>(PQgetlength(result, row, column))));
    }
  }
  return Rows(static_cast<std::size_t>(columns), std::move(cells));
}

bool HasClass(std::string_view sqlstate, std::string_view prefix) { return sqlstate.substr(0, prefix.size()) == prefix; }

}  // namespace

// libpq goes through a list of hosts too, but without a time of its own for each: a host that is silent would keep the others
// from ever being asked.
Result<std::unique_ptr<Connection>> Connection::Open(const ConnectionOptions& options, const Wait& wait) {
  std::string refusals;
  Status last;
  for (std::size_t begin = 0; begin <= options.host.size();) {
    const std::size_t end = std::min(options.host.find(',', begin), options.host.size());
    ConnectionOptions one = options;
    one.host = options.host.substr(begin, end - begin);
    auto connection = OpenOne(one, wait);
    if (connection.ok()) return connection;
    last = connection.status();
    refusals += (refusals.empty() ? "" : "; ") + last.message();
    begin = end + 1;
  }
  return Status(last.code(), refusals, last.detail());
}

Result<std::unique_ptr<Connection>> Connection::OpenOne(const ConnectionOptions& options, const Wait& wait) {
  const auto keywords = options.Keywords();
  std::vector<const char*> names, values;
  for (const auto& [name, value] : keywords) {
    if (value.empty()) continue;
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);

  PGconn* raw = PQconnectStartParams(names.data(), values.data(), 0);
  HR_CHECK(raw != nullptr, "no memory for a connection");
  std::unique_ptr<Connection> connection(new Connection(raw, options.Where()));
  const MonotonicTime until = SystemClock().Now() + std::chrono::milliseconds(options.connect_timeout_ms);
  auto refused = [&](std::string_view why) {
    // A pooler that multiplexes transactions refuses settings it cannot keep.
    const bool pooler = why.find("unsupported startup parameter") != std::string_view::npos;
    return Error(ErrorCode::kStoreUnavailable, fmt::format("PostgreSQL at {} does not take the connection: {}", options.Where(), why),
                 pooler ? std::string(kPoolerHint) : std::string());
  };
  PostgresPollingStatusType step = PGRES_POLLING_WRITING;
  while (PQstatus(raw) != CONNECTION_BAD && step != PGRES_POLLING_OK) {
    if (step == PGRES_POLLING_FAILED) break;
    if (!wait(PQsocket(raw), step == PGRES_POLLING_WRITING, until)) return refused("this process is stopping");
    if (SystemClock().Now() >= until) return refused(fmt::format("no answer within {} ms", options.connect_timeout_ms));
    step = PQconnectPoll(raw);
  }
  if (PQstatus(raw) != CONNECTION_OK) return refused(OneLine(PQerrorMessage(raw)));
  if (PQsetnonblocking(raw, 1) != 0 || PQenterPipelineMode(raw) != 1) return refused(OneLine(PQerrorMessage(raw)));
  PQsetNoticeProcessor(
      raw, [](void*, const char*) {}, nullptr);
  return connection;
}

Connection::~Connection() { PQfinish(connection_); }

int Connection::fd() const { return PQsocket(connection_); }
std::int64_t Connection::announced_pid() const { return PQbackendPID(connection_); }

Status Connection::Lost(std::string_view doing) const {
  return Error(ErrorCode::kStoreUnavailable,
               fmt::format("The connection to PostgreSQL at {} broke while {}: {}", where_, doing, OneLine(PQerrorMessage(connection_))));
}

Status Connection::Send(const Statement& statement) {
  constexpr int kBinary = 1;
  const auto& parameters = statement.parameters();
  std::vector<Oid> types;
  std::vector<const char*> values;
  std::vector<int> lengths, formats;
  for (const auto& parameter : parameters) {
    types.push_back(parameter.type);
    values.push_back(parameter.value ? parameter.value->data() : nullptr);
    lengths.push_back(parameter.value ? static_cast<int>(parameter.value->size()) : 0);
    formats.push_back(kBinary);
  }
  if (PQsendQueryParams(connection_, statement.sql().c_str(), static_cast<int>(parameters.size()), types.data(), values.data(),
                        lengths.data(), formats.data(), kBinary) != 1) {
    return Lost("sending");
  }
  // Each statement is a transaction of its own: without the sync the following ones would join it.
  if (PQpipelineSync(connection_) != 1) return Lost("sending");
  wants_write_ = true;
  return Status::OK();
}

Status Connection::Pump() {
  const int left = PQflush(connection_);
  if (left < 0) return Lost("sending");
  wants_write_ = left == 1;
  if (PQconsumeInput(connection_) != 1) return Lost("waiting for an answer");
  return Status::OK();
}

Connection::Ended Connection::EndedWith(const PGresult* result) const {
  switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
      return {CopyRows(result)};
    case PGRES_PIPELINE_ABORTED:
      return {Error(ErrorCode::kStoreUnavailable, fmt::format("PostgreSQL at {} skipped the statement after an earlier error.", where_))};
    default:
      break;
  }
  const char* field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string sqlstate = field == nullptr ? "" : field;
  const char* severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  const bool fatal = severity == nullptr || std::string_view(severity) != "ERROR";
  const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const std::string message = fmt::format("PostgreSQL at {} refused a statement: {} (SQLSTATE {})", where_,
                                          OneLine(primary == nullptr ? PQresultErrorMessage(result) : primary), sqlstate);
  // Broken sessions, statements of unknown completion, and going down: the words say nothing on the transaction's end.
  const bool open = fatal || HasClass(sqlstate, "08") || sqlstate == "40003" || sqlstate.empty();
  const bool read_only = sqlstate == "25006";
  const bool transient = open || read_only || HasClass(sqlstate, "40") || HasClass(sqlstate, "53") || HasClass(sqlstate, "55") ||
                         HasClass(sqlstate, "57") || HasClass(sqlstate, "58");
  return {Error(transient ? ErrorCode::kStoreUnavailable : ErrorCode::kInternal, message), !open, open || read_only};
}

std::optional<Connection::Ended> Connection::TakeEnded() {
  while (PQisBusy(connection_) == 0) {
    const PgResult result(PQgetResult(connection_), &PQclear);
    if (result == nullptr) {
      // The end of one statement's results, or nothing at all in flight.
      if (PQisBusy(connection_) != 0) return std::nullopt;
      const PgResult next(PQgetResult(connection_), &PQclear);
      if (next == nullptr) return std::nullopt;
      if (PQresultStatus(next.get()) == PGRES_PIPELINE_SYNC) return std::exchange(ended_, std::nullopt);
      ended_ = EndedWith(next.get());
      continue;
    }
    // The answer precedes the commit; only the sync says that the transaction is over.
    if (PQresultStatus(result.get()) == PGRES_PIPELINE_SYNC) return std::exchange(ended_, std::nullopt);
    ended_ = EndedWith(result.get());
    if (ended_->connection_is_useless && PQstatus(connection_) != CONNECTION_OK) return std::exchange(ended_, std::nullopt);
  }
  return std::nullopt;
}

Result<Rows> Connection::Run(const Statement& statement, const Wait& wait, MonotonicTime until) {
  HR_RETURN_NOT_OK(Send(statement));
  for (;;) {
    HR_RETURN_NOT_OK(Pump());
    if (auto ended = TakeEnded()) return std::move(ended->rows);
    if (SystemClock().Now() >= until) return Error(ErrorCode::kStoreUnavailable, fmt::format("PostgreSQL at {} does not answer.", where_));
    if (!wait(fd(), wants_write_, until)) return Error(ErrorCode::kStoreUnavailable, "This process is stopping.");
  }
}

Status CheckNoTransactionPooler(Connection* connection, const ConnectionOptions& options, const Wait& wait, MonotonicTime until) {
  const Statement whoami(Statement::Effect::kReads, "SELECT pg_backend_pid()::int8");
  HR_ASSIGN_OR_RAISE(const Rows first, connection->Run(whoami, wait, until));
  const std::int64_t pid = first.Int64(0, 0);
  if (pid == connection->announced_pid()) return Status::OK();
  // Between two transactions of ours the pooler may lend the process to somebody else: be that somebody.
  HR_ASSIGN_OR_RAISE(auto other, Connection::Open(options, wait));
  bool shared = false;
  for (int round = 0; round < 4 && !shared; ++round) {
    HR_ASSIGN_OR_RAISE(const Rows theirs, other->Run(whoami, wait, until));
    HR_ASSIGN_OR_RAISE(const Rows ours, connection->Run(whoami, wait, until));
    shared = theirs.Int64(0, 0) == pid || ours.Int64(0, 0) != pid;
  }
  if (!shared) return Status::OK();
  return Error(
      ErrorCode::kStoreUnavailable,
      fmt::format(
          "A connection pooler in transaction mode stands before PostgreSQL at {}; its sessions keep no settings, so it is refused.",
          options.Where()),
      std::string(kPoolerHint));
}

}  // namespace headrace::postgres
