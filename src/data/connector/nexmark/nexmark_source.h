#pragma once
#include <memory>

#include "base/status.h"
#include "data/connector/source.h"
#include "plan/job_graph.h"

namespace headrace::data::connector {

/// Makes the rows of one Nexmark table (bid, auction, person), typed, with their event times. Splits are residue classes of
/// blocks of 4000 events (plan::GeneratorSplit), so that all splits advance together in event time and the rows are the same
/// at any parallelism. Rows come as fast as they are taken.
/// Thread: the task's.
Result<std::unique_ptr<SourceReader>> MakeNexmarkSourceReader(const plan::ConnectorSpec& spec);

}  // namespace headrace::data::connector
