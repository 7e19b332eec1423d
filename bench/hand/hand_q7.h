#pragma once
#include "bench/hand/hand_columns.h"

namespace headrace::bench::hand {

/// The bids with the greatest price of each 10 s: the greatest price of a run, then the rows that have it.
class Q7 {
 public:
  static constexpr std::int64_t kSize = 10'000;

  template <typename Row>
  void Add(const HandColumns& bids, const HandColumns*, Row row) {
    for (std::int64_t i = 0; i < bids.rows;) {
      if (bids.time[i] >= end_) {
        Fire(row);
        end_ = bids.time[i] / kSize * kSize + kSize;
      }
      const std::int64_t last = EndOfRun(bids.time, i, bids.rows, end_);
      std::int64_t most = bids.price[i];
      for (std::int64_t k = i; k < last; ++k) most = bids.price[k] > most ? bids.price[k] : most;
      if (most > most_) found_.Clear();
      if (most >= most_) {
        most_ = most;
        for (std::int64_t k = i; k < last; ++k)
          if (bids.price[k] == most) found_.Push({bids.auction[k], bids.bidder[k], bids.price[k], bids.time[k]});
      }
      i = last;
    }
  }
  template <typename Row>
  void Finish(Row row) {
    Fire(row);
  }
  std::uint64_t rows() const { return rows_; }

 private:
  struct Bid {
    std::int64_t auction, bidder, price, time;
  };
  template <typename Row>
  void Fire(Row row) {
    Publish(found_.data());
    rows_ += found_.size();
    row.All(static_cast<std::int64_t>(found_.size()), [&](std::int64_t i, std::uint64_t* words) {
      const Bid& bid = found_[static_cast<std::size_t>(i)];
      words[0] = static_cast<std::uint64_t>(bid.auction);
      words[1] = static_cast<std::uint64_t>(bid.bidder);
      words[2] = static_cast<std::uint64_t>(bid.price);
      words[3] = static_cast<std::uint64_t>(bid.time);
      words[4] = static_cast<std::uint64_t>(end_ - kSize);
      words[5] = static_cast<std::uint64_t>(end_);
      return 6;
    });
    found_.Clear();
    most_ = INT64_MIN;
  }

  std::int64_t end_ = INT64_MIN, most_ = INT64_MIN;
  Array<Bid> found_;
  std::uint64_t rows_ = 0;
};

}  // namespace headrace::bench::hand
