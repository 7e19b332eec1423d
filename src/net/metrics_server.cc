#include "net/metrics_server.h"

#include <utility>

namespace headrace::net {
namespace {

constexpr std::size_t kMaxScrapers = 32;

void AnswerPage(const MetricsRegistry& registry, const HttpRequest& request, const HttpResponder& responder) {
  if (request.method != "GET" && request.method != "HEAD")
    return responder.Send(Error(ErrorCode::kMethodNotAllowed, "this page takes GET alone", "Send GET /metrics."));
  if (request.path == "/metrics")
    return responder.Send(HttpResponse{200, "text/plain; version=0.0.4; charset=utf-8", registry.Expose(), {}});
  if (request.path == "/health") return responder.Send(JsonResponse(200, "{\"status\":\"UP\"}"));
  responder.Send(Error(ErrorCode::kNotFound, "this port has /metrics and /health alone", "Send GET /metrics."));
}

}  // namespace

Result<std::unique_ptr<HttpServer>> StartMetricsServer(const std::string& address, std::uint16_t port, const MetricsRegistry* registry) {
  HttpServerOptions options;
  options.address = address;
  options.port = port;
  options.name = "metrics";
  options.max_connections = kMaxScrapers;
  return HttpServer::Start(
      options, [registry](HttpRequest request, HttpResponder responder) { AnswerPage(*registry, request, responder); },
      [](const HttpRequest&) {
        return HttpAdmission{0, std::nullopt};
      });
}

}  // namespace headrace::net
