#pragma once
#include <cstdint>
#include <numeric>

namespace headrace::data::window {

/// Windows [start, start + size) with starts at offset + k * slide. Times in ms UTC.
/// A slice is the longest span that no window cuts: a row belongs to one slice, whatever the overlap.
struct WindowSpec {
  std::int64_t size_ms = 0;
  std::int64_t slide_ms = 0;  ///< = size_ms for tumbling windows; at most size_ms
  std::int64_t offset_ms = 0;

  std::int64_t slice_ms() const { return std::gcd(size_ms, slide_ms); }
  std::int64_t slices_per_window() const { return size_ms / slice_ms(); }
  /// Greatest start of a slice that is at most `time_ms`; floors below zero too.
  std::int64_t SliceStart(std::int64_t time_ms) const { return Floor(time_ms, slice_ms()); }
  /// End of the last window that holds the slice.
  std::int64_t LastWindowEnd(std::int64_t slice_start) const { return Floor(slice_start, slide_ms) + size_ms; }
  /// End of the first window that holds the slice.
  std::int64_t FirstWindowEnd(std::int64_t slice_start) const {
    const std::int64_t slice_end = slice_start + slice_ms();
    const std::int64_t back = Floor(slice_end - size_ms, slide_ms);
    return (back == slice_end - size_ms ? back : back + slide_ms) + size_ms;
  }

 private:
  std::int64_t Floor(std::int64_t time_ms, std::int64_t step_ms) const {
    const std::int64_t from = time_ms - offset_ms, rest = from % step_ms;
    return time_ms - (rest < 0 ? rest + step_ms : rest);
  }
};

}  // namespace headrace::data::window
