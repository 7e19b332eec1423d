#pragma once
#include <memory>
#include <string>

#include "base/executor.h"
#include "base/metrics.h"
#include "base/settings.h"
#include "control/job/dispatcher.h"
#include "control/rest/router.h"

namespace headrace::control::rest {

/// What routes may use. All of it outlives the server, and `executor` every answer of the dispatcher.
struct RouteServices {
  job::Dispatcher* dispatcher = nullptr;
  MetricsRegistry* metrics = nullptr;
  const Settings* settings = nullptr;
  const ApiDescription* description = nullptr;
  std::string version;
  std::shared_ptr<Executor> executor;  ///< REST's own: parses uploads and writes JSON, so that the control loop does not
};

void AddSubmitRoutes(Router* router, const RouteServices& services);
void AddJobRoutes(Router* router, const RouteServices& services);
void AddClusterRoutes(Router* router, const RouteServices& services);
void AddProcessRoutes(Router* router, const RouteServices& services);

}  // namespace headrace::control::rest
