#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "data/window/aggregate_states.h"

namespace headrace::data::window {

/// States of groups by number, made and given back one by one; pointers to them hold until they are given back.
/// Borrows the functions. Owned by an operator, its thread only.
class StatePool {
 public:
  explicit StatePool(const Functions& functions) : functions_(functions), words_(std::max(WordsOf(functions), 1u)) {}

  /// A state of no rows.
  std::uint32_t Make() {
    if (!free_.empty()) {
      const std::uint32_t number = free_.back();
      free_.pop_back();
      return number;
    }
    if (made_ % kPage == 0) pages_.push_back(std::make_unique<std::uint64_t[]>(std::size_t{kPage} * words_));
    return made_++;
  }
  void GiveBack(std::uint32_t number) {
    std::uint64_t* state = At(number);
    ReleaseAll(functions_, &state, 1);
    std::fill_n(state, words_, 0);
    free_.push_back(number);
  }
  std::uint64_t* At(std::uint32_t number) const { return pages_[number / kPage].get() + std::size_t{number % kPage} * words_; }
  std::int64_t allocated_bytes() const { return static_cast<std::int64_t>(pages_.size() * kPage * words_ * 8 + free_.capacity() * 4); }

 private:
  static constexpr std::uint32_t kPage = 1024;
  const Functions& functions_;
  const std::uint32_t words_;
  std::uint32_t made_ = 0;
  std::vector<std::unique_ptr<std::uint64_t[]>> pages_;
  std::vector<std::uint32_t> free_;
};

}  // namespace headrace::data::window
