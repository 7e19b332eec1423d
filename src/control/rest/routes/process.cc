#include <chrono>
#include <nlohmann/json.hpp>

#include "control/rest/routes/routes.h"

namespace headrace::control::rest {
namespace {

/// How long a health check waits for the control loop before it calls it stuck. Probes themselves often wait one second.
constexpr std::chrono::milliseconds kHealthWait{500};

net::HttpResponse Health(bool up, const std::string& reason, const job::ClusterView* cluster) {
  nlohmann::ordered_json json = {{"status", up ? "UP" : "DOWN"}};
  if (!reason.empty()) json["reason"] = reason;
  if (cluster != nullptr) {
    json["leader"] = cluster->leader;
    json["store_reachable"] = cluster->store_reachable;
    json["active_task_managers"] = cluster->active_task_managers;
  }
  return net::JsonResponse(up ? 200 : 503, json.dump());
}

/// Why a process with this view should get no requests; empty when it should.
std::string NotReadyReason(const job::ClusterView& cluster) {
  if (!cluster.store_reachable) return "the metadata store cannot be reached";
  if (!cluster.leader && cluster.leader_address.empty()) return "no JobManager leads yet";
  return {};
}

/// Answers from the control loop's view, or, when that does not come in time, with 503. The first of the two counts.
void AnswerHealth(const RouteServices& services, const Call& call, bool readiness) {
  services.executor->PostAfter(
      kHealthWait, [responder = call.responder] { responder.Send(Health(false, "the control loop does not answer", nullptr)); });
  services.dispatcher->GetCluster([responder = call.responder, readiness](const job::ClusterView& cluster) {
    const std::string reason = NotReadyReason(cluster);
    responder.Send(Health(!readiness || reason.empty(), reason, &cluster));
  });
}

}  // namespace

void AddProcessRoutes(Router* router, const RouteServices& services) {
  const RouteOptions at_once{.inline_answer = true};
  router->Add(
      "GET", "/health", [services](Call call) { AnswerHealth(services, call, false); }, at_once);
  router->Add(
      "GET", "/health/ready", [services](Call call) { AnswerHealth(services, call, true); }, at_once);
  router->Add(
      "GET", "/health/live", [](Call call) { call.responder.Send(Health(true, "", nullptr)); }, at_once);
  router->Add(
      "GET", "/version",
      [services](Call call) {
        call.responder.Send(net::JsonResponse(200, nlohmann::ordered_json{{"version", services.version}, {"api", "1"}}.dump()));
      },
      at_once);
  router->Add("GET", "/config", [services](Call call) { call.responder.Send(net::JsonResponse(200, services.settings->ToJson())); });
  router->Add("GET", "/metrics", [services](Call call) {
    call.responder.Send(net::HttpResponse{200, "text/plain; version=0.0.4; charset=utf-8", services.metrics->Expose(), {}});
  });
  router->Add("GET", "/openapi.json", [services](Call call) { call.responder.Send(net::JsonResponse(200, services.description->json())); });
}

}  // namespace headrace::control::rest
