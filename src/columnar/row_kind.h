#pragma once
#include <cstdint>
#include <string_view>

namespace headrace::columnar {

/// What a row of an updating stream says: the uint8 values of the reserved column __row_kind. A batch without the column holds inserts.
/// A consumer that folds rows adds kInsert and kUpdateAfter and takes away kUpdateBefore and kDelete; docs/reference/updates.md.
enum class RowKind : std::uint8_t { kInsert = 0, kUpdateBefore = 1, kUpdateAfter = 2, kDelete = 3 };

/// True for kUpdateBefore and kDelete: the row no longer holds.
inline bool TakesBack(std::uint8_t kind) { return kind == 1 || kind == 3; }

/// "insert", "update_before", "update_after", "delete": as sinks and Python show it.
inline std::string_view NameOf(RowKind kind) {
  constexpr std::string_view kNames[] = {"insert", "update_before", "update_after", "delete"};
  const auto at = static_cast<std::uint8_t>(kind);
  return at < 4 ? kNames[at] : "unknown";
}

}  // namespace headrace::columnar
