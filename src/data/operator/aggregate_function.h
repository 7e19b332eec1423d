#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/status.h"

namespace headrace::data::op {

/// One argument of an aggregate over the rows of a batch. Borrowed.
struct AggregateInput {
  const void* values = nullptr;         ///< of the argument's type; null for count(*)
  const std::uint8_t* valid = nullptr;  ///< a byte a row, 0 or 1: null values and rows that a filter leaves out; null = all count
};

/// An incremental aggregate whose state is a few words inside the row of its group; all zero is the state of no rows. Calls
/// take whole batches: one virtual call a batch, none a row. Stateless itself: one object serves all groups and threads.
/// `groups[i]` points at the value words of row i's group; the function's own words lie at word_offset.
class AggregateFunction {
 public:
  virtual ~AggregateFunction() = default;
  virtual std::uint32_t state_words() const = 0;
  virtual std::shared_ptr<arrow::DataType> result_type() const = 0;
  /// Adds row i to groups[i]. Rows of one group may repeat within the call.
  virtual Status Add(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const = 0;
  /// into[i] += from[i]; all of `into` are different.
  virtual Status Merge(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const = 0;
  /// into[i] -= from[i], where from was merged before. NotImplemented unless invertible().
  virtual Status Subtract(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const;
  virtual bool invertible() const { return false; }
  /// The results of groups as a column of result_type(); null for groups without a row that counts, except for counts.
  virtual Result<std::shared_ptr<arrow::Array>> Results(const std::uint64_t* const* groups, std::int64_t count) const = 0;
};

/// count, sum, min, max, avg of int64 or float64 (timestamps are int64). Sums of int64 that overflow fail with
/// kArithmeticOverflow; sums of floats add in the order of arrival. avg of int64 is a float64.
/// Invalid for another name or type; `type` is null for count.
Result<std::unique_ptr<AggregateFunction>> MakeNumericAggregate(const std::string& name, const std::shared_ptr<arrow::DataType>& type,
                                                                std::uint32_t word_offset);

}  // namespace headrace::data::op
