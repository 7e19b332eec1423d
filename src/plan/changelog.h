#pragma once
#include <cstdint>

#include "base/status.h"

namespace headrace::plan {

struct JobGraph;
struct OperatorSpec;
class Topology;

/// What the rows of a stream mean to those before them. Rows of all but kAppend have kinds (columnar/row_kind.h).
enum class Changelog : std::uint8_t {
  kAppend = 0,   ///< every row is new
  kUpsert = 1,   ///< an update shows the new row alone, which replaces the one of its key
  kRetract = 2,  ///< what no longer holds is taken back by a row of its own, an update by the pair of both
};

/// Settles OperatorSpec::changelog of all operators: who updates, and who must take back what he gave because somebody behind him folds
/// rows. Refuses updating rows where an operator has no use for them; the error names both operators. Schemas must be settled. Pure.
Status FillChangelogs(const Topology& topology, JobGraph* graph);

}  // namespace headrace::plan
