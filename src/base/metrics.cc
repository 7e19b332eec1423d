#include "base/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>

#include "base/status.h"

namespace headrace {
namespace {

enum class Kind { kCounter, kGauge, kHistogram };

/// A gauge read at exposition. Dropping the handle waits for a running read, so that the function never outlives its owner.
struct CallbackGauge {
  std::mutex mutex;
  std::function<double()> read;   // empty once the handle is gone
  std::atomic<bool> gone{false};  // the same, for who holds the registry's lock: a running read may wait for that
};

struct Series {
  std::weak_ptr<Counter> counter;
  std::weak_ptr<Gauge> gauge;
  std::weak_ptr<Histogram> histogram;
  std::shared_ptr<CallbackGauge> callback;
};

struct Family {
  Kind kind;
  std::string help;
  std::map<std::string, Series> series;  // by rendered labels
};

void AppendEscaped(std::string* out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\n') {
      out->append("\\n");
      continue;
    }
    if (c == '\\' || (quotes && c == '"')) out->push_back('\\');
    out->push_back(c);
  }
}

/// `a="x",b="y"`, sorted by name: the identity of a series.
std::string RenderLabels(MetricLabels labels) {
  std::sort(labels.begin(), labels.end());
  std::string text;
  for (const auto& [name, value] : labels) {
    if (!text.empty()) text.push_back(',');
    text.append(name).append("=\"");
    AppendEscaped(&text, value, true);
    text.push_back('"');
  }
  return text;
}

std::string RenderNumber(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

void AppendLine(std::string* out, std::string_view name, std::string_view labels, std::string_view value) {
  if (labels.empty()) {
    fmt::format_to(std::back_inserter(*out), "{} {}\n", name, value);
  } else {
    fmt::format_to(std::back_inserter(*out), "{}{{{}}} {}\n", name, labels, value);
  }
}

void AppendHistogram(std::string* out, const std::string& name, const std::string& labels, const Histogram& histogram) {
  const std::vector<std::uint64_t> counts = histogram.Counts();
  const std::string prefix = labels.empty() ? "" : labels + ",";
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    const std::string bound = i < histogram.bounds().size() ? RenderNumber(histogram.bounds()[i]) : "+Inf";
    AppendLine(out, name + "_bucket", fmt::format("{}le=\"{}\"", prefix, bound), fmt::format("{}", total));
  }
  AppendLine(out, name + "_sum", labels, RenderNumber(histogram.sum()));
  AppendLine(out, name + "_count", labels, fmt::format("{}", total));
}

/// False when the series is gone.
bool AppendSeries(std::string* out, const std::string& name, const std::string& labels, Kind kind, const Series& series) {
  if (series.callback != nullptr) {
    std::lock_guard lock(series.callback->mutex);
    if (series.callback->read == nullptr) return false;
    AppendLine(out, name, labels, RenderNumber(series.callback->read()));
    return true;
  }
  if (kind == Kind::kCounter) {
    const auto counter = series.counter.lock();
    if (counter != nullptr) AppendLine(out, name, labels, fmt::format("{}", counter->value()));
    return counter != nullptr;
  }
  if (kind == Kind::kGauge) {
    const auto gauge = series.gauge.lock();
    if (gauge != nullptr) AppendLine(out, name, labels, RenderNumber(gauge->value()));
    return gauge != nullptr;
  }
  const auto histogram = series.histogram.lock();
  if (histogram != nullptr) AppendHistogram(out, name, labels, *histogram);
  return histogram != nullptr;
}

constexpr std::string_view kKindNames[] = {"counter", "gauge", "histogram"};

}  // namespace

Histogram::Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {
  HR_CHECK(std::is_sorted(bounds_.begin(), bounds_.end()), "histogram bounds ascend");
}

void Histogram::Observe(double value) {
  const auto bucket = static_cast<std::size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin());
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<std::uint64_t> Histogram::Counts() const {
  std::vector<std::uint64_t> counts;
  counts.reserve(counts_.size());
  for (const auto& count : counts_) counts.push_back(count.load(std::memory_order_relaxed));
  return counts;
}

