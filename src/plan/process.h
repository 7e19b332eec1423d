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

/// Columns behind the rows that a trigger written in Python gives: the window's bounds in ms, and what the row says to the aggregate.
inline constexpr const char* kTriggerColumns[] = {"__trigger_start", "__trigger_end", "__trigger_action"};
/// Bits of the action: the row is added, then the group comes, then it begins anew, then the window is over. Late rows say that alone.
enum TriggerAction : std::int64_t { kAddRow = 1, kFireGroup = 2, kPurgeGroup = 4, kCloseGroup = 8, kLateRow = 16 };
/// The key of windows without keys, in front of a trigger; left out of what it gives.
inline constexpr char kOneKeyColumn[] = "window_key";

/// Whether a text can name a native library or a function in it.
bool IsNativeName(const std::string& name);

/// A Python function called for each row and timer of a key, with the key's states; of one stream or two. Or a native one of a shared
/// library, called with batches: of one stream of typed rows by key columns, with states of its own declaring.
struct ProcessSpec {
  std::string pickled, display_name;
  std::vector<std::string> keys;         ///< columns of typed rows; none: by the key column
  bool two_inputs = false;               ///< rows of two streams meet by key
  std::vector<std::string> second_keys;  ///< of the second input, as `keys`
  bool broadcast = false;                ///< two inputs without keys: every subtask has all rows of the second, and the states they made
  bool triggers = false;                 ///< a trigger of windows: gives its rows with kTriggerColumns behind them, to an aggregate
  std::vector<StateDeclaration> states;
  std::shared_ptr<arrow::Schema> returns;  ///< typed rows that it gives; null = untyped
  std::string library;                     ///< native: its name; empty = Python
  std::string native_options;              ///< native: what the function gets, JSON
  bool is_native() const { return !library.empty(); }
};

}  // namespace headrace::plan
