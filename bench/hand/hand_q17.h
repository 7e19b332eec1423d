#pragma once
#include "bench/hand/hand_columns.h"

namespace headrace::bench::hand {

/// Bids by auction and day: count, three counts by price, least, greatest, mean and sum. One line of cache a group, asked for ahead.
class Q17 {
 public:
  static constexpr std::int64_t kDay = 86'400'000;

  Q17() { groups_.Assign(std::size_t{1} << bits_); }
  template <typename Row>
  void Add(const HandColumns& bids, const HandColumns*, Row) {
    constexpr std::int64_t kAhead = 256;
    std::int64_t day = 0, day_end = INT64_MIN;
    std::int64_t keys[kAhead];
    for (std::int64_t first = 0; first < bids.rows; first += kAhead) {
      const std::int64_t count = bids.rows - first < kAhead ? bids.rows - first : kAhead;
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t time = bids.time[first + i];
        if (time >= day_end || time < day_end - kDay) {
          day = time / kDay;
          day_end = (day + 1) * kDay;
        }
        keys[i] = bids.auction[first + i] << 20 | day;
        __builtin_prefetch(&groups_[SlotOf(keys[i], bits_)], 1);
      }
      for (std::int64_t i = 0; i < count; ++i) Take(keys[i], bids.price[first + i]);
    }
  }
  template <typename Row>
  void Finish(Row row) {
    Publish(groups_.data());
    rows_ = used_;
    row.All(static_cast<std::int64_t>(groups_.size()), [&](std::int64_t i, std::uint64_t* words) {
      const Group& group = groups_[static_cast<std::size_t>(i)];
      if (group.count == 0) return 0;
      const double mean = static_cast<double>(group.sum) / static_cast<double>(group.count);
      const std::int64_t values[] = {group.key >> 20, group.key & ((1 << 20) - 1),
                                     group.count,     group.low,
                                     group.middle,    group.count - group.low - group.middle,
                                     group.least,     group.greatest};
      std::memcpy(words, values, sizeof values);
      std::memcpy(words + 8, &mean, 8);
      words[9] = static_cast<std::uint64_t>(group.sum);
      return 10;
    });
  }
  std::uint64_t rows() const { return rows_; }
  std::size_t allocated_bytes() const { return groups_.size() * sizeof(Group); }

 private:
  struct alignas(64) Group {
    std::int64_t key, count, low, middle, least, greatest, sum;
  };
  void Take(std::int64_t key, std::int64_t price) {
    const std::size_t mask = groups_.size() - 1;
    for (std::size_t slot = SlotOf(key, bits_);; slot = (slot + 1) & mask) {
      Group& group = groups_[slot];
      if (group.count == 0) {
        group = {key, 1, price < 10'000, price >= 10'000 && price < 1'000'000, price, price, price};
        if (++used_ * 2 > groups_.size()) Grow();
        return;
      }
      if (group.key != key) continue;
      ++group.count;
      group.low += price < 10'000;
      group.middle += price >= 10'000 && price < 1'000'000;
      group.least = price < group.least ? price : group.least;
      group.greatest = price > group.greatest ? price : group.greatest;
      group.sum += price;
      return;
    }
  }
  void Grow() {
    Array<Group> old;
    old.Assign(groups_.size() * 2);
    old.Swap(groups_);
    ++bits_;
    const std::size_t mask = groups_.size() - 1;
    for (std::size_t i = 0; i < old.size(); ++i) {
      if (old[i].count == 0) continue;
      std::size_t slot = SlotOf(old[i].key, bits_);
      while (groups_[slot].count != 0) slot = (slot + 1) & mask;
      groups_[slot] = old[i];
    }
  }

  unsigned bits_ = 8;
  std::size_t used_ = 0;
  Array<Group> groups_;
  std::uint64_t rows_ = 0;
};

}  // namespace headrace::bench::hand
