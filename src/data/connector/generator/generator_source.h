#pragma once
#include <memory>

#include "base/status.h"
#include "data/connector/source.h"
#include "plan/job_graph.h"

namespace headrace::data::connector {

/// Makes rows: kind=sequence gives the row numbers (int64), kind=words lines of skewed words (large_utf8, see WordRows).
/// Splits are residue classes of row numbers (plan::GeneratorSplit), so all subtasks together make each row once.
/// Units:   rows_per_second over all subtasks; a limited generator gives what is due about every 10 ms.
/// Thread:  the task's; when limited, one that only wakes the task when rows are due.
Result<std::unique_ptr<SourceReader>> MakeGeneratorSourceReader(const plan::ConnectorSpec& spec);

}  // namespace headrace::data::connector
