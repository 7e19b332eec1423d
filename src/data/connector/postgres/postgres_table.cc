#include "data/connector/postgres/postgres_table.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>

#include "base/executor.h"
#include "data/connector/postgres/postgres_values.h"
#include "plan/connector_options.h"
#include "postgres/session.h"

namespace headrace::data::connector {
namespace {

constexpr std::size_t kMaxRows = 1'000'000;

std::string Quoted(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

/// Connections to one database, shared by the clients of a process.
class Connections {
 public:
  Connections(const postgres::ConnectionOptions& options, std::size_t count) : executor_("lookups") {
    for (std::size_t i = 0; i < count; ++i) sessions_.push_back(std::make_unique<postgres::Session>(options, nullptr, &executor_));
  }
  /// Those with these settings, made when nobody has them.
  static std::shared_ptr<Connections> Get(const postgres::ConnectionOptions& options, std::size_t count) {
    static std::mutex mutex;
    static std::map<std::vector<std::string>, std::weak_ptr<Connections>> known;
    const std::vector<std::string> name = {options.Where(),          options.user,
                                           options.password,         options.sslmode,
                                           fmt::format("{}", count), fmt::format("{}", options.statement_timeout_ms)};
    std::lock_guard lock(mutex);
    std::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
    auto found = known[name].lock();
    if (found == nullptr) known[name] = found = std::make_shared<Connections>(options, count);
    return found;
  }
  void Execute(postgres::Statement statement, postgres::Session::Answer answer) {
    sessions_[next_.fetch_add(1) % sessions_.size()]->Execute(std::move(statement), std::move(answer));
  }

 private:
  ThreadExecutor executor_;  // outlives the sessions, which answer on it
  std::atomic<std::size_t> next_{0};
  std::vector<std::unique_ptr<postgres::Session>> sessions_;
};

/// What is needed to read an answer; outlives the client that asked.
struct Shape {
  std::string describe;
  std::shared_ptr<arrow::Schema> schema;
  std::vector<PostgresColumn> columns;
};

Result<TableClient::Found> Read(const Shape& shape, const postgres::Rows& rows, std::size_t keys) {
  if (rows.size() > kMaxRows)
    return Error(ErrorCode::kBadRecord, fmt::format("{}: {} keys have more than {} rows", shape.describe, keys, kMaxRows),
                 "Join on columns that fewer rows share.");
  TableClient::Found found;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const std::int64_t key = rows.Int64(row, 0);
    if (key < 0 || static_cast<std::size_t>(key) >= keys) return Status::Invalid("a row for a key that was not asked for");
    found.keys.push_back(static_cast<std::uint32_t>(key));
  }
  arrow::ArrayVector arrays;
  for (std::size_t c = 0; c < shape.columns.size(); ++c) {
    const auto& field = *shape.schema->field(static_cast<int>(c));
    auto array = shape.columns[c].Decode(rows, c + 1);
    if (!array.ok())
      return Error(ErrorCode::kBadRecord, fmt::format("{}, column \"{}\": {}", shape.describe, field.name(), array.status().message()),
                   "Declare the column with a type that holds what it has.");
    if (!field.nullable() && (*array)->null_count() > 0)
      return Error(ErrorCode::kBadRecord,
                   fmt::format("{}, column \"{}\": it has nulls, but was declared without", shape.describe, field.name()),
                   fmt::format("Declare it as \"{} | None\".", field.name()));
    arrays.push_back(*std::move(array));
  }
  found.rows = arrow::RecordBatch::Make(shape.schema, static_cast<std::int64_t>(rows.size()), std::move(arrays));
  return found;
}

Status Refused(const Shape& shape, const Status& why) {
  if (WhoActsOn(why) == WhoActs::kTransient)
    return Error(ErrorCode::kConnectorIo, why.message(), "Check that PostgreSQL runs and can be reached.");
  return Error(ErrorCode::kBadOption, fmt::format("{}: {}", shape.describe, why.message()),
               "Check the table's name, its columns, and that the keys have the types of the columns they are compared with.");
}

class PostgresTable final : public TableClient {
 public:
  PostgresTable(postgres::ConnectionOptions options, std::size_t connections, std::string password_variable, std::string sql,
                std::vector<PostgresColumn> keys, std::shared_ptr<const Shape> shape)
      : options_(std::move(options)),
        count_(connections),
        password_variable_(std::move(password_variable)),
        sql_(std::move(sql)),
        keys_(std::move(keys)),
        shape_(std::move(shape)) {}
  std::string Describe() const override { return shape_->describe; }

  Status Open() override {
    if (!password_variable_.empty()) {
      const char* password = std::getenv(password_variable_.c_str());
      if (password == nullptr)
        return Error(ErrorCode::kBadOption,
                     fmt::format("{}: the TaskManager has no environment variable {}, which was to hold the password", shape_->describe,
                                 password_variable_),
                     "Set it where the TaskManagers are started.");
      options_.password = password;
    }
    connections_ = Connections::Get(options_, count_);
    return Status::OK();
  }

