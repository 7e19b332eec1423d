#include "net/metrics_server.h"

#include <gtest/gtest.h>

#include "net/http_client.h"

namespace headrace::net {
namespace {

TEST(MetricsServer, ServesThePageAndNothingElse) {
  MetricsRegistry registry;
  const auto gauge = registry.GetGauge("headrace_leader", "1 when leading.");
  gauge->Set(1);
  const auto server = StartMetricsServer("127.0.0.1", 0, &registry).ValueOrDie();
  const HttpClient client("127.0.0.1", server->port());
  const auto page = client.Get("/metrics").ValueOrDie();
  EXPECT_EQ(page.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(page.body.find("\nheadrace_leader 1\n"), std::string::npos);
  EXPECT_EQ(client.Get("/health")->status, 200);
  EXPECT_EQ(client.Get("/jobs")->status, 404);
  EXPECT_EQ(client.Send("POST", "/metrics")->status, 405);
  EXPECT_EQ(client.Send("POST", "/metrics", {}, "x")->status, 413);
}

}  // namespace
}  // namespace headrace::net
