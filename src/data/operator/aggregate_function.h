#pragma once
#include <arrow/type_fwd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"

namespace headrace::data::op {

/// One argument of an aggregate over the rows of a batch. Borrowed.
struct AggregateInput {
  /// The argument's values, widened: 8 bytes a row, int64 for signed ints and times, uint64 for unsigned ones and bools, double for
  /// floats; 16 bytes for decimals. Null for count(*) and for texts.
  const void* values = nullptr;
  const std::uint8_t* valid = nullptr;        ///< a byte a row, 0 or 1: null values and rows that a filter leaves out; null = all count
  const arrow::ArrayData* column = nullptr;   ///< the argument as it is, row 0 at `first`; null for count(*)
  const std::int64_t* event_times = nullptr;  ///< ms a row; null when rows have none
  std::int64_t first = 0;
  std::int64_t value_bytes = 8;

  /// The same without its first `rows` rows.
  AggregateInput From(std::int64_t rows) const {
    AggregateInput rest = *this;
    if (values != nullptr) rest.values = static_cast<const std::byte*>(values) + rows * value_bytes;
    if (valid != nullptr) rest.valid += rows;
    if (event_times != nullptr) rest.event_times += rows;
    rest.first += rows;
    return rest;
  }
};

/// An incremental aggregate whose state is a few words inside the row of its group; all zero is the state of no rows. Calls
/// take whole batches: one virtual call a batch, none a row. `groups[i]` points at the value words of row i's group; the
/// function's own words lie at word_offset. State of variable size (texts, sets, lists) stands in a heap of the function, the
/// words point at it: a group that goes must be given to Release() first, and words may be moved but not copied.
/// Owned by its operator with the tables it serves, used on the task's thread only.
class AggregateFunction {
 public:
  virtual ~AggregateFunction() = default;
  virtual std::uint32_t state_words() const = 0;
  virtual std::shared_ptr<arrow::DataType> result_type() const = 0;
  /// Adds row i to groups[i]. Rows of one group may repeat within the call.
  virtual Status Add(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const = 0;
  /// Takes rows back, each with the value it was added with; they may come before they are added. NotImplemented unless retractable().
  virtual Status Retract(const AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const;
  virtual bool retractable() const { return false; }
  /// into[i] += from[i]; all of `into` are different, and from[i] stays as it is.
  virtual Status Merge(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const = 0;
  /// into[i] -= from[i], where from was merged before. NotImplemented unless invertible().
  virtual Status Subtract(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const;
  virtual bool invertible() const { return false; }
  /// A state holds all that was merged into it: keeping merged states of many slices costs more than merging them anew.
  virtual bool grows_when_merged() const { return false; }
  /// The results of groups as a column of result_type(); null for groups without a row that counts, except for counts and lists.
  virtual Result<std::shared_ptr<arrow::Array>> Results(const std::uint64_t* const* groups, std::int64_t count) const = 0;
  /// Frees what stands outside the groups' words and zeroes them. Without effect unless owns_memory().
  virtual void Release(std::uint64_t* const* groups, std::int64_t count) const {}
  virtual bool owns_memory() const { return false; }
  virtual std::int64_t allocated_bytes() const { return 0; }
};

struct FoldBook;

/// What an aggregate is made of.
struct AggregateSettings {
  std::string name;                       ///< count, sum, min, max, avg, count_distinct, first, last, top, collect, fold
  std::shared_ptr<arrow::DataType> type;  ///< of the argument, settled by plan::SettleAggregate; null for count(*)
  std::uint64_t limit = 0;                ///< top: values kept, 1 or more; collect: 0 = all
  /// Rows may be taken back: min and max keep all different values with their counts. Not with first, last, top.
  bool retractable = false;
  FoldBook* folds = nullptr;  ///< fold: where the function enters itself, or null
};

/// The function for `settings` with its state at word_offset. Sums of ints are int64, of decimals decimal128(38, scale); sums beyond
/// that fail with Invalid. Sums of floats add in the order of arrival. avg is a float64, of decimals one with 4 digits more, rounded
/// half away from zero. NaN is greater than every number; -0.0 and 0.0, and all NaN, are one value to count_distinct.
/// Invalid for another name or type; NotImplemented for what cannot be retractable.
Result<std::unique_ptr<AggregateFunction>> MakeAggregate(const AggregateSettings& settings, std::uint32_t word_offset);

/// count, sum, min, max, avg without retractions of min and max; MakeAggregate() for all.
Result<std::unique_ptr<AggregateFunction>> MakeNumericAggregate(const std::string& name, const std::shared_ptr<arrow::DataType>& type,
                                                                std::uint32_t word_offset);

}  // namespace headrace::data::op
