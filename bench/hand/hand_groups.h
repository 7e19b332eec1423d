#pragma once
#include "bench/hand/hand_columns.h"

namespace headrace::bench::hand {

/// Count and greatest price by auction: a bare table of 24-byte entries, asked for ahead once it is larger than the caches.
class Groups {
 public:
  Groups() { entries_.Assign(std::size_t{1} << bits_); }
  template <typename Row>
  void Add(const HandColumns& bids, const HandColumns*, Row) {
    constexpr std::int64_t kAhead = 256;
    for (std::int64_t first = 0; first < bids.rows; first += kAhead) {
      const std::int64_t last = bids.rows - first < kAhead ? bids.rows : first + kAhead;
      if (bits_ > 14)
        for (std::int64_t i = first; i < last; ++i) __builtin_prefetch(&entries_[SlotOf(bids.auction[i], bits_)], 1);
      for (std::int64_t i = first; i < last; ++i) Take(bids.auction[i], bids.price[i]);
    }
  }
  template <typename Row>
  void Finish(Row row) {
    Publish(entries_.data());
    row.All(static_cast<std::int64_t>(entries_.size()), [&](std::int64_t i, std::uint64_t* words) {
      const Entry& entry = entries_[static_cast<std::size_t>(i)];
      if (entry.count == 0) return 0;
      words[0] = static_cast<std::uint64_t>(entry.key);
      words[1] = static_cast<std::uint64_t>(entry.count);
      words[2] = static_cast<std::uint64_t>(entry.most);
      return 3;
    });
  }
  std::uint64_t rows() const { return used_; }

 private:
  struct Entry {
    std::int64_t key, count, most;
  };
  void Take(std::int64_t key, std::int64_t price) {
    const std::size_t mask = entries_.size() - 1;
    for (std::size_t slot = SlotOf(key, bits_);; slot = (slot + 1) & mask) {
      Entry& entry = entries_[slot];
      if (entry.count == 0) {
        entry = {key, 1, price};
        if (++used_ * 2 > entries_.size()) Grow();
        return;
      }
      if (entry.key != key) continue;
      ++entry.count;
      entry.most = price > entry.most ? price : entry.most;
      return;
    }
  }
  void Grow() {
    Array<Entry> old;
    old.Assign(entries_.size() * 2);
    old.Swap(entries_);
    ++bits_;
    const std::size_t mask = entries_.size() - 1;
    for (std::size_t i = 0; i < old.size(); ++i) {
      if (old[i].count == 0) continue;
      std::size_t slot = SlotOf(old[i].key, bits_);
      while (entries_[slot].count != 0) slot = (slot + 1) & mask;
      entries_[slot] = old[i];
    }
  }

  unsigned bits_ = 8;
  std::size_t used_ = 0;
  Array<Entry> entries_;
};

}  // namespace headrace::bench::hand
