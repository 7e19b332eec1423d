#pragma once
#include <memory>

#include "base/status.h"
#include "data/connector/source.h"
#include "plan/job_graph.h"

namespace headrace::data::connector {

/// Reads files line by line; splits are plan::FileSplit, whole files from a byte position to the end they have when it is reached.
/// Shape:   out {value}: large_utf8 for format=lines (without the line end, \n or \r\n), headrace.value for format=json (one document a
/// line, blank lines left out); with a schema its columns, from JSON objects, CSV records or
/// the row groups of Parquet files, which splits of a large file share out. Errors:  kConnectorIo when a file cannot be
/// read, or is no Parquet file; kBadRecord for a column of a Parquet file that does not go into the schema;  kBadRecord for a line that is
/// not UTF-8, not JSON or longer than 16 MiB (on_error=fail). Thread:  the task's; one reading thread of its own, started with the first
/// split.
Result<std::unique_ptr<SourceReader>> MakeFileSourceReader(const plan::ConnectorSpec& spec);

}  // namespace headrace::data::connector
