#pragma once
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "data/operator/aggregate/value_kind.h"
#include "data/operator/aggregate_function.h"

namespace headrace::data::op {

/// The makers behind MakeAggregate(), by family.
std::unique_ptr<AggregateFunction> MakeCount(std::uint32_t at);
Result<std::unique_ptr<AggregateFunction>> MakeSum(const AggregateSettings& settings, std::uint32_t at);
Result<std::unique_ptr<AggregateFunction>> MakeExtreme(const AggregateSettings& settings, std::uint32_t at);
Result<std::unique_ptr<AggregateFunction>> MakeCounted(const AggregateSettings& settings,
                                                       std::uint32_t at);  // count_distinct; min and max with retractions
Result<std::unique_ptr<AggregateFunction>> MakeAtTime(const AggregateSettings& settings, std::uint32_t at);  // first, last
Result<std::unique_ptr<AggregateFunction>> MakeListed(const AggregateSettings& settings, std::uint32_t at);  // top, collect
Result<std::unique_ptr<AggregateFunction>> MakeNestedCollect(const AggregateSettings& settings,
                                                             std::uint32_t at);                              // collect of lists and structs
Result<std::unique_ptr<AggregateFunction>> MakeFolded(const AggregateSettings& settings, std::uint32_t at);  // fold

/// Fields and state of functions that keep values: where the words lie, the type, the heap.
template <typename Values>
class ValueAggregate : public AggregateFunction {
 public:
  ValueAggregate(std::uint32_t at, std::shared_ptr<arrow::DataType> type) : at_(at), type_(std::move(type)) {}
  std::int64_t allocated_bytes() const override { return heap_.allocated_bytes(); }

 protected:
  static bool Counts(const AggregateInput& input, std::int64_t row) { return input.valid == nullptr || input.valid[row] != 0; }
  /// Results that are one value a group: words_of(group) gives its words, null when there is none.
  template <typename WordsOf>
  Result<std::shared_ptr<arrow::Array>> Values1(const std::uint64_t* const* groups, std::int64_t count, WordsOf words_of) const {
    std::vector<std::uint64_t> words(static_cast<std::size_t>(count) * Values::kWords);
    std::vector<std::uint8_t> valid(static_cast<std::size_t>(count), 1);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint64_t* from = words_of(groups[i] + at_);
      if (from == nullptr) {
        valid[static_cast<std::size_t>(i)] = 0;
        continue;
      }
      for (std::uint32_t w = 0; w < Values::kWords; ++w) words[static_cast<std::size_t>(i) * Values::kWords + w] = from[w];
    }
    return ValueColumn(type_, words.data(), count, valid.data());
  }

  const std::uint32_t at_;
  const std::shared_ptr<arrow::DataType> type_;  // of the values
  mutable state::BlockHeap heap_;
};

}  // namespace headrace::data::op
