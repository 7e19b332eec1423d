#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/operator/aggregate_function.h"
#include "data/state/group_table.h"

namespace headrace::data::window {

using Functions = std::vector<std::unique_ptr<op::AggregateFunction>>;

/// Words of a group's state: function after function from word 0.
std::uint32_t WordsOf(const Functions& functions);
bool OwnMemory(const Functions& functions);
/// What the functions hold beside the groups' words.
std::int64_t BytesOf(const Functions& functions);

/// into[i] += from[i] for all functions.
Status MergeAll(const Functions& functions, std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups);
Status SubtractAll(const Functions& functions, std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups);
void ReleaseAll(const Functions& functions, std::uint64_t* const* groups, std::int64_t count);
/// Releases all groups of a table; the table must be cleared or dropped after it.
void ReleaseAll(const Functions& functions, state::GroupTable* groups);

/// Inputs of a batch with some rows left out: `out[i]` != 0 leaves row i out of every function. Owned by who adds rows.
class LeftOut {
 public:
  /// The inputs to add instead; they hold until the next call.
  std::span<const op::AggregateInput> Without(std::span<const op::AggregateInput> inputs, const std::uint8_t* out, std::int64_t rows);

 private:
  std::vector<op::AggregateInput> inputs_;
  std::vector<std::vector<std::uint8_t>> valid_;
};

}  // namespace headrace::data::window
