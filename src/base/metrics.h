#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace headrace {

/// Label pairs of one series, e.g. {{"job_id", …}, {"operator", …}}.
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

/// A number that only grows. Add() is lock-free and may be called from any thread; batch-wise, not per record.
class Counter {
 public:
  void Add(std::uint64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// A number that moves.
class Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

/// Cumulative buckets with fixed upper bounds.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void Observe(double value);
  const std::vector<double>& bounds() const { return bounds_; }
  std::vector<std::uint64_t> Counts() const;  ///< one more than bounds: the last is +Inf; not cumulative
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::vector<double> bounds_;
  std::vector<std::atomic<std::uint64_t>> counts_;
  std::atomic<double> sum_{0};
};

/// Owns the series of a process and prints them in the Prometheus text format. Handles are shared: a series leaves the
/// exposition when its last handle outside the registry is gone. Thread-safe; registration locks, updates do not.
class MetricsRegistry {
 public:
  MetricsRegistry();
  ~MetricsRegistry();
  /// The same name and labels give the same series. Names start with headrace_; counters end in _total.
  std::shared_ptr<Counter> GetCounter(const std::string& name, const std::string& help, MetricLabels labels = {});
  std::shared_ptr<Gauge> GetGauge(const std::string& name, const std::string& help, MetricLabels labels = {});
  std::shared_ptr<Histogram> GetHistogram(const std::string& name, const std::string& help, std::vector<double> bounds,
                                          MetricLabels labels = {});
  /// A gauge whose value is asked for at exposition time, on the scraping thread; lives until the returned handle dies.
  std::shared_ptr<void> AddCallbackGauge(const std::string& name, const std::string& help, MetricLabels labels,
                                         std::function<double()> read);
  std::string Expose() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headrace
