#pragma once
#include <memory>

#include "base/status.h"
#include "data/connector/source.h"
#include "plan/job_graph.h"

namespace headrace::data::connector {

/// Reads files line by line; splits are plan::FileSplit, whole files from a byte position to the end they have when it is reached.
/// Shape:   out {value}: large_utf8 for format=lines (without the line end, \n or \r\n), headrace.value for format=json (one document a
/// line, blank lines left out); with a schema its columns, from JSON objects or CSV records. Errors:  kConnectorIo when a file cannot be
/// read; kBadRecord for a line that is not UTF-8, not JSON or longer than 16 MiB (on_error=fail). Thread:  the task's; one reading thread
/// of its own, started with the first split.
Result<std::unique_ptr<SourceReader>> MakeFileSourceReader(const plan::ConnectorSpec& spec);

}  // namespace headrace::data::connector
