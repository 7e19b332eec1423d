#include "apps/demo_view.h"

#include <fmt/core.h>
#include <algorithm>
#include <utility>
#include <vector>

#include "columnar/value_column.h"
#include "columnar/value_encoding.h"

namespace headrace::apps {

void DemoView::Add(const columnar::DataBatch& batch) {
  auto reader = columnar::ValueRowReader::Make(batch);
  if (!reader.ok()) return;
  std::vector<std::pair<std::string, std::int64_t>> rows;
  rows.reserve(static_cast<std::size_t>(batch.num_rows()));
  std::string bytes;
  for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
    bytes.clear();
    if (!reader->AppendRowEncoded(row, &bytes).ok()) continue;
    auto value = columnar::DecodeValue(bytes);
    if (value.ok() && value->items.size() == 2) rows.emplace_back(std::move(value->items[0].text), value->items[1].integer);
  }
  std::lock_guard lock(mutex_);
  results_ += static_cast<std::uint64_t>(batch.num_rows());
  for (auto& [word, count] : rows) counts_[std::move(word)] = count;
}

std::uint64_t DemoView::results() const {
  std::lock_guard lock(mutex_);
  return results_;
}

std::string DemoView::Render(std::size_t rows) {
  std::vector<std::pair<std::string, std::int64_t>> top;
  std::uint64_t results = 0, before = 0;
  std::size_t words = 0;
  const auto now = std::chrono::steady_clock::now();
  double seconds = 0;
  {
    std::lock_guard lock(mutex_);
    top.assign(counts_.begin(), counts_.end());
    words = counts_.size();
    results = results_;
    before = std::exchange(results_before_, results_);
    seconds = std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }
  const std::size_t shown = std::min(rows, top.size());
  std::partial_sort(top.begin(), top.begin() + static_cast<std::ptrdiff_t>(shown), top.end(),
                    [](const auto& a, const auto& b) { return a.second != b.second ? a.second > b.second : a.first < b.first; });
  std::string out = fmt::format("{:>12} results   {:>10.0f} results/s   {} words\n", results,
                                seconds > 0 ? static_cast<double>(results - before) / seconds : 0, words);
  const std::int64_t largest = shown > 0 ? std::max<std::int64_t>(top[0].second, 1) : 1;
  for (std::size_t i = 0; i < shown; ++i) {
    const auto width = static_cast<std::size_t>(40 * top[i].second / largest);
    out += fmt::format("{:>12}  {:<16} {}\n", top[i].second, top[i].first, std::string(std::max<std::size_t>(width, 1), '#'));
  }
  return out;
}

}  // namespace headrace::apps
