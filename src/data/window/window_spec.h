#pragma once
#include <cstdint>
#include <numeric>

#include "base/status.h"
#include "plan/relational.h"

namespace headrace::data::window {

/// Windows [start, start + size) with starts at offset + k * slide; or, cumulating, windows that begin at offset + k * size and end at
/// every step until the next begins. Times in ms UTC, within kLatestMs of 1970.
/// A slice is the longest span that no window cuts: a row belongs to one slice, whatever the overlap.
struct WindowSpec {
  /// Times beyond it, either way, are no event times: sums of times and sizes stay within int64.
  static constexpr std::int64_t kLatestMs = std::int64_t{1} << 60;

  std::int64_t size_ms = 0;
  std::int64_t slide_ms = 0;  ///< = size_ms for tumbling windows; at most size_ms; the step of cumulating windows, which divides the size
  std::int64_t offset_ms = 0;
  bool cumulate = false;

  /// kExpressionFailed where the times of rows reach beyond it.
  static Status CheckTimes(std::int64_t least_ms, std::int64_t greatest_ms) {
    if (least_ms >= -kLatestMs && greatest_ms <= kLatestMs) [[likely]]
      return Status::OK();
    return Error(ErrorCode::kExpressionFailed, "a row's event time is more than 36 million years from 1970",
                 "Event times are ms since 1970.");
  }

  /// Of tumbling, sliding and cumulating windows.
  static WindowSpec Of(const plan::Window& window) {
    const bool tumbling = window.kind == plan::Window::Kind::kTumbling;
    return {static_cast<std::int64_t>(window.size_ms), static_cast<std::int64_t>(tumbling ? window.size_ms : window.slide_ms),
            window.offset_ms, window.kind == plan::Window::Kind::kCumulate};
  }
  /// Windows as long as the slide (the step) that have the ends of these, one each: what windows that share no slices are kept by. A row
  /// stands in each of its windows at the time end - 1; StartOf() an end is that of these here.
  WindowSpec Ends() const { return {slide_ms, slide_ms, cumulate ? offset_ms : offset_ms + size_ms, false}; }
  std::int64_t slice_ms() const { return std::gcd(size_ms, slide_ms); }
  /// Of the longest window.
  std::int64_t slices_per_window() const { return size_ms / slice_ms(); }
  /// Greatest start of a slice that is at most `time_ms`; floors below zero too.
  std::int64_t SliceStart(std::int64_t time_ms) const { return Floor(time_ms, slice_ms()); }
  /// Start of the window that ends at `end_ms`.
  std::int64_t StartOf(std::int64_t end_ms) const { return cumulate ? Floor(end_ms - 1, size_ms) : end_ms - size_ms; }
  /// End of the last window that holds the slice.
  std::int64_t LastWindowEnd(std::int64_t slice_start) const { return Floor(slice_start, cumulate ? size_ms : slide_ms) + size_ms; }
  /// End of the first window that holds the slice.
  std::int64_t FirstWindowEnd(std::int64_t slice_start) const { return EndAfter(slice_start + slice_ms() - 1); }
  /// The first end of a window, of any, behind `time_ms`.
  std::int64_t EndAfter(std::int64_t time_ms) const {
    return cumulate ? Floor(time_ms, slide_ms) + slide_ms : Floor(time_ms - size_ms, slide_ms) + size_ms + slide_ms;
  }

 private:
  std::int64_t Floor(std::int64_t time_ms, std::int64_t step_ms) const {
    const std::int64_t from = time_ms - offset_ms % step_ms, rest = from % step_ms;
    return time_ms - (rest < 0 ? rest + step_ms : rest);
  }
};

}  // namespace headrace::data::window
