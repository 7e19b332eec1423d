#pragma once
#include <arrow/type_fwd.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/window/key_words.h"

namespace headrace::data::join {

/// Keys of both inputs of a join as words, so that equal ones are the same words: text has one table of numbers for both.
/// Owned by its operator, used on the task's thread only.
class JoinKeys {
 public:
  /// The key columns of both sides have the same types.
  static Result<JoinKeys> Make(const std::array<std::shared_ptr<arrow::Schema>, 2>& inputs,
                               const std::array<std::vector<std::string>, 2>& names);
  std::uint32_t words() const { return words_.words(); }
  /// Words of all rows of a batch of a side, by word; until the next call.
  Result<std::vector<const std::uint64_t*>> Encode(std::size_t side, const arrow::RecordBatch& batch);
  /// Of the batch that was encoded last: not 0 for rows with a null key, which match nothing; null when there are none.
  const std::uint64_t* nulls() const { return nulls_; }

  bool wants_sweep() const { return words_.wants_sweep(); }
  void Mark(const std::uint64_t* key) { words_.Mark(key); }
  void Sweep() { words_.Sweep(); }
  std::int64_t allocated_bytes() const { return words_.allocated_bytes(); }

 private:
  explicit JoinKeys(window::KeyWords words) : words_(std::move(words)) {}

  window::KeyWords words_;
  std::shared_ptr<arrow::Schema> schema_;    // the key columns alone
  std::array<std::vector<int>, 2> columns_;  // of the inputs, in their order
  bool nullable_ = false;
  const std::uint64_t* nulls_ = nullptr;
};

}  // namespace headrace::data::join
