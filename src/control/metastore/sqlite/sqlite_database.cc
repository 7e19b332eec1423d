#include "control/metastore/sqlite/sqlite_database.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <utility>

#include "control/metastore/migrations.h"
#include "control/metastore/refusals.h"

namespace headrace::control::metastore {
namespace {

Status InUse(std::string_view path) {
  return Error(ErrorCode::kConflict,
               fmt::format("The metadata file {} is in use by another process; SQLite serves one JobManager only.", path),
               "Stop the other process, choose another HEADRACE_DATA_DIR, or set POSTGRES_HOST to run several JobManagers.");
}

Status FromSqlite(sqlite3* db, int code, std::string_view what) {
  const int primary = code & 0xff;
  const std::string message = fmt::format("{}: {}", what, db == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db));
  if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) return Error(ErrorCode::kStoreCorrupt, message);
  if (primary == SQLITE_MISUSE || primary == SQLITE_ERROR || primary == SQLITE_CONSTRAINT) return Error(ErrorCode::kInternal, message);
  return Error(ErrorCode::kStoreUnavailable, message, "Check that the metadata file's disk is there, writable and not full.");
}

}  // namespace

SqliteStatement::SqliteStatement(SqliteStatement&& other) noexcept
    : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)), bound_(other.bound_) {}
SqliteStatement::~SqliteStatement() { sqlite3_finalize(statement_); }

SqliteStatement& SqliteStatement::Bind(std::int64_t value) {
  HR_CHECK(sqlite3_bind_int64(statement_, ++bound_, value) == SQLITE_OK, sqlite3_errmsg(db_));
  return *this;
}
SqliteStatement& SqliteStatement::BindText(std::string_view value) {
  const char* data = value.data() == nullptr ? "" : value.data();
  HR_CHECK(sqlite3_bind_text64(statement_, ++bound_, data, value.size(), SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK, sqlite3_errmsg(db_));
  return *this;
}
SqliteStatement& SqliteStatement::BindBytes(std::string_view value) {
  const char* data = value.data() == nullptr ? "" : value.data();
  HR_CHECK(sqlite3_bind_blob64(statement_, ++bound_, data, value.size(), SQLITE_STATIC) == SQLITE_OK, sqlite3_errmsg(db_));
  return *this;
}
SqliteStatement& SqliteStatement::BindNull() {
  HR_CHECK(sqlite3_bind_null(statement_, ++bound_) == SQLITE_OK, sqlite3_errmsg(db_));
  return *this;
}
Result<bool> SqliteStatement::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return FromSqlite(db_, code, "The metadata file could not be read or written");
}
Result<int> SqliteStatement::Run() {
  for (bool more = true; more;) {
    HR_ASSIGN_OR_RAISE(more, Step());
  }
  return sqlite3_changes(db_);
}
std::int64_t SqliteStatement::Int64(int column) const { return sqlite3_column_int64(statement_, column); }
std::string SqliteStatement::Bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

Result<std::unique_ptr<SqliteDatabase>> SqliteDatabase::Open(const std::string& path) {
  std::error_code error;
  const auto folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error)
    return Error(ErrorCode::kStoreUnavailable, fmt::format("The folder {} could not be made: {}", folder.string(), error.message()));

  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<SqliteDatabase> database(new SqliteDatabase(db, path));
  if (code != SQLITE_OK) return FromSqlite(db, code, fmt::format("The metadata file {} could not be opened", path));
  ::chmod(path.c_str(), 0600);  // job files may hold what their authors put in them
  sqlite3_extended_result_codes(db, 1);
  // Exclusive mode before the first access: the write-ahead index then lives in this process and the lock stays until close.
  for (const char* sql : {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON",
                          "BEGIN IMMEDIATE", "COMMIT"}) {
    const int step = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
    if ((step & 0xff) == SQLITE_BUSY || (step & 0xff) == SQLITE_LOCKED) return InUse(path);
    if (step != SQLITE_OK) return FromSqlite(db, step, fmt::format("The metadata file {} could not be opened", path));
  }
  return database;
}

SqliteDatabase::~SqliteDatabase() { sqlite3_close_v2(db_); }

Result<SqliteStatement> SqliteDatabase::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) return FromSqlite(db_, code, fmt::format("The metadata file {} refused a statement", path_));
  return SqliteStatement(db_, statement);
}

Status SqliteDatabase::Execute(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? Status::OK() : FromSqlite(db_, code, fmt::format("The metadata file {} refused a statement", path_));
}

Status SqliteDatabase::Migrate() {
  auto run = [this]() -> Status {
    HR_RETURN_NOT_OK(Execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, what TEXT NOT NULL) STRICT"));
    int found = 0;
    {
      HR_ASSIGN_OR_RAISE(auto newest, Prepare("SELECT coalesce(max(version), 0) FROM schema_version"));
      HR_RETURN_NOT_OK(newest.Step());
      found = static_cast<int>(newest.Int64(0));
    }
    if (found > KnownSchemaVersion()) return NewerSchema(found, KnownSchemaVersion());
    for (const Migration& migration : Migrations()) {
      if (migration.version <= found) continue;
      HR_RETURN_NOT_OK(Execute(migration.sqlite));
      HR_ASSIGN_OR_RAISE(auto mark, Prepare("INSERT INTO schema_version VALUES (?1, ?2)"));
      HR_RETURN_NOT_OK(mark.Bind(migration.version).BindText(migration.what).Run());
    }
    return Status::OK();
  };
  HR_RETURN_NOT_OK(Execute("BEGIN IMMEDIATE"));
  const Status status = run();
  HR_RETURN_NOT_OK(Execute(status.ok() ? "COMMIT" : "ROLLBACK"));
  return status;
}

}  // namespace headrace::control::metastore
