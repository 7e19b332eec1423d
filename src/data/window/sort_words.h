#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "plan/relational.h"

namespace headrace::data::window {

/// An order over columns as words: rows compare like their words do, unsigned, the first that differs deciding. Nulls come last in either
/// direction; NaN is greater than every number; -0.0 equals 0.0. Columns: ints, bool, float64, date, time, timestamp, duration.
/// Owned by an operator, its thread only.
class SortWords {
 public:
  /// Invalid for a column that cannot be one.
  static Result<SortWords> Make(const arrow::Schema& schema, const std::vector<plan::SortKey>& order);
  std::uint32_t words() const { return words_; }
  /// words() words a row, row by row; until the next call.
  Result<const std::uint64_t*> Encode(const arrow::RecordBatch& batch);
  /// Whether row a comes before row b.
  bool Before(const std::uint64_t* a, const std::uint64_t* b) const {
    for (std::uint32_t w = 0; w < words_; ++w)
      if (a[w] != b[w]) return a[w] < b[w];
    return false;
  }

 private:
  struct Column {
    int index;
    bool descending, nullable;
    std::uint32_t word;
  };
  std::vector<Column> columns_;
  std::uint32_t words_ = 0;
  std::vector<std::uint64_t> space_;
};

}  // namespace headrace::data::window
