#pragma once
#include "bench/hand/hand_columns.h"

namespace headrace::bench::hand {

/// Counts by key, open addressing, 16 bytes an entry; a count of 0 is free.
class CountTable {
 public:
  struct Entry {
    std::int64_t key, count;
  };
  CountTable() { entries_.Assign(std::size_t{1} << bits_); }
  void Add(std::int64_t key, std::int64_t by) {
    const std::size_t mask = entries_.size() - 1;
    for (std::size_t slot = SlotOf(key, bits_);; slot = (slot + 1) & mask) {
      Entry& entry = entries_[slot];
      if (entry.key == key && entry.count != 0) {
        entry.count += by;
        return;
      }
      if (entry.count != 0) continue;
      entry = {key, by};
      if (++used_ * 2 > entries_.size()) Grow();
      return;
    }
  }
  bool Has(std::int64_t key) const {
    const std::size_t mask = entries_.size() - 1;
    for (std::size_t slot = SlotOf(key, bits_);; slot = (slot + 1) & mask) {
      if (entries_[slot].count == 0) return false;
      if (entries_[slot].key == key) return true;
    }
  }
  void Clear() {
    entries_.Zero();
    used_ = 0;
  }
  std::size_t used() const { return used_; }
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (std::size_t i = 0; i < entries_.size(); ++i)
      if (entries_[i].count != 0) visit(entries_[i]);
  }

 private:
  void Grow() {
    Array<Entry> old;
    old.Assign(entries_.size() * 2);
    old.Swap(entries_);
    ++bits_;
    used_ = 0;
    for (std::size_t i = 0; i < old.size(); ++i)
      if (old[i].count != 0) Add(old[i].key, old[i].count);
  }
  unsigned bits_ = 6;
  std::size_t used_ = 0;
  Array<Entry> entries_;
};

/// Counts by auction in sliding windows, rows with the window's greatest count: one table a slice, merged when a window ends.
class Q5 {
 public:
  static constexpr std::int64_t kSize = 10'000, kSlide = 2'000, kSlices = kSize / kSlide;

  template <typename Row>
  void Add(const HandColumns& bids, const HandColumns*, Row row) {
    for (std::int64_t i = 0; i < bids.rows;) {
      while (bids.time[i] >= end_) Advance(bids.time[i], row);
      const std::int64_t last = EndOfRun(bids.time, i, bids.rows, end_);
      CountTable& table = slices_[at_];
      for (; i < last; ++i) table.Add(bids.auction[i], 1);
    }
  }
  template <typename Row>
  void Finish(Row row) {
    for (std::int64_t i = 0; i < kSlices; ++i) Advance(end_, row);
  }
  std::uint64_t rows() const { return rows_; }

 private:
  template <typename Row>
  void Advance(std::int64_t time, Row row) {
    if (end_ == INT64_MIN) {
      end_ = time / kSlide * kSlide + kSlide;
      return;
    }
    Fire(row);
    end_ += kSlide;
    at_ = (at_ + 1) % kSlices;
    slices_[at_].Clear();
  }
  template <typename Row>
  void Fire(Row row) {
    merged_.Clear();
    for (const CountTable& slice : slices_) slice.ForEach([&](const CountTable::Entry& entry) { merged_.Add(entry.key, entry.count); });
    std::int64_t most = 0;
    merged_.ForEach([&](const CountTable::Entry& entry) { most = entry.count > most ? entry.count : most; });
    winners_.Clear();
    merged_.ForEach([&](const CountTable::Entry& entry) {
      if (entry.count == most) winners_.Push(entry.key);
    });
    Publish(winners_.data());
    rows_ += winners_.size();
    row.All(static_cast<std::int64_t>(winners_.size()), [&](std::int64_t i, std::uint64_t* words) {
      words[0] = static_cast<std::uint64_t>(winners_[static_cast<std::size_t>(i)]);
      words[1] = static_cast<std::uint64_t>(end_ - kSize);
      words[2] = static_cast<std::uint64_t>(end_);
      words[3] = static_cast<std::uint64_t>(most);
      return 4;
    });
  }

  std::int64_t end_ = INT64_MIN;  // of the slice in hand
  std::size_t at_ = 0;
  CountTable slices_[kSlices];
  CountTable merged_;
  Array<std::int64_t> winners_;
  std::uint64_t rows_ = 0;
};

}  // namespace headrace::bench::hand
