#pragma once
#include <arrow/type_fwd.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "data/connector/table_client.h"
#include "data/state/row_store.h"

namespace headrace::data::window {

/// What is known of the keys of an outside table: their rows, or that they have none. A key that somebody waits for or is about to read is
/// pinned and stays; of the others the ones used last are kept, up to a number of keys, and each for a time at most.
/// Owned by its operator, used on the task's thread only.
class LookupCache {
 public:
  struct Limits {
    std::size_t keys = 0;             ///< that stay without a pin
    std::int64_t ttl_ms = 0;          ///< behind the answer; 0 = for ever
    std::int64_t missing_ttl_ms = 0;  ///< the same of keys without rows; 0 = they are forgotten with their last pin
  };
  struct Entry {
    std::string key;
    std::uint32_t first_row = state::RowStore::kNone;  ///< rows().next() goes on
    std::uint32_t pins = 0;
    bool loaded = false, known = true;  ///< known: found by its key
    std::int64_t loaded_ms = 0;
    std::list<Entry>::iterator self;
  };

  /// `columns`: of the rows that are found.
  static Result<LookupCache> Make(const arrow::FieldVector& columns, const Limits& limits);
  /// The entry of a key. Made, not loaded, when there is none or it is too old: *made is set then, and it is to be asked for.
  Entry* Pin(std::string_view key, std::int64_t now_ms, bool* made);
  void Unpin(Entry* entry);
  /// Takes the answer for entries that were asked for together.
  Status Load(std::span<Entry* const> asked, const connector::TableClient::Found& found, std::int64_t now_ms);

  const state::RowStore& rows() const { return rows_; }
  std::size_t num_keys() const { return by_key_.size(); }
  std::int64_t allocated_bytes() const;
  /// After entries were let go: frees the memory of their texts once that pays.
  Status Compact() { return rows_.Compact(); }

 private:
  LookupCache(state::RowStore rows, const Limits& limits) : limits_(limits), rows_(std::move(rows)) {}
  bool IsOver(const Entry& entry, std::int64_t now_ms) const;
  void Forget(std::list<Entry>::iterator entry);

  Limits limits_;
  state::RowStore rows_;
  std::list<Entry> pinned_, idle_;  // idle_: the one used last in front
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key_;
  std::int64_t key_bytes_ = 0;
  std::vector<std::uint32_t> indices_, numbers_;
};

}  // namespace headrace::data::window
