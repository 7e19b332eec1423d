#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace headrace::bench {

/// The limit of a sliced count by key: a hand-written loop over plain columns, open addressing per slice, merged when a window ends.
class HandQ5 {
 public:
  HandQ5(std::int64_t size_ms, std::int64_t slide_ms)
      : size_ms_(size_ms), slide_ms_(slide_ms), slices_(static_cast<std::size_t>(size_ms / slide_ms)) {}

  void Add(const std::int64_t* auctions, const std::int64_t* times, std::int64_t rows) {
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t slice = times[i] / slide_ms_;
      if (slice != current_) Advance(slice);
      Bump(&slices_[at_], auctions[i], 1);
    }
  }
  void Finish() {
    for (std::size_t i = 0; i < slices_.size(); ++i) Advance(current_ + 1);
  }
  std::uint64_t digest() const { return digest_; }
  std::int64_t windows() const { return windows_; }

 private:
  struct Entry {
    std::int64_t key = -1;
    std::int64_t count = 0;
  };
  struct Table {
    std::vector<Entry> entries = std::vector<Entry>(64);
    std::size_t used = 0;
  };
  static std::size_t SlotOf(std::int64_t key, std::size_t size) {
    return (static_cast<std::uint64_t>(key) * 0x9E3779B97F4A7C15ULL) >> 32 & (size - 1);
  }
  static void Bump(Table* table, std::int64_t key, std::int64_t by) {
    std::size_t slot = SlotOf(key, table->entries.size());
    for (;; slot = (slot + 1) & (table->entries.size() - 1)) {
      Entry& entry = table->entries[slot];
      if (entry.key == key) {
        entry.count += by;
        return;
      }
      if (entry.key != -1) continue;
      entry = {key, by};
      if (++table->used * 2 > table->entries.size()) Grow(table);
      return;
    }
  }
  static void Grow(Table* table) {
    std::vector<Entry> old(table->entries.size() * 2);
    old.swap(table->entries);
    table->used = 0;
    for (const Entry& entry : old)
      if (entry.key != -1) Bump(table, entry.key, entry.count);
  }
  void Advance(std::int64_t slice) {
    if (current_ >= 0) Fire();
    current_ = slice;
    at_ = (at_ + 1) % slices_.size();
    std::fill(slices_[at_].entries.begin(), slices_[at_].entries.end(), Entry{});
    slices_[at_].used = 0;
  }
  /// The rows with the window's greatest count.
  void Fire() {
    std::fill(merged_.entries.begin(), merged_.entries.end(), Entry{});
    merged_.used = 0;
    for (const Table& slice : slices_)
      for (const Entry& entry : slice.entries)
        if (entry.key != -1) Bump(&merged_, entry.key, entry.count);
    std::int64_t most = 0;
    for (const Entry& entry : merged_.entries) most = std::max(most, entry.count);
    for (const Entry& entry : merged_.entries)
      if (entry.key != -1 && entry.count == most)
        digest_ += static_cast<std::uint64_t>(entry.key) * 31 + static_cast<std::uint64_t>(entry.count);
    ++windows_;
  }

  std::int64_t size_ms_, slide_ms_, current_ = -1, windows_ = 0;
  std::size_t at_ = 0;
  std::vector<Table> slices_;
  Table merged_;
  std::uint64_t digest_ = 0;
};

}  // namespace headrace::bench