struct MetricsRegistry::State {
  mutable std::mutex mutex;
  std::map<std::string, Family> families;

  Series& Find(const std::string& name, const std::string& help, Kind kind, MetricLabels labels) {
    Family& family = families.try_emplace(name, Family{kind, help, {}}).first->second;
    HR_CHECK(family.kind == kind, name);
    return family.series[RenderLabels(std::move(labels))];
  }
};

MetricsRegistry::MetricsRegistry() : state_(std::make_unique<State>()) {}
MetricsRegistry::~MetricsRegistry() = default;

std::shared_ptr<Counter> MetricsRegistry::GetCounter(const std::string& name, const std::string& help, MetricLabels labels) {
  std::lock_guard lock(state_->mutex);
  Series& series = state_->Find(name, help, Kind::kCounter, std::move(labels));
  auto counter = series.counter.lock();
  if (counter == nullptr) series.counter = counter = std::make_shared<Counter>();
  return counter;
}

std::shared_ptr<Gauge> MetricsRegistry::GetGauge(const std::string& name, const std::string& help, MetricLabels labels) {
  std::lock_guard lock(state_->mutex);
  Series& series = state_->Find(name, help, Kind::kGauge, std::move(labels));
  auto gauge = series.gauge.lock();
  if (gauge == nullptr) series.gauge = gauge = std::make_shared<Gauge>();
  series.callback = nullptr;
  return gauge;
}

std::shared_ptr<Histogram> MetricsRegistry::GetHistogram(const std::string& name, const std::string& help, std::vector<double> bounds,
                                                         MetricLabels labels) {
  std::lock_guard lock(state_->mutex);
  Series& series = state_->Find(name, help, Kind::kHistogram, std::move(labels));
  auto histogram = series.histogram.lock();
  if (histogram == nullptr) series.histogram = histogram = std::make_shared<Histogram>(std::move(bounds));
  return histogram;
}

std::shared_ptr<void> MetricsRegistry::AddCallbackGauge(const std::string& name, const std::string& help, MetricLabels labels,
                                                        std::function<double()> read) {
  auto callback = std::make_shared<CallbackGauge>();
  callback->read = std::move(read);
  {
    std::lock_guard lock(state_->mutex);
    state_->Find(name, help, Kind::kGauge, std::move(labels)).callback = callback;
  }
  CallbackGauge* raw = callback.get();
  return std::shared_ptr<void>(raw, [callback = std::move(callback)](void*) mutable {
    std::lock_guard lock(callback->mutex);
    callback->read = nullptr;
    callback->gone = true;
  });
}

std::string MetricsRegistry::Expose() const {
  // Callbacks run without the registry's lock: one of them may register a series or drop a handle.
  std::map<std::string, Family> families;
  {
    std::lock_guard lock(state_->mutex);
    families = state_->families;
  }
  std::string text;
  std::vector<std::pair<std::string, std::string>> gone;
  for (const auto& [name, family] : families) {
    std::string lines;
    for (const auto& [labels, series] : family.series) {
      if (!AppendSeries(&lines, name, labels, family.kind, series)) gone.emplace_back(name, labels);
    }
    if (lines.empty()) continue;
    text.append("# HELP ").append(name).push_back(' ');
    AppendEscaped(&text, family.help, false);
    fmt::format_to(std::back_inserter(text), "\n# TYPE {} {}\n{}", name, kKindNames[static_cast<int>(family.kind)], lines);
  }
  std::lock_guard lock(state_->mutex);
  for (const auto& [name, labels] : gone) {
    auto& series = state_->families.at(name).series;
    const auto found = series.find(labels);
    if (found == series.end()) continue;
    const Series& s = found->second;
    const bool callback_gone = s.callback == nullptr || s.callback->gone;
    if (callback_gone && s.counter.expired() && s.gauge.expired() && s.histogram.expired()) series.erase(found);
  }
  return text;
}

}  // namespace headrace
