#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/state/element_states.h"

namespace headrace::data::state {

/// A map state whose entries are found by the bytes of their keys, in the order of these bytes: that of native functions.
/// Errors: Invalid for what changes entries by number. Otherwise as ElementStates.
class KeyedMaps final : public ElementStates {
 public:
  explicit KeyedMaps(std::int64_t ttl_ms) : ttl_ms_(ttl_ms) {}

  /// No data: there is none, or it is over. Holds until the entry changes.
  std::string_view Get(EntryId entry, std::string_view key, std::int64_t now_ms) const;
  /// As Add(), which replaces what there is.
  void Put(EntryId entry, std::string_view key, std::string_view value, std::int64_t now_ms);
  void Erase(EntryId entry, std::string_view key);
  void Touch(EntryId entry, std::string_view key, std::int64_t now_ms);
  /// The first entry behind `after` (null: of all) that is not over. False: there is none.
  bool Next(EntryId entry, const std::string_view* after, std::int64_t now_ms, std::string_view* key, std::string_view* value) const;

  bool Has(EntryId entry) const override { return entry < maps_.size() && maps_[entry] != nullptr && !maps_[entry]->empty(); }
  std::int64_t count(EntryId entry) const override { return Has(entry) ? static_cast<std::int64_t>(maps_[entry]->size()) : 0; }
  std::int64_t size_bytes(EntryId entry) const override;
  std::int64_t allocated_bytes() const override { return bytes_ + static_cast<std::int64_t>(maps_.capacity() * sizeof(maps_[0])); }
  void Clear(EntryId entry) override;
  Status Add(EntryId entry, std::string_view key, std::string_view value, std::int64_t now_ms) override;
  Status Set(EntryId, std::int64_t, std::string_view, std::int64_t) override { return Status::Invalid("its entries have no numbers"); }
  Status Remove(EntryId, std::int64_t) override { return Status::Invalid("its entries have no numbers"); }
  Status Refresh(EntryId, std::int64_t, std::int64_t) override { return Status::Invalid("its entries have no numbers"); }
  void RefreshAll(EntryId entry, std::int64_t now_ms) override;
  bool sparse(EntryId) const override { return false; }
  void Tidy(EntryId entry, std::int64_t now_ms) override;
  void DropSome(EntryId entry, std::int64_t now_ms, std::int64_t most) override;
  void AppendTo(EntryId entry, std::string* out) const override;
  void Move(const std::vector<EntryId>& moved, std::size_t entries) override;

 private:
  struct Value {
    std::string bytes;
    std::int64_t stamp_ms = 0;
  };
  using Map = std::map<std::string, Value, std::less<>>;
  static constexpr std::int64_t kNode = 128;  // of an entry beside its bytes, about
  static std::int64_t Cost(std::string_view key, std::string_view value) {
    return kNode + static_cast<std::int64_t>(key.size() + value.size());
  }
  bool IsOver(const Value& value, std::int64_t now_ms) const { return ttl_ms_ > 0 && now_ms - value.stamp_ms >= ttl_ms_; }

  std::int64_t ttl_ms_, bytes_ = 0;
  std::vector<std::unique_ptr<Map>> maps_;  // by entry
};

}  // namespace headrace::data::state
