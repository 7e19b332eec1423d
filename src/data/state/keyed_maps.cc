#include "data/state/keyed_maps.h"

#include <algorithm>
#include <utility>

#include "columnar/value_encoding.h"

namespace headrace::data::state {

std::string_view KeyedMaps::Get(EntryId entry, std::string_view key, std::int64_t now_ms) const {
  if (!Has(entry)) return {};
  const auto found = maps_[entry]->find(key);
  return found == maps_[entry]->end() || IsOver(found->second, now_ms) ? std::string_view() : std::string_view(found->second.bytes);
}

void KeyedMaps::Put(EntryId entry, std::string_view key, std::string_view value, std::int64_t now_ms) {
  if (entry >= maps_.size()) maps_.resize(std::max<std::size_t>(entry + 1, maps_.size() + maps_.size() / 2));
  if (maps_[entry] == nullptr) maps_[entry] = std::make_unique<Map>();
  const auto found = maps_[entry]->find(key);
  if (found == maps_[entry]->end()) {
    maps_[entry]->emplace(std::string(key), Value{std::string(value), now_ms});
    bytes_ += Cost(key, value);
    return;
  }
  bytes_ += static_cast<std::int64_t>(value.size()) - static_cast<std::int64_t>(found->second.bytes.size());
  found->second.bytes.assign(value);
  found->second.stamp_ms = now_ms;
}

void KeyedMaps::Erase(EntryId entry, std::string_view key) {
  if (!Has(entry)) return;
  const auto found = maps_[entry]->find(key);
  if (found == maps_[entry]->end()) return;
  bytes_ -= Cost(key, found->second.bytes);
  maps_[entry]->erase(found);
}

void KeyedMaps::Touch(EntryId entry, std::string_view key, std::int64_t now_ms) {
  if (!Has(entry)) return;
  if (const auto found = maps_[entry]->find(key); found != maps_[entry]->end()) found->second.stamp_ms = now_ms;
}

bool KeyedMaps::Next(EntryId entry, const std::string_view* after, std::int64_t now_ms, std::string_view* key,
                     std::string_view* value) const {
  if (!Has(entry)) return false;
  auto at = after == nullptr ? maps_[entry]->begin() : maps_[entry]->upper_bound(*after);
  while (at != maps_[entry]->end() && IsOver(at->second, now_ms)) ++at;
  if (at == maps_[entry]->end()) return false;
  *key = at->first;
  *value = at->second.bytes;
  return true;
}

std::int64_t KeyedMaps::size_bytes(EntryId entry) const {
  std::int64_t bytes = 0;
  if (Has(entry)) {
    for (const auto& [key, value] : *maps_[entry]) bytes += 16 + static_cast<std::int64_t>(key.size() + value.bytes.size());
  }
  return bytes;
}

void KeyedMaps::Clear(EntryId entry) {
  if (entry >= maps_.size() || maps_[entry] == nullptr) return;
  for (const auto& [key, value] : *maps_[entry]) bytes_ -= Cost(key, value.bytes);
  maps_[entry].reset();
}

Status KeyedMaps::Add(EntryId entry, std::string_view key, std::string_view value, std::int64_t now_ms) {
  Put(entry, key, value, now_ms);
  return Status::OK();
}

void KeyedMaps::RefreshAll(EntryId entry, std::int64_t now_ms) {
  Tidy(entry, now_ms);
  if (!Has(entry)) return;
  for (auto& [key, value] : *maps_[entry]) value.stamp_ms = now_ms;
}

void KeyedMaps::Tidy(EntryId entry, std::int64_t now_ms) { DropSome(entry, now_ms, count(entry)); }

void KeyedMaps::DropSome(EntryId entry, std::int64_t now_ms, std::int64_t most) {
  if (ttl_ms_ == 0 || !Has(entry)) return;
  Map& map = *maps_[entry];
  for (auto at = map.begin(); at != map.end() && most > 0; --most) {
    if (!IsOver(at->second, now_ms)) {
      ++at;
      continue;
    }
    bytes_ -= Cost(at->first, at->second.bytes);
    at = map.erase(at);
  }
}

void KeyedMaps::AppendTo(EntryId entry, std::string* out) const {
  if (!Has(entry)) return;
  const std::uint64_t entries = maps_[entry]->size();
  if (ttl_ms_ > 0) {
    out->append(reinterpret_cast<const char*>(&entries), sizeof(entries));
    for (const auto& [key, value] : *maps_[entry]) out->append(reinterpret_cast<const char*>(&value.stamp_ms), sizeof(value.stamp_ms));
  }
  columnar::ValueWriter writer(out);
  writer.DictHeader(entries);
  for (const auto& [key, value] : *maps_[entry]) {
    writer.Bytes(key);
    writer.Bytes(value.bytes);
  }
}

void KeyedMaps::Move(const std::vector<EntryId>& moved, std::size_t entries) {
  std::vector<std::unique_ptr<Map>> maps(entries);
  for (std::size_t old = 0; old < std::min(moved.size(), maps_.size()); ++old) {
    if (moved[old] != 0xFFFFFFFF) maps[moved[old]] = std::move(maps_[old]);
  }
  maps_ = std::move(maps);
}

}  // namespace headrace::data::state
