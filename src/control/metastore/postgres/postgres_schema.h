#pragma once
#include "base/status.h"
#include "postgres/session.h"

namespace headrace::control::metastore {

/// Brings the schema up to date; safe when several processes start at once. kStoreCorrupt when it is newer than known.
/// Thread: the session's.
Status MigratePostgres(const postgres::RunNow& run);

}  // namespace headrace::control::metastore
