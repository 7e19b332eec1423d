#include "control/metastore/migrations.h"

namespace headrace::control::metastore {
namespace {

constexpr const char* kFirstSqlite = R"sql(
CREATE TABLE leader_epoch (id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, holder TEXT NOT NULL) STRICT;
INSERT INTO leader_epoch VALUES (1, 0, '');
CREATE TABLE leader_beat (id INTEGER PRIMARY KEY CHECK (id = 1), beat INTEGER NOT NULL, address TEXT NOT NULL) STRICT;
INSERT INTO leader_beat VALUES (1, 0, '');
CREATE TABLE job (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  job_file BLOB NOT NULL,
  parallelism_override INTEGER NOT NULL,
  submitted_wall_ms INTEGER NOT NULL,
  idempotency_key TEXT UNIQUE,
  last_deployment INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE job_split (
  job_id TEXT NOT NULL REFERENCES job (id),
  source_uid TEXT NOT NULL,
  split_id TEXT NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY (job_id, source_uid, split_id)
) STRICT;
CREATE TABLE job_result (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id TEXT NOT NULL UNIQUE REFERENCES job (id),
  state TEXT NOT NULL,
  failure_json TEXT NOT NULL,
  ended_wall_ms INTEGER NOT NULL
) STRICT;
)sql";

// Texts that are compared or sorted use the C collation: the order is then the byte order in every store.
constexpr const char* kFirstPostgres = R"sql(
CREATE TABLE leader_epoch (id int4 PRIMARY KEY CHECK (id = 1), epoch int8 NOT NULL, holder text NOT NULL);
INSERT INTO leader_epoch VALUES (1, 0, '');
CREATE TABLE leader_beat (id int4 PRIMARY KEY CHECK (id = 1), beat int8 NOT NULL, address text NOT NULL);
INSERT INTO leader_beat VALUES (1, 0, '');
CREATE TABLE job (
  seq int8 GENERATED ALWAYS AS IDENTITY,
  id text COLLATE "C" PRIMARY KEY,
  name text NOT NULL,
  job_file bytea NOT NULL,
  parallelism_override int8 NOT NULL,
  submitted_wall_ms int8 NOT NULL,
  idempotency_key text COLLATE "C" UNIQUE,
  last_deployment int8 NOT NULL DEFAULT 0
);
CREATE TABLE job_split (
  job_id text COLLATE "C" NOT NULL REFERENCES job (id),
  source_uid text COLLATE "C" NOT NULL,
  split_id text COLLATE "C" NOT NULL,
  payload bytea NOT NULL,
  PRIMARY KEY (job_id, source_uid, split_id)
);
CREATE TABLE job_result (
  seq int8 GENERATED ALWAYS AS IDENTITY,
  job_id text COLLATE "C" PRIMARY KEY REFERENCES job (id),
  state text NOT NULL,
  failure_json text NOT NULL,
  ended_wall_ms int8 NOT NULL
);
)sql";

}  // namespace

const std::vector<Migration>& Migrations() {
  static const std::vector<Migration> migrations = {
      {1, Migration::Phase::kExpand, "leadership, jobs, splits, results", kFirstSqlite, kFirstPostgres},
  };
  return migrations;
}

int KnownSchemaVersion() { return Migrations().back().version; }

}  // namespace headrace::control::metastore
