#pragma once
#include <string>
#include <string_view>

#include "base/status.h"
#include "plan/job_graph.h"

namespace headrace::plan::testing {

/// Reads a job graph from the small text form of tests/golden/plan:
///   job NAME [parallelism=N] [max_parallelism=N] [override=N] [feature settings…]
///   KIND UID ["NAME"] [CONNECTOR] [x=PARALLELISM] [option=value …] [< INPUT[:PARTITIONING] …] [@ LINE]
/// KIND is source, map, filter, flat_map, key_by, reduce, union or sink. '#' starts a comment line.
struct GraphText {
  JobGraph graph;
  std::uint32_t parallelism_override = 0;
};
Result<GraphText> ParseGraphText(std::string_view text);

}  // namespace headrace::plan::testing
