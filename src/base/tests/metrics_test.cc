#include "base/metrics.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace headrace {
namespace {

TEST(MetricsRegistry, PrintsThePrometheusTextFormat) {
  MetricsRegistry registry;
  const auto counter = registry.GetCounter("headrace_records_in_total", "Records read.", {{"tm", "a"}, {"job_id", "j"}});
  counter->Add(3);
  const auto gauge = registry.GetGauge("headrace_leader", "1 when leading.");
  gauge->Set(1);
  const auto histogram = registry.GetHistogram("headrace_latency_seconds", "Latency.", {0.1, 1}, {{"op", "map"}});
  histogram->Observe(0.1);
  histogram->Observe(0.5);
  histogram->Observe(7);
  EXPECT_EQ(registry.Expose(),
            "# HELP headrace_latency_seconds Latency.\n"
            "# TYPE headrace_latency_seconds histogram\n"
            "headrace_latency_seconds_bucket{op=\"map\",le=\"0.1\"} 1\n"
            "headrace_latency_seconds_bucket{op=\"map\",le=\"1\"} 2\n"
            "headrace_latency_seconds_bucket{op=\"map\",le=\"+Inf\"} 3\n"
            "headrace_latency_seconds_sum{op=\"map\"} 7.6\n"
            "headrace_latency_seconds_count{op=\"map\"} 3\n"
            "# HELP headrace_leader 1 when leading.\n"
            "# TYPE headrace_leader gauge\n"
            "headrace_leader 1\n"
            "# HELP headrace_records_in_total Records read.\n"
            "# TYPE headrace_records_in_total counter\n"
            "headrace_records_in_total{job_id=\"j\",tm=\"a\"} 3\n");
}

TEST(MetricsRegistry, SameNameAndLabelsInAnyOrderAreOneSeries) {
  MetricsRegistry registry;
  const auto a = registry.GetCounter("headrace_x_total", "x", {{"a", "1"}, {"b", "2"}});
  const auto b = registry.GetCounter("headrace_x_total", "x", {{"b", "2"}, {"a", "1"}});
  EXPECT_EQ(a, b);
}

TEST(MetricsRegistry, ASeriesLeavesWithItsLastHandle) {
  MetricsRegistry registry;
  auto counter = registry.GetCounter("headrace_x_total", "x", {{"job_id", "1"}});
  counter->Add(5);
  EXPECT_NE(registry.Expose(), "");
  counter.reset();
  EXPECT_EQ(registry.Expose(), "");
  counter = registry.GetCounter("headrace_x_total", "x", {{"job_id", "1"}});
  EXPECT_EQ(registry.Expose(), "# HELP headrace_x_total x\n# TYPE headrace_x_total counter\nheadrace_x_total{job_id=\"1\"} 0\n");
}

TEST(MetricsRegistry, LabelValuesAreEscaped) {
  MetricsRegistry registry;
  const auto gauge = registry.GetGauge("headrace_x", "x", {{"operator", "a\"b\\c\nd"}});
  EXPECT_NE(registry.Expose().find("headrace_x{operator=\"a\\\"b\\\\c\\nd\"} 0\n"), std::string::npos);
}

TEST(MetricsRegistry, ACallbackNeverRunsAfterItsHandleIsGone) {
  MetricsRegistry registry;
  std::atomic<bool> stop{false};
  std::thread scraper([&] {
    while (!stop) registry.Expose();
  });
  for (int i = 0; i < 500; ++i) {
    auto owner = std::make_unique<int>(i);
    auto handle = registry.AddCallbackGauge("headrace_x", "x", {}, [&owner] { return static_cast<double>(*owner); });
    handle.reset();
    owner.reset();  // a late read would be a use after free
  }
  stop = true;
  scraper.join();
  EXPECT_EQ(registry.Expose(), "");
}

TEST(MetricsRegistry, AHandleMayOutliveTheRegistry) {
  auto registry = std::make_unique<MetricsRegistry>();
  auto handle = registry->AddCallbackGauge("headrace_x", "x", {}, [] { return 1.0; });
  auto counter = registry->GetCounter("headrace_y_total", "y");
  registry.reset();
  counter->Add();
  handle.reset();
}

TEST(MetricsRegistry, UpdatesFromManyThreadsAreAllCounted) {
  MetricsRegistry registry;
  std::vector<std::thread> threads;
  const auto keep = registry.GetHistogram("headrace_h", "h", {1});
  const auto keep_counter = registry.GetCounter("headrace_x_total", "x");
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      const auto counter = registry.GetCounter("headrace_x_total", "x");
      const auto histogram = registry.GetHistogram("headrace_h", "h", {1});
      for (int i = 0; i < 1000; ++i) {
        counter->Add();
        histogram->Observe(0.5);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(keep_counter->value(), 4000u);
  EXPECT_EQ(keep->Counts()[0], 4000u);
}

}  // namespace
}  // namespace headrace
