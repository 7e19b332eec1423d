#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/state/state_table.h"

namespace headrace::data::state {

/// One declared list or map state of the keys of an operator subtask, element by element: what one change costs does not depend on how
/// many elements a key has. Elements of a key have numbers, in the order in which they were added; values and keys of maps are
/// value-encoded. With a time to live each element has the time of its last write, and elements that are over go when somebody looks. Owned
/// by KeyedStates, used on the task's thread only. Errors: Invalid for numbers that no element has.
class ElementStates {
 public:
  virtual ~ElementStates() = default;
  virtual bool Has(EntryId entry) const = 0;
  virtual std::int64_t count(EntryId entry) const = 0;
  /// What AppendTo() would append, about.
  virtual std::int64_t size_bytes(EntryId entry) const = 0;
  virtual std::int64_t allocated_bytes() const = 0;

  virtual void Clear(EntryId entry) = 0;
  /// `key`: of maps. TooLarge above 4 GiB.
  virtual Status Add(EntryId entry, std::string_view key, std::string_view value, std::int64_t now_ms) = 0;
  virtual Status Set(EntryId entry, std::int64_t number, std::string_view value, std::int64_t now_ms) = 0;
  virtual Status Remove(EntryId entry, std::int64_t number) = 0;
  /// As if an element, or all that are not over, had been written now.
  virtual Status Refresh(EntryId entry, std::int64_t number, std::int64_t now_ms) = 0;
  virtual void RefreshAll(EntryId entry, std::int64_t now_ms) = 0;

  /// Whether Tidy() would give much memory back.
  virtual bool sparse(EntryId entry) const = 0;
  /// Forgets what is over and numbers the rest anew, from 0.
  virtual void Tidy(EntryId entry, std::int64_t now_ms) = 0;
  /// Forgets some of what is over, without new numbers: looks at `most` elements, at others the next time.
  virtual void DropSome(EntryId entry, std::int64_t now_ms, std::int64_t most) = 0;
  /// All elements as one list or dict (docs/formats/value.md), with a time to live behind their number and times: u64, int64 ms each.
  virtual void AppendTo(EntryId entry, std::string* out) const = 0;
  /// Of lists: the elements as they were added, behind each other. Holds until the list changes.
  virtual std::string_view Packed(EntryId entry) const { return {}; }
  /// Keys have other entries now, moved[old]; KeyedStates::kNoEntry: none.
  virtual void Move(const std::vector<EntryId>& moved, std::size_t entries) = 0;
};

/// ttl_ms: 0 = elements stay.
std::unique_ptr<ElementStates> MakeListStates(std::int64_t ttl_ms);
std::unique_ptr<ElementStates> MakeMapStates(std::int64_t ttl_ms);

}  // namespace headrace::data::state
