#pragma once
#include <vector>

namespace headrace::control::metastore {

/// One numbered change of the schema. Numbers are consecutive from 1, never reused, and a released one is never edited.
/// A change that other versions must survive comes in two releases: `kExpand` adds what the new code writes while the old
/// code still runs; `kContract`, a release later, removes what nobody reads any more.
struct Migration {
  enum class Phase { kExpand, kContract };
  int version;
  Phase phase;
  const char* what;    ///< one line for the schema_version table
  const char* sqlite;  ///< statements, separated by semicolons
  const char* postgres;
};

/// All of them, ascending.
const std::vector<Migration>& Migrations();
/// The newest schema this version of Headrace knows.
int KnownSchemaVersion();

}  // namespace headrace::control::metastore
