#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "columnar/value_encoding.h"
#include "data/state/element_states.h"
#include "data/state/value_arena.h"

namespace headrace::data::state {

namespace {

constexpr EntryId kGone = 0xFFFFFFFF;

/// Maps: each entry has a cell of its own, with its key and its value. Who changes entries knows them by number; so nothing is looked
/// up by key here, and what makes keys equal stays the business of the function's language.
class MapStates final : public ElementStates {
 public:
  explicit MapStates(std::int64_t ttl_ms) : ttl_ms_(ttl_ms) {}

  bool Has(EntryId entry) const override { return entry < maps_.size() && maps_[entry].live > 0; }
  std::int64_t count(EntryId entry) const override { return entry < maps_.size() ? maps_[entry].live : 0; }
  std::int64_t size_bytes(EntryId entry) const override {
    if (!Has(entry)) return 0;
    return maps_[entry].bytes + 10 + (ttl_ms_ == 0 ? 0 : 8 + 8 * maps_[entry].live);
  }
  std::int64_t allocated_bytes() const override {
    return arena_.allocated_bytes() + static_cast<std::int64_t>(maps_.capacity() * sizeof(Map)) + element_bytes_;
  }

  void Clear(EntryId entry) override {
    if (entry >= maps_.size()) return;
    for (Element& element : maps_[entry].elements) arena_.Free({element.data, element.capacity});
    element_bytes_ -= Held(maps_[entry]);
    maps_[entry] = {};
  }

  Status Add(EntryId entry, std::string_view key, std::string_view value, std::int64_t now_ms) override {
    if (entry >= maps_.size()) maps_.resize(std::max<std::size_t>(entry + 1, maps_.size() + maps_.size() / 2));
    Map& map = maps_[entry];
    Element element;
    HR_RETURN_NOT_OK(Place(&element, key.size(), value.size()));
    std::memcpy(element.data, key.data(), key.size());
    std::memcpy(element.data + key.size(), value.data(), value.size());
    element.stamp_ms = now_ms;
    element_bytes_ -= Held(map);
    map.elements.push_back(element);
    element_bytes_ += Held(map);
    ++map.live;
    map.bytes += element.size();
    return Status::OK();
  }

  Status Set(EntryId entry, std::int64_t number, std::string_view value, std::int64_t now_ms) override {
    HR_ASSIGN_OR_RAISE(Element * element, Find(entry, number));
    maps_[entry].bytes += static_cast<std::int64_t>(value.size()) - element->value_size;
    const std::uint64_t size = element->key_size + value.size();
    // A smaller value moves down too, so that the memory of a large one is given back.
    if (size > element->capacity || (element->capacity > 64 && size < element->capacity / 4)) {
      Element moved;
      HR_RETURN_NOT_OK(Place(&moved, element->key_size, value.size()));
      std::memcpy(moved.data, element->data, element->key_size);
      arena_.Free({element->data, element->capacity});
      *element = moved;
    }
    std::memcpy(element->data + element->key_size, value.data(), value.size());
    element->value_size = static_cast<std::uint32_t>(value.size());
    element->stamp_ms = now_ms;
    return Status::OK();
  }

  Status Remove(EntryId entry, std::int64_t number) override {
    HR_ASSIGN_OR_RAISE(Element * element, Find(entry, number));
    Drop(&maps_[entry], element);
    return Status::OK();
  }

  Status Refresh(EntryId entry, std::int64_t number, std::int64_t now_ms) override {
    HR_ASSIGN_OR_RAISE(Element * element, Find(entry, number));
    element->stamp_ms = now_ms;
    return Status::OK();
  }

  void RefreshAll(EntryId entry, std::int64_t now_ms) override {
    if (!Has(entry)) return;
    DropOver(entry, now_ms);
    for (Element& element : maps_[entry].elements) element.stamp_ms = now_ms;
  }

  bool sparse(EntryId entry) const override {
    return entry < maps_.size() && static_cast<std::int64_t>(maps_[entry].elements.size()) > 2 * maps_[entry].live + 64;
  }

  void Tidy(EntryId entry, std::int64_t now_ms) override {
    if (entry >= maps_.size()) return;
    DropOver(entry, now_ms);
    Map& map = maps_[entry];
    if (map.live == 0) return Clear(entry);
    element_bytes_ -= Held(map);
    const bool shrinks = sparse(entry);
    std::erase_if(map.elements, [](const Element& element) { return element.data == nullptr; });
    if (shrinks) map.elements.shrink_to_fit();
    element_bytes_ += Held(map);
  }

