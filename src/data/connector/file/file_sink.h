#pragma once
#include <memory>

#include "base/status.h"
#include "data/connector/sink.h"
#include "plan/job_graph.h"

namespace headrace::data::connector {

/// Writes rows as lines into files part-<subtask>-<n> of a folder, which is made when it does not exist.
/// A file is hidden (".part-….inprogress") until it is complete: at a flush, at so many bytes or rows, or so long after its first row.
/// Files are never overwritten; n goes on where an earlier run ended. format=lines: str as it is, anything else as Python's str(); json:
/// one JSON value a line; csv: typed rows behind a line with their names; parquet: typed rows in files part-<subtask>-<n>.parquet. Errors:
/// kConnectorIo in Poll() when the folder cannot be written. Thread: the task's; one writing thread of its own.
Result<std::unique_ptr<SinkWriter>> MakeFileSinkWriter(const plan::ConnectorSpec& spec);

}  // namespace headrace::data::connector
