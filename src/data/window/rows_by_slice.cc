#include "data/window/rows_by_slice.h"

#include <algorithm>
#include <utility>

namespace headrace::data::window {

std::span<const RowsBySlice::Run> RowsBySlice::Sort(const WindowSpec& spec, const std::int64_t* times, std::int64_t rows,
                                                    std::int64_t least_ms, std::int64_t greatest_ms) {
  order_.resize(static_cast<std::size_t>(rows));
  runs_.clear();
  const std::int64_t slices = (greatest_ms - least_ms) / spec.slice_ms() + 1;
  if (slices <= 4 * rows + 64) {
    Count(spec, times, rows, least_ms, slices);
  } else {
    Compare(spec, times, rows);
  }
  return runs_;
}

void RowsBySlice::Count(const WindowSpec& spec, const std::int64_t* times, std::int64_t rows, std::int64_t least_ms, std::int64_t slices) {
  const auto count = static_cast<std::size_t>(rows);
  const std::int64_t slice_ms = spec.slice_ms();
  slice_of_row_.resize(count);
  starts_.assign(static_cast<std::size_t>(slices) + 1, 0);
  std::int64_t start_ms = least_ms, slice = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (times[i] < start_ms || times[i] >= start_ms + slice_ms) {
      slice = (times[i] - least_ms) / slice_ms;
      start_ms = least_ms + slice * slice_ms;
    }
    slice_of_row_[i] = static_cast<std::uint32_t>(slice);
    ++starts_[static_cast<std::size_t>(slice) + 1];
  }
  for (std::size_t s = 0; s + 1 < starts_.size(); ++s) {
    const std::uint32_t size = starts_[s + 1];
    starts_[s + 1] += starts_[s];
    if (size > 0) runs_.push_back({least_ms + static_cast<std::int64_t>(s) * slice_ms, {order_.data() + starts_[s], size}});
  }
  next_.assign(starts_.begin(), starts_.end() - 1);
  for (std::size_t i = 0; i < count; ++i) order_[next_[slice_of_row_[i]]++] = static_cast<std::uint32_t>(i);
}

/// Few rows far apart.
void RowsBySlice::Compare(const WindowSpec& spec, const std::int64_t* times, std::int64_t rows) {
  std::vector<std::pair<std::int64_t, std::uint32_t>> by_slice(static_cast<std::size_t>(rows));
  for (std::uint32_t i = 0; i < by_slice.size(); ++i) by_slice[i] = {spec.SliceStart(times[i]), i};
  std::sort(by_slice.begin(), by_slice.end());
  for (std::size_t i = 0; i < by_slice.size(); ++i) {
    order_[i] = by_slice[i].second;
    if (i == 0 || by_slice[i].first != by_slice[i - 1].first) runs_.push_back({by_slice[i].first, {order_.data() + i, 0}});
    runs_.back().rows = {runs_.back().rows.data(), runs_.back().rows.size() + 1};
  }
}

std::span<const std::uint64_t* const> RowsBySlice::Gather(std::span<const std::uint64_t* const> keys, const Run& run) {
  const std::size_t rows = run.rows.size();
  words_.resize(rows * keys.size());
  columns_.resize(keys.size());
  for (std::size_t w = 0; w < keys.size(); ++w) {
    std::uint64_t* column = words_.data() + w * rows;
    for (std::size_t i = 0; i < rows; ++i) column[i] = keys[w][run.rows[i]];
    columns_[w] = column;
  }
  return columns_;
}

}  // namespace headrace::data::window
