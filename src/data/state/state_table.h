#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "columnar/key_group.h"

namespace headrace::data::state {

/// The encoded keys of the rows of one batch, as an Arrow large-binary column holds them. Borrowed.
struct KeyRows {
  std::span<const std::int64_t> offsets;  ///< rows + 1 positions into `data`
  const std::uint8_t* data = nullptr;
  const std::uint64_t* hashes = nullptr;  ///< columnar::HashKey of every row, when somebody has them already
  std::int64_t rows() const { return offsets.empty() ? 0 : static_cast<std::int64_t>(offsets.size()) - 1; }
  std::string_view key(std::int64_t row) const {
    return {reinterpret_cast<const char*>(data) + offsets[row], static_cast<std::size_t>(offsets[row + 1] - offsets[row])};
  }
};

/// Names one key of a table while the table lives; dense from 0 in the order of first appearance.
using EntryId = std::uint32_t;

/// The distinct keys of a batch: groups[i] is the index into `entries` of row i.
struct KeyGrouping {
  std::vector<std::int64_t> groups;
  std::vector<EntryId> entries;
};

/// State of one operator subtask, one value a key. Works on whole batches, so that a tier on disk can answer a batch with one
/// sorted read. Owned by its operator, used on the task's thread only.
/// Values are opaque bytes; a key without a value reads as the empty view (no encoded value is empty).
class StateTable {
 public:
  virtual ~StateTable() = default;
  /// Finds or makes the entries of all rows. Invalid when a key belongs to a key group outside the table's range (the row
  /// was sent to the wrong subtask).
  virtual Status Resolve(const KeyRows& keys, KeyGrouping* grouping) = 0;
  /// Values of entries; the views hold until the next Write() or Clear().
  virtual Status Read(std::span<const EntryId> entries, std::vector<std::string_view>* values) const = 0;
  /// Replaces values. `entries` are distinct. An empty value removes the value, not the entry.
  virtual Status Write(std::span<const EntryId> entries, std::span<const std::string_view> values) = 0;
  /// All keys of a key group that have a value, in no order: for snapshots and inspection.
  virtual Status ForEach(std::uint32_t key_group,
                         const std::function<Status(std::string_view key, std::string_view value)>& visit) const = 0;
  virtual std::int64_t num_entries() const = 0;
  /// Memory that the table holds, index and free space included.
  virtual std::int64_t allocated_bytes() const = 0;
  virtual void Clear() = 0;
};

}  // namespace headrace::data::state
