#include "data/window/lookup_cache.h"

#include <arrow/record_batch.h>

#include <numeric>
#include <utility>

namespace headrace::data::window {

Result<LookupCache> LookupCache::Make(const arrow::FieldVector& columns, const Limits& limits) {
  HR_ASSIGN_OR_RAISE(auto rows, state::RowStore::Make(columns));
  return LookupCache(std::move(rows), limits);
}

bool LookupCache::IsOver(const Entry& entry, std::int64_t now_ms) const {
  if (!entry.loaded) return false;
  const bool missing = entry.first_row == state::RowStore::kNone;
  const std::int64_t ttl_ms = missing ? limits_.missing_ttl_ms : limits_.ttl_ms;
  return (ttl_ms > 0 || missing) && now_ms - entry.loaded_ms >= ttl_ms;
}

LookupCache::Entry* LookupCache::Pin(std::string_view key, std::int64_t now_ms, bool* made) {
  *made = false;
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    const auto entry = found->second;
    if (!IsOver(*entry, now_ms)) {
      if (entry->pins++ == 0) pinned_.splice(pinned_.begin(), idle_, entry);
      return &*entry;
    }
    // Whoever reads it still does so; the next ones get a newer one.
    by_key_.erase(found);
    entry->known = false;
    if (entry->pins == 0) Forget(entry);
  }
  *made = true;
  Entry& entry = pinned_.emplace_front();
  entry.key = key;
  entry.pins = 1;
  entry.self = pinned_.begin();
  key_bytes_ += static_cast<std::int64_t>(key.size());
  by_key_.emplace(entry.key, entry.self);
  return &entry;
}

void LookupCache::Unpin(Entry* entry) {
  if (--entry->pins > 0) return;
  const auto self = entry->self;
  const bool missing = entry->first_row == state::RowStore::kNone;
  idle_.splice(idle_.begin(), pinned_, self);
  if (entry->known && (!entry->loaded || (missing && limits_.missing_ttl_ms == 0))) {
    by_key_.erase(entry->key);
    entry->known = false;
  }
  if (!entry->known) return Forget(self);
  while (idle_.size() > limits_.keys) {
    by_key_.erase(idle_.back().key);
    Forget(std::prev(idle_.end()));
  }
}

void LookupCache::Forget(std::list<Entry>::iterator entry) {
  for (std::uint32_t row = entry->first_row; row != state::RowStore::kNone;) rows_.Remove(std::exchange(row, rows_.next(row)));
  key_bytes_ -= static_cast<std::int64_t>(entry->key.size());
  idle_.erase(entry);
}

Status LookupCache::Load(std::span<Entry* const> asked, const connector::TableClient::Found& found, std::int64_t now_ms) {
  indices_.resize(static_cast<std::size_t>(found.rows->num_rows()));
  numbers_.resize(indices_.size());
  std::iota(indices_.begin(), indices_.end(), 0u);
  HR_RETURN_NOT_OK(rows_.Append(*found.rows, indices_, numbers_.data()));
  // Backwards: each row comes before those that are there already.
  for (std::size_t i = numbers_.size(); i-- > 0;) {
    Entry& entry = *asked[found.keys[i]];
    rows_.next(numbers_[i]) = std::exchange(entry.first_row, numbers_[i]);
  }
  for (Entry* entry : asked) {
    entry->loaded = true;
    entry->loaded_ms = now_ms;
  }
  return Status::OK();
}

std::int64_t LookupCache::allocated_bytes() const {
  constexpr std::int64_t kOfAnEntry = sizeof(Entry) + 2 * sizeof(void*) + 48;  // with its places in list and map
  return rows_.allocated_bytes() + key_bytes_ + kOfAnEntry * static_cast<std::int64_t>(pinned_.size() + idle_.size());
}

}  // namespace headrace::data::window
