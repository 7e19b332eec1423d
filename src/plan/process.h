#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace headrace::plan {

/// A state that a process function keeps for each key.
struct StateDeclaration {
  enum class Kind { kValue = 1, kList = 2, kMap = 3, kReducing = 4, kAggregating = 5 };
  std::string name;
  Kind kind = Kind::kValue;
  std::uint64_t ttl_ms = 0;      ///< processing time behind the last write; 0 = it stays
  bool refresh_on_read = false;  ///< or behind the last read
};

/// A Python function called for each row and timer of a key, with the key's states; of one stream or two.
struct ProcessSpec {
  std::string pickled, display_name;
  std::vector<std::string> keys;         ///< columns of typed rows; none: by the key column
  bool two_inputs = false;               ///< rows of two streams meet by key
  std::vector<std::string> second_keys;  ///< of the second input, as `keys`
  bool broadcast = false;                ///< two inputs without keys: every subtask has all rows of the second, and the states they made
  std::vector<StateDeclaration> states;
  std::shared_ptr<arrow::Schema> returns;  ///< typed rows that it gives; null = untyped
};

}  // namespace headrace::plan
