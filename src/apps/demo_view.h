#pragma once
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

#include "columnar/data_batch.h"

namespace headrace::apps {

/// The live table of the demo: the most frequent words with their running counts, and the rate of results.
/// Add() is called by task threads, Render() by the main thread.
class DemoView {
 public:
  /// Takes rows (word, count). The last count of a word is its newest: rows of one key come in order.
  void Add(const columnar::DataBatch& batch);
  /// The table as text, `rows` words long. Rates are over the time since the last call.
  std::string Render(std::size_t rows);
  std::uint64_t results() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::int64_t> counts_;
  std::uint64_t results_ = 0, results_before_ = 0;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace headrace::apps
