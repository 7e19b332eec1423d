#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/status.h"
#include "net/http_server.h"

namespace headrace::net {

/// The metrics page of a process: GET /metrics in the Prometheus text format and GET /health, nothing else, no token.
/// `registry` must outlive the server. kBadSetting when it cannot listen; port 0 picks a free one.
Result<std::unique_ptr<HttpServer>> StartMetricsServer(const std::string& address, std::uint16_t port, const MetricsRegistry* registry);

}  // namespace headrace::net
