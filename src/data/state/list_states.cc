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

void AppendFixed(std::uint64_t value, std::string* out) { out->append(reinterpret_cast<const char*>(&value), sizeof(value)); }

/// Lists: the values of a key lie behind each other in one piece of memory that grows by halves, with the times of runs of them. Elements
/// need no numbers: they come at the end and go at the front.
class ListStates final : public ElementStates {
 public:
  explicit ListStates(std::int64_t ttl_ms) : ttl_ms_(ttl_ms) {}

  bool Has(EntryId entry) const override { return entry < lists_.size() && lists_[entry].count > 0; }
  std::int64_t count(EntryId entry) const override { return entry < lists_.size() ? lists_[entry].count : 0; }
  std::int64_t size_bytes(EntryId entry) const override {
    if (!Has(entry)) return 0;
    return lists_[entry].size + 10 + (ttl_ms_ == 0 ? 0 : 8 + 8 * static_cast<std::int64_t>(lists_[entry].count));
  }
  std::int64_t allocated_bytes() const override {
    return arena_.allocated_bytes() + static_cast<std::int64_t>(lists_.capacity() * sizeof(List)) + run_bytes_;
  }

  void Clear(EntryId entry) override {
    if (entry >= lists_.size()) return;
    List& list = lists_[entry];
    arena_.Free({list.data, list.capacity});
    list = {};
    if (ttl_ms_ == 0) return;
    run_bytes_ -= Bytes(Runs(entry));
    Runs(entry).clear();
  }

  Status Add(EntryId entry, std::string_view, std::string_view value, std::int64_t now_ms) override {
    if (entry >= lists_.size()) lists_.resize(std::max<std::size_t>(entry + 1, lists_.size() + lists_.size() / 2));
    List& list = lists_[entry];
    const std::uint64_t size = static_cast<std::uint64_t>(list.size) + value.size();
    if (size > std::numeric_limits<std::uint32_t>::max())
      return Error(ErrorCode::kTooLarge, "a list of one key has more than 4 GiB", "Spread it over more keys.");
    if (size > list.capacity) {
      const std::uint64_t wanted = list.capacity == 0 ? size : std::max<std::uint64_t>(size, list.capacity + list.capacity / 2);
      const ValueArena::Cell place =
          arena_.Allocate(static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, std::numeric_limits<std::uint32_t>::max())));
      if (list.size > 0) std::memcpy(place.data, list.data, list.size);
      arena_.Free({list.data, list.capacity});
      list.data = place.data;
      list.capacity = place.capacity;
    }
    std::memcpy(list.data + list.size, value.data(), value.size());
    list.size = static_cast<std::uint32_t>(size);
    ++list.count;
    if (ttl_ms_ > 0) {
      auto& runs = Runs(entry);
      if (runs.empty() || runs.back().stamp_ms != now_ms) {
        runs.push_back({now_ms, 0, 0});
        run_bytes_ += sizeof(Run);
      }
      ++runs.back().count;
      runs.back().size += static_cast<std::uint32_t>(value.size());
    }
    return Status::OK();
  }

  Status Set(EntryId, std::int64_t, std::string_view, std::int64_t) override { return Status::Invalid("a list has no entries to set"); }
  Status Remove(EntryId, std::int64_t) override { return Status::Invalid("a list has no entries to remove"); }
  Status Refresh(EntryId, std::int64_t, std::int64_t) override { return Status::Invalid("a list has no entries to refresh"); }

  void RefreshAll(EntryId entry, std::int64_t now_ms) override {
    if (ttl_ms_ == 0 || !Has(entry)) return;
    DropOver(entry, now_ms);
    if (!Has(entry)) return;
    auto& runs = Runs(entry);
    run_bytes_ -= Bytes(runs);
    runs.assign(1, {now_ms, lists_[entry].count, lists_[entry].size});
    run_bytes_ += Bytes(runs);
  }

  bool sparse(EntryId) const override { return false; }
  void Tidy(EntryId entry, std::int64_t now_ms) override { DropOver(entry, now_ms); }

  void DropSome(EntryId entry, std::int64_t now_ms, std::int64_t) override { DropOver(entry, now_ms, /*only_much=*/true); }

  void AppendTo(EntryId entry, std::string* out) const override {
    if (!Has(entry)) return;
    const List& list = lists_[entry];
    if (ttl_ms_ > 0) {
      AppendFixed(list.count, out);
      for (const Run& run : runs_[entry]) {
        for (std::uint32_t i = 0; i < run.count; ++i) AppendFixed(static_cast<std::uint64_t>(run.stamp_ms), out);
      }
    }
    columnar::ValueWriter(out).ListHeader(list.count);
    out->append(reinterpret_cast<const char*>(list.data), list.size);
  }

  std::string_view Packed(EntryId entry) const override {
    if (!Has(entry)) return {};
    return {reinterpret_cast<const char*>(lists_[entry].data), lists_[entry].size};
  }

  void Move(const std::vector<EntryId>& moved, std::size_t entries) override {
    std::vector<List> lists(entries);
    std::vector<std::vector<Run>> runs(runs_.empty() ? 0 : entries);
    for (std::size_t old = 0; old < std::min(moved.size(), lists_.size()); ++old) {
      if (moved[old] == kGone) continue;
      lists[moved[old]] = lists_[old];
      if (old < runs_.size()) runs[moved[old]] = std::move(runs_[old]);
    }
    lists_ = std::move(lists);
    runs_ = std::move(runs);
  }

 private:
  struct List {
    std::uint8_t* data = nullptr;
    std::uint32_t size = 0, capacity = 0, count = 0;
  };
  struct Run {
    std::int64_t stamp_ms;
    std::uint32_t count, size;
  };
  static std::int64_t Bytes(const std::vector<Run>& runs) { return static_cast<std::int64_t>(runs.size() * sizeof(Run)); }
  void DropOver(EntryId entry, std::int64_t now_ms, bool only_much = false) {
    if (ttl_ms_ == 0 || !Has(entry)) return;
    auto& runs = Runs(entry);
    List& list = lists_[entry];
    std::size_t over = 0;
    std::uint32_t count = 0, size = 0;
    for (; over < runs.size() && now_ms - runs[over].stamp_ms >= ttl_ms_; ++over) {
      count += runs[over].count;
      size += runs[over].size;
    }
    // What stays is moved: with each look that would cost as much as the list is long.
    if (over == 0 || (only_much && size < list.size / 2)) return;
    if (count == list.count) return Clear(entry);
    std::memmove(list.data, list.data + size, list.size - size);
    list.size -= size;
    list.count -= count;
    run_bytes_ -= static_cast<std::int64_t>(over * sizeof(Run));
    runs.erase(runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(over));
  }
  std::vector<Run>& Runs(EntryId entry) {
    if (runs_.size() < lists_.size()) runs_.resize(lists_.size());
    return runs_[entry];
  }

  std::int64_t ttl_ms_;
  std::vector<List> lists_;             // by entry
  std::vector<std::vector<Run>> runs_;  // by entry, oldest first; with a time to live only
  std::int64_t run_bytes_ = 0;
  ValueArena arena_;
};

}  // namespace

std::unique_ptr<ElementStates> MakeListStates(std::int64_t ttl_ms) { return std::make_unique<ListStates>(ttl_ms); }

}  // namespace headrace::data::state
