#pragma once
#include <algorithm>
#include <cstdint>

namespace headrace::data::python {

/// How many rows one trip to a worker may carry, so that a trip takes about kTripTime in user code however slow the functions
/// are: a call over the network per row must not look like a hang, and a barrier waits for the outstanding trips. Starts
/// small, since nothing is known of the functions yet. Owned by one operator; its task's thread.
class TripSize {
 public:
  static constexpr std::int64_t kTripNanoseconds = 200'000'000;
  explicit TripSize(std::int64_t most_rows, std::int64_t trip_nanoseconds = kTripNanoseconds)
      : most_(most_rows), rows_(std::min(kFirst, most_rows)), nanoseconds_(trip_nanoseconds) {}
  /// Of functions that wait for so many calls at a time: fewer rows would not be faster.
  static TripSize AtLeast(std::int64_t least_rows, std::int64_t most_rows) {
    TripSize size(most_rows);
    size.least_ = std::clamp<std::int64_t>(least_rows, 1, most_rows);
    size.rows_ = std::max(size.rows_, size.least_);
    return size;
  }
  std::int64_t rows() const { return rows_; }
  /// A trip of `rows` rows spent so long in user code.
  void Took(std::int64_t rows, std::uint64_t nanoseconds) {
    if (rows <= 0) return;
    const std::int64_t row_ns = std::max<std::int64_t>(1, static_cast<std::int64_t>(nanoseconds) / rows);
    rows_ = std::clamp<std::int64_t>(std::min(nanoseconds_ / row_ns, rows_ * kGrowth), least_, most_);
  }

 private:
  static constexpr std::int64_t kFirst = 8, kGrowth = 8;
  std::int64_t least_ = 1, most_, rows_, nanoseconds_;
};

}  // namespace headrace::data::python
