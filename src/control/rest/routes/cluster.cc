#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "control/rest/routes/routes.h"
#include "control/rest/view_json.h"

namespace headrace::control::rest {
namespace {

using Views = std::vector<job::TaskManagerView>;

}  // namespace

void AddClusterRoutes(Router* router, const RouteServices& services) {
  // Lists may be long: the control loop only hands over the views.
  router->Add("GET", "/taskmanagers", [services](Call call) {
    services.dispatcher->ListTaskManagers([executor = services.executor, responder = call.responder](Views views) {
      auto shared = std::make_shared<const Views>(std::move(views));
      executor->Post([responder, shared] { responder.Send(net::JsonResponse(200, TaskManagerListJson(*shared))); });
    });
  });
  router->Add("GET", "/taskmanagers/{id}", [services](Call call) {
    services.dispatcher->ListTaskManagers([id = call.params.at(0), responder = call.responder](const Views& views) {
      const auto found = std::find_if(views.begin(), views.end(), [&](const job::TaskManagerView& view) { return view.id.str() == id; });
      if (found == views.end()) {
        return responder.Send(Error(ErrorCode::kNotFound, fmt::format("there is no TaskManager \"{}\"", id.substr(0, 128)),
                                    "See /taskmanagers for those that exist."));
      }
      responder.Send(net::JsonResponse(200, TaskManagerJson(*found)));
    });
  });
  router->Add("GET", "/cluster/metrics", [services](Call call) {
    services.dispatcher->GetCluster(
        [responder = call.responder](const job::ClusterView& view) { responder.Send(net::JsonResponse(200, ClusterJson(view))); });
  });
  router->Add("GET", "/leader", [services](Call call) {
    services.dispatcher->GetCluster(
        [responder = call.responder](const job::ClusterView& view) { responder.Send(net::JsonResponse(200, LeaderJson(view))); });
  });
}

}  // namespace headrace::control::rest