  void DropSome(EntryId entry, std::int64_t now_ms, std::int64_t most) override {
    if (ttl_ms_ == 0 || !Has(entry)) return;
    Map& map = maps_[entry];
    const auto size = static_cast<std::int64_t>(map.elements.size());
    for (std::int64_t i = 0; i < std::min(most, size); ++i) {
      map.swept = map.swept + 1 < size ? map.swept + 1 : 0;
      DropIfOver(&map, static_cast<std::size_t>(map.swept), now_ms);
    }
  }

  void AppendTo(EntryId entry, std::string* out) const override {
    if (!Has(entry)) return;
    const Map& map = maps_[entry];
    if (ttl_ms_ > 0) {
      out->append(reinterpret_cast<const char*>(&map.live), sizeof(map.live));
      for (const Element& element : map.elements) {
        if (element.data != nullptr) out->append(reinterpret_cast<const char*>(&element.stamp_ms), sizeof(element.stamp_ms));
      }
    }
    columnar::ValueWriter(out).DictHeader(static_cast<std::uint64_t>(map.live));
    for (const Element& element : map.elements) {
      if (element.data != nullptr) out->append(reinterpret_cast<const char*>(element.data), element.size());
    }
  }

  void Move(const std::vector<EntryId>& moved, std::size_t entries) override {
    std::vector<Map> maps(entries);
    for (std::size_t old = 0; old < std::min(moved.size(), maps_.size()); ++old) {
      if (moved[old] != kGone) maps[moved[old]] = std::move(maps_[old]);
    }
    maps_ = std::move(maps);
  }

 private:
  struct Element {
    std::uint8_t* data = nullptr;  // key, then value; null: taken away
    std::uint32_t key_size = 0, value_size = 0, capacity = 0;
    std::int64_t stamp_ms = 0;
    std::size_t size() const { return static_cast<std::size_t>(key_size) + value_size; }
  };
  struct Map {
    std::vector<Element> elements;  // by number
    std::int64_t live = 0, bytes = 0, swept = 0;
  };
  void DropOver(EntryId entry, std::int64_t now_ms) {
    if (ttl_ms_ == 0 || !Has(entry)) return;
    for (std::size_t i = 0; i < maps_[entry].elements.size(); ++i) DropIfOver(&maps_[entry], i, now_ms);
  }
  void DropIfOver(Map* map, std::size_t number, std::int64_t now_ms) {
    Element& element = map->elements[number];
    if (element.data != nullptr && now_ms - element.stamp_ms >= ttl_ms_) Drop(map, &element);
  }
  static std::int64_t Held(const Map& map) { return static_cast<std::int64_t>(map.elements.capacity() * sizeof(Element)); }

  Status Place(Element* element, std::size_t key_size, std::size_t value_size) {
    if (key_size + value_size > std::numeric_limits<std::uint32_t>::max())
      return Error(ErrorCode::kTooLarge, "an entry of a map has more than 4 GiB", "Spread it over more entries.");
    const ValueArena::Cell place = arena_.Allocate(static_cast<std::uint32_t>(std::max<std::size_t>(1, key_size + value_size)));
    *element = {place.data, static_cast<std::uint32_t>(key_size), static_cast<std::uint32_t>(value_size), place.capacity, 0};
    return Status::OK();
  }
  Result<Element*> Find(EntryId entry, std::int64_t number) {
    const bool there = entry < maps_.size() && number >= 0 && number < static_cast<std::int64_t>(maps_[entry].elements.size()) &&
                       maps_[entry].elements[static_cast<std::size_t>(number)].data != nullptr;
    if (!there) return Status::Invalid("a change of entry ", number, " of a map, which is not there");
    return &maps_[entry].elements[static_cast<std::size_t>(number)];
  }
  void Drop(Map* map, Element* element) {
    map->bytes -= static_cast<std::int64_t>(element->size());
    --map->live;
    arena_.Free({element->data, element->capacity});
    *element = {};
  }

  std::int64_t ttl_ms_;
  std::vector<Map> maps_;  // by entry
  std::int64_t element_bytes_ = 0;
  ValueArena arena_;
};

}  // namespace

std::unique_ptr<ElementStates> MakeMapStates(std::int64_t ttl_ms) { return std::make_unique<MapStates>(ttl_ms); }

}  // namespace headrace::data::state
