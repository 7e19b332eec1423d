#include "data/window/aggregate_states.h"

#include <algorithm>
#include <array>

namespace headrace::data::window {

std::uint32_t WordsOf(const Functions& functions) {
  std::uint32_t words = 0;
  for (const auto& function : functions) words += function->state_words();
  return words;
}

bool OwnMemory(const Functions& functions) {
  return std::any_of(functions.begin(), functions.end(), [](const auto& function) { return function->owns_memory(); });
}

std::int64_t BytesOf(const Functions& functions) {
  std::int64_t bytes = 0;
  for (const auto& function : functions) bytes += function->allocated_bytes();
  return bytes;
}

Status MergeAll(const Functions& functions, std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) {
  for (const auto& function : functions) HR_RETURN_NOT_OK(function->Merge(into, from, groups));
  return Status::OK();
}

Status SubtractAll(const Functions& functions, std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) {
  for (const auto& function : functions) HR_RETURN_NOT_OK(function->Subtract(into, from, groups));
  return Status::OK();
}

void ReleaseAll(const Functions& functions, std::uint64_t* const* groups, std::int64_t count) {
  for (const auto& function : functions)
    if (function->owns_memory()) function->Release(groups, count);
}

void ReleaseAll(const Functions& functions, state::GroupTable* groups) {
  if (!OwnMemory(functions)) return;
  std::array<std::uint64_t*, 1024> rows;
  for (std::int64_t first = 0; first < groups->num_rows(); first += 1024) {
    const std::int64_t count = std::min<std::int64_t>(1024, groups->num_rows() - first);
    for (std::int64_t i = 0; i < count; ++i) rows[static_cast<std::size_t>(i)] = groups->RowValues(first + i);
    ReleaseAll(functions, rows.data(), count);
  }
}

std::span<const op::AggregateInput> LeftOut::Without(std::span<const op::AggregateInput> inputs, const std::uint8_t* out,
                                                     std::int64_t rows) {
  inputs_.assign(inputs.begin(), inputs.end());
  valid_.resize(inputs.size());
  const auto count = static_cast<std::size_t>(rows);
  for (std::size_t f = 0; f < inputs.size(); ++f) {
    valid_[f].resize(count);
    for (std::size_t i = 0; i < count; ++i)
      valid_[f][i] = static_cast<std::uint8_t>(out[i] == 0 && (inputs[f].valid == nullptr || inputs[f].valid[i] != 0));
    inputs_[f].valid = valid_[f].data();
  }
  return inputs_;
}

}  // namespace headrace::data::window
