#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"

namespace headrace::data::op {

/// An aggregate function whose rows are folded elsewhere: its states hold accumulators as bytes, and rows that no accumulator has taken in
/// yet. Whoever folds takes such states out by Take() and answers with one accumulator for each by Put(), in the order of the takes; in
/// between no rows are added, merged or released.
/// Implemented by the function, used by the operator that owns it, on the task's thread.
class PendingFolds {
 public:
  /// Two columns as long as each other: lists of accumulators, oldest first, and lists of the rows behind them.
  struct Trip {
    std::shared_ptr<arrow::Array> accumulators, values;
  };
  virtual ~PendingFolds() = default;
  virtual bool has_pending() const = 0;
  /// States of about `most_bytes`, at least one if there is one.
  virtual Result<Trip> Take(std::int64_t most_bytes) = 0;
  /// `accumulators`: binary, one for each state of the oldest trip. Invalid when they do not fit.
  virtual Status Put(const arrow::Array& accumulators) = 0;
};

/// The functions of an operator that are folded elsewhere, in the order of its calls. Borrows them: they live as long as the operator.
struct FoldBook {
  std::vector<PendingFolds*> functions;
};

}  // namespace headrace::data::op
