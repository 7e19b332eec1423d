#pragma once
#include "bench/hand/hand_columns.h"

namespace headrace::bench::hand {

/// auction, bidder, price * 0.908 as a decimal of 3 digits, time: one column is computed, the others are passed on.
class Q1 {
 public:
  template <typename Row>
  void Add(const HandColumns& bids, const HandColumns*, Row row) {
    prices_.Reserve(static_cast<std::size_t>(bids.rows) * 2);
    std::int64_t* out = prices_.data();
    const std::int64_t* price = bids.price;
    for (std::int64_t i = 0; i < bids.rows; ++i) {
      const std::int64_t value = price[i] * 908;
      out[2 * i] = value;
      out[2 * i + 1] = value >> 63;
    }
    Publish(out);
    rows_ += static_cast<std::uint64_t>(bids.rows);
    row.All(bids.rows, [&](std::int64_t i, std::uint64_t* words) {
      words[0] = static_cast<std::uint64_t>(bids.auction[i]);
      words[1] = static_cast<std::uint64_t>(bids.bidder[i]);
      words[2] = static_cast<std::uint64_t>(out[2 * i]);
      words[3] = static_cast<std::uint64_t>(out[2 * i + 1]);
      words[4] = static_cast<std::uint64_t>(bids.time[i]);
      return 5;
    });
  }
  template <typename Row>
  void Finish(Row) {}
  std::uint64_t rows() const { return rows_; }

 private:
  Array<std::int64_t> prices_;
  std::uint64_t rows_ = 0;
};

}  // namespace headrace::bench::hand
