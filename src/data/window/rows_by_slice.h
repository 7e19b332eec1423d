#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/window/window_spec.h"

namespace headrace::data::window {

/// The rows of a batch by slice, so that each slice's table is asked once a batch. Keeps its memory over batches.
/// Owned by an operator, its thread only.
class RowsBySlice {
 public:
  /// The rows of one slice, in the order of the batch.
  struct Run {
    std::int64_t start_ms;
    std::span<const std::uint32_t> rows;
  };
  /// Runs in the order of slices, which hold until the next call. `least_ms`, `greatest_ms`: starts of the first and the last slice.
  std::span<const Run> Sort(const WindowSpec& spec, const std::int64_t* times, std::int64_t rows, std::int64_t least_ms,
                            std::int64_t greatest_ms);
  /// The key words of a run's rows, by column as `keys` are. They hold until the next call.
  std::span<const std::uint64_t* const> Gather(std::span<const std::uint64_t* const> keys, const Run& run);

 private:
  void Count(const WindowSpec& spec, const std::int64_t* times, std::int64_t rows, std::int64_t least_ms, std::int64_t slices);
  void Compare(const WindowSpec& spec, const std::int64_t* times, std::int64_t rows);

  std::vector<std::uint32_t> slice_of_row_, starts_, next_, order_;
  std::vector<Run> runs_;
  std::vector<std::uint64_t> words_;
  std::vector<const std::uint64_t*> columns_;
};

}  // namespace headrace::data::window
