#include "control/metastore/postgres/postgres_schema.h"

#include <fmt/format.h>

#include "control/metastore/migrations.h"
#include "control/metastore/refusals.h"

namespace headrace::control::metastore {
namespace {

using postgres::Statement;

// Held to the end of one migration's statement; the same number in every version of Headrace.
constexpr std::int64_t kMigrationLock = 0x6865616472616365;  // "headrace"

/// One statement that does `body` under the lock: whole or not at all, and one process after the other.
Statement UnderLock(std::string_view body) {
  return Statement(Statement::Effect::kWrites,
                   fmt::format("DO $headrace$ BEGIN PERFORM pg_advisory_xact_lock({}); {} END $headrace$", kMigrationLock, body));
}

}  // namespace

Status MigratePostgres(const postgres::RunNow& run) {
  HR_ASSIGN_OR_RAISE(const auto exists,
                     run(Statement(Statement::Effect::kReads,
                                   "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'schema_version'")));
  if (exists.Int64(0, 0) == 0) {
    HR_RETURN_NOT_OK(
        run(UnderLock("CREATE TABLE IF NOT EXISTS schema_version (version int8 PRIMARY KEY, what text NOT NULL, applied timestamptz NOT "
                      "NULL DEFAULT now());")));
  }
  HR_ASSIGN_OR_RAISE(const auto newest,
                     run(Statement(Statement::Effect::kReads, "SELECT coalesce(max(version), 0)::int8 FROM schema_version")));
  const auto found = static_cast<int>(newest.Int64(0, 0));
  if (found > KnownSchemaVersion()) return NewerSchema(found, KnownSchemaVersion());
  for (const Migration& migration : Migrations()) {
    if (migration.version <= found) continue;
    HR_RETURN_NOT_OK(
        run(UnderLock(fmt::format("IF NOT EXISTS (SELECT 1 FROM schema_version WHERE version = {0}) THEN {1} INSERT INTO schema_version "
                                  "(version, what) VALUES ({0}, '{2}'); END IF;",
                                  migration.version, migration.postgres, migration.what))));
  }
  return Status::OK();
}

}  // namespace headrace::control::metastore
