#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

#include "control/rest/routes/routes.h"
#include "control/rest/view_json.h"
#include "control/rest/watermark_json.h"

namespace headrace::control::rest {
namespace {

constexpr std::size_t kJobIdDigits = 32;

/// The job id of the path; kNotFound when no job can have it.
Result<JobId> JobIdOf(const Call& call) {
  const std::string& text = call.params.at(0);
  if (text.size() != kJobIdDigits || text.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return Error(ErrorCode::kNotFound, fmt::format("there is no job \"{}\"; ids are {} hex digits", text.substr(0, 64), kJobIdDigits));
  }
  return JobId(text);
}

/// A route that shows one job through `render`.
void AddView(Router* router, const RouteServices& services, std::string pattern, std::string (*render)(const job::JobView&)) {
  router->Add("GET", std::move(pattern), [services, render](Call call) {
    auto id = JobIdOf(call);
    if (!id.ok()) return call.responder.Send(id.status());
    services.dispatcher->GetJob(*id, [executor = services.executor, responder = call.responder, render](Result<job::JobView> view) {
      if (!view.ok()) return responder.Send(view.status());
      auto job = std::make_shared<const job::JobView>(std::move(*view));
      executor->Post([responder, render, job] { responder.Send(net::JsonResponse(200, render(*job))); });
    });
  });
}

void ListJobs(const RouteServices& services, const Call& call) {
  services.dispatcher->ListJobs([executor = services.executor, responder = call.responder](Result<std::vector<job::JobView>> views) {
    if (!views.ok()) return responder.Send(views.status());
    auto jobs = std::make_shared<const std::vector<job::JobView>>(std::move(*views));
    executor->Post([responder, jobs] { responder.Send(net::JsonResponse(200, JobListJson(*jobs))); });
  });
}

void CancelJob(const RouteServices& services, const Call& call) {
  auto id = JobIdOf(call);
  if (!id.ok()) return call.responder.Send(id.status());
  const std::string_view with_savepoint = call.request.Query("with_savepoint", "false");
  if (with_savepoint != "false" && with_savepoint != "0") {
    return call.responder.Send(Error(ErrorCode::kBadRequest, "with_savepoint: this version cannot take a savepoint", "Cancel without it."));
  }
  services.dispatcher->Cancel(*id, [job = *id, responder = call.responder](Result<job::JobState> state) {
    if (!state.ok()) return responder.Send(state.status());
    responder.Send(net::JsonResponse(200, CancelledJson(job, *state)));
  });
}

}  // namespace

void AddJobRoutes(Router* router, const RouteServices& services) {
  router->Add("GET", "/jobs", [services](Call call) { ListJobs(services, call); });
  AddView(router, services, "/jobs/{id}", JobJson);
  AddView(router, services, "/jobs/{id}/status", JobStatusJson);
  AddView(router, services, "/jobs/{id}/plan", JobPlanJson);
  AddView(router, services, "/jobs/{id}/exceptions", JobExceptionsJson);
  AddView(router, services, "/jobs/{id}/metrics", JobMetricsJson);
  AddView(router, services, "/jobs/{id}/config", JobConfigJson);
  AddView(router, services, "/jobs/{id}/watermarks", JobWatermarksJson);
  router->Add("POST", "/jobs/{id}/cancel", [services](Call call) { CancelJob(services, call); });
}

}  // namespace headrace::control::rest
