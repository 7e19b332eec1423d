#pragma once
#include "base/status.h"
#include "plan/job_graph.h"
#include "plan/topology.h"

namespace headrace::plan {

/// Takes the columns that nothing behind them reads out of the row types of sources, so that they are neither decoded nor made: the
/// columns that are read are settled backwards, from the sinks through where, select, aggregates, tops and event times; whatever else
/// a stream goes through reads all of them. `graph` has its schemas already (SchemaOf); those that change are settled anew. Pure.
Status PruneColumns(const Topology& topology, JobGraph* graph);

}  // namespace headrace::plan
