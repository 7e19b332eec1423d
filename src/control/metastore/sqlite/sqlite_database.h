#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace headrace::control::metastore {

/// One prepared statement with its bindings, from Prepare() to the end of its scope. Same thread as its database.
class SqliteStatement {
 public:
  explicit SqliteStatement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  SqliteStatement(SqliteStatement&& other) noexcept;
  SqliteStatement& operator=(SqliteStatement&&) = delete;
  ~SqliteStatement();

  /// Binds the next parameter, from ?1 on. The texts must outlive the statement.
  SqliteStatement& Bind(std::int64_t value);
  SqliteStatement& BindText(std::string_view value);
  SqliteStatement& BindBytes(std::string_view value);
  SqliteStatement& BindNull();
  /// True when there is a row to read.
  Result<bool> Step();
  /// Runs to the end; answers how many rows were changed.
  Result<int> Run();

  std::int64_t Int64(int column) const;
  std::string Bytes(int column) const;  ///< text and blobs alike

 private:
  sqlite3* db_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

/// A SQLite file in WAL mode that this process holds exclusively until the object dies. Owns the connection; one thread at
/// a time. Every commit is on disk before it returns.
class SqliteDatabase {
 public:
  /// Creates the file and its folder. kConflict when another process holds the file, kStoreCorrupt when it is no database.
  static Result<std::unique_ptr<SqliteDatabase>> Open(const std::string& path);
  ~SqliteDatabase();
  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  Result<SqliteStatement> Prepare(std::string_view sql);
  /// One or more statements without parameters.
  Status Execute(const char* sql);
  /// BEGIN IMMEDIATE, the migrations that are missing, COMMIT. kStoreCorrupt when the schema is newer than known.
  Status Migrate();

 private:
  SqliteDatabase(sqlite3* db, std::string path) : db_(db), path_(std::move(path)) {}
  sqlite3* db_;
  std::string path_;
};

}  // namespace headrace::control::metastore