  void Ask(std::shared_ptr<arrow::RecordBatch> keys, Answer answer) override {
    postgres::Statement statement(postgres::Statement::Effect::kReads, sql_);
    for (std::size_t i = 0; i < keys_.size(); ++i)
      statement.BinaryArray(keys_[i].array_oid(), keys_[i].element_oid(), keys_[i].Encode(*keys->column_data(static_cast<int>(i))));
    const auto count = static_cast<std::size_t>(keys->num_rows());
    connections_->Execute(std::move(statement), [shape = shape_, count, answer = std::move(answer)](Outcome<postgres::Rows> outcome) {
      answer(outcome.done() ? Read(*shape, outcome.value(), count) : Result<Found>(Refused(*shape, outcome.reason())));
    });
  }

 private:
  postgres::ConnectionOptions options_;
  std::size_t count_;
  std::string password_variable_, sql_;
  std::vector<PostgresColumn> keys_;
  std::shared_ptr<const Shape> shape_;
  std::shared_ptr<Connections> connections_;
};

/// "shop.users" as "shop"."users".
std::string QuotedPath(std::string_view name) {
  std::string quoted;
  for (;;) {
    const std::size_t dot = name.find('.');
    quoted += Quoted(name.substr(0, dot));
    if (dot == std::string_view::npos) return quoted;
    quoted += '.';
    name.remove_prefix(dot + 1);
  }
}

}  // namespace

Result<std::unique_ptr<TableClient>> MakePostgresTable(const plan::ConnectorSpec& spec,
                                                       const std::vector<std::pair<std::string, std::string>>& on,
                                                       const arrow::FieldVector& columns) {
  const auto option = [&spec](std::string_view name) { return plan::OptionString(spec, true, name); };
  postgres::ConnectionOptions options;
  options.host = option("host");
  options.port = static_cast<std::uint16_t>(plan::OptionInt(spec, true, "port"));
  options.database = option("database");
  options.user = option("user");
  options.password = option("password");
  options.sslmode = option("sslmode");
  options.only_reads = true;
  options.first_backoff_ms = plan::OptionInt(spec, true, "retry_delay_ms");
  options.last_backoff_ms = std::max<std::int64_t>(options.first_backoff_ms, 2000);
  // One attempt must not use up the time of all of them.
  options.statement_timeout_ms = options.answer_timeout_ms = std::max<std::int64_t>(plan::OptionInt(spec, true, "timeout_ms") / 3, 1000);

  auto shape = std::make_shared<Shape>();
  const std::string query = option("query"), table = option("table");
  shape->describe =
      fmt::format("{} of PostgreSQL at {}", query.empty() ? fmt::format("table \"{}\"", table) : "the query", options.Where());
  shape->schema = arrow::schema(columns);
  std::string selected = "(q.n - 1)::int8", elements, names, condition;
  for (const auto& field : columns) {
    HR_ASSIGN_OR_RAISE(auto column, PostgresColumn::Make(field->type()));
    selected += fmt::format(", t.{}{}", Quoted(field->name()), column.column_cast());
    shape->columns.push_back(std::move(column));
  }
  std::vector<PostgresColumn> keys;
  for (std::size_t i = 0; i < on.size(); ++i) {
    const auto field = spec.schema->GetFieldByName(on[i].second);
    HR_ASSIGN_OR_RAISE(auto key, PostgresColumn::Make(field->type()));
    elements += fmt::format("{}${}", i == 0 ? "" : ", ", i + 1);
    names += fmt::format("k{}, ", i);
    condition += fmt::format("{}t.{} = q.k{}{}", i == 0 ? "" : " AND ", Quoted(on[i].second), i, key.element_cast());
    keys.push_back(std::move(key));
  }
  const std::string from = query.empty() ? QuotedPath(table) : fmt::format("({})", query);
  std::string sql = fmt::format("SELECT {} FROM unnest({}) WITH ORDINALITY AS q({}n) JOIN {} AS t ON {} LIMIT {}", selected, elements,
                                names, from, condition, kMaxRows + 1);
  return std::make_unique<PostgresTable>(std::move(options), static_cast<std::size_t>(plan::OptionInt(spec, true, "connections")),
                                         option("password_env"), std::move(sql), std::move(keys), std::move(shape));
}

Result<std::unique_ptr<TableClient>> MakeTableClient(const plan::ConnectorSpec& spec,
                                                     const std::vector<std::pair<std::string, std::string>>& on,
                                                     const arrow::FieldVector& columns) {
  if (spec.kind == "postgres") return MakePostgresTable(spec, on, columns);
  return Error(ErrorCode::kUnknownConnector, fmt::format("there is no table connector \"{:.100}\"", spec.kind));
}

}  // namespace headrace::data::connector
