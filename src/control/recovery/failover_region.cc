#include "control/recovery/failover_region.h"

namespace headrace::control::recovery {

std::set<VertexIndex> FailoverRegion(const plan::ExecutionPlan& plan, VertexIndex failed) {
  std::set<VertexIndex> region{failed};
  bool grew = true;
  while (grew) {
    grew = false;
    for (const plan::ExecutionEdge& edge : plan.edges) {
      if (region.count(edge.producer) == region.count(edge.consumer)) continue;
      region.insert(edge.producer);
      region.insert(edge.consumer);
      grew = true;
    }
  }
  return region;
}

}  // namespace headrace::control::recovery
