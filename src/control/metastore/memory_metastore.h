#pragma once
#include <memory>

#include "control/metastore/metastore.h"

namespace headrace::control::metastore {

/// The rows behind one or more memory stores. Outlives them, as a database outlives the processes that use it: give the same
/// tables to a new store to simulate a restarted or a competing JobManager. Thread-safe.
struct MemoryTables;
std::shared_ptr<MemoryTables> MakeMemoryTables();

/// A store over `tables` whose answers go to `executor`. Each call takes effect at once, its answer is posted.
std::unique_ptr<Metastore> MakeMemoryMetastore(Executor* executor, std::shared_ptr<MemoryTables> tables);

}  // namespace headrace::control::metastore
