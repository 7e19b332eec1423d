#pragma once
#include <array>
#include <bit>
#include <cstdint>

namespace headrace::bench {

/// Counts of latencies in ns, exact to 1 in 128: a bucket for each power of two and the seven bits behind its highest. A value.
class LatencyHistogram {
 public:
  void Add(std::int64_t ns, std::int64_t times) {
    counts_[IndexOf(ns < 0 ? 0 : static_cast<std::uint64_t>(ns))] += times;
    total_ += times;
  }
  std::int64_t total() const { return total_; }
  /// The latency in ns that a share of all did not exceed.
  double Percentile(double share) const {
    const auto wanted = static_cast<std::int64_t>(share * static_cast<double>(total_));
    std::int64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted || (seen == total_ && seen > 0)) return static_cast<double>(LeastOf(i + 1));
    }
    return 0;
  }

 private:
  static constexpr unsigned kBits = 7;
  static std::size_t IndexOf(std::uint64_t ns) {
    const auto high = static_cast<unsigned>(std::bit_width(ns));
    if (high <= kBits) return ns;
    const unsigned shift = high - kBits - 1;
    return (static_cast<std::size_t>(shift) << kBits) + (ns >> shift);
  }
  static std::uint64_t LeastOf(std::size_t index) {
    if (index < (std::size_t{2} << kBits)) return index;
    const std::size_t shift = (index >> kBits) - 1;
    return ((index & ((std::size_t{1} << kBits) - 1)) | (std::size_t{1} << kBits)) << shift;
  }
  std::array<std::int64_t, 64 << kBits> counts_{};
  std::int64_t total_ = 0;
};

}  // namespace headrace::bench
