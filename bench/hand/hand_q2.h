#pragma once
#include "bench/hand/hand_columns.h"

namespace headrace::bench::hand {

/// auction, price of the bids whose auction is a multiple of 123: one multiplication and one comparison a row, no branch.
class Q2 {
 public:
  template <typename Row>
  void Add(const HandColumns& bids, const HandColumns*, Row row) {
    chosen_.Reserve(static_cast<std::size_t>(bids.rows) + 1);
    std::int32_t* chosen = chosen_.data();
    std::size_t kept = 0;
    // A multiple of an odd d is what its inverse modulo 2^64 takes below 2^64 / d.
    constexpr std::uint64_t kInverse = 0x2FDEB2FDEB2FDEB3ULL;
    for (std::int64_t i = 0; i < bids.rows; ++i) {
      chosen[kept] = static_cast<std::int32_t>(i);
      kept += static_cast<std::uint64_t>(bids.auction[i]) * kInverse <= ~0ULL / 123;
    }
    auctions_.Reserve(kept);
    prices_.Reserve(kept);
    for (std::size_t i = 0; i < kept; ++i) {
      auctions_.data()[i] = bids.auction[chosen[i]];
      prices_.data()[i] = bids.price[chosen[i]];
    }
    Publish(auctions_.data());
    Publish(prices_.data());
    rows_ += kept;
    row.All(static_cast<std::int64_t>(kept), [&](std::int64_t i, std::uint64_t* words) {
      words[0] = static_cast<std::uint64_t>(auctions_.data()[i]);
      words[1] = static_cast<std::uint64_t>(prices_.data()[i]);
      return 2;
    });
  }
  template <typename Row>
  void Finish(Row) {}
  std::uint64_t rows() const { return rows_; }

 private:
  static_assert(0x2FDEB2FDEB2FDEB3ULL * 123 == 1);
  Array<std::int32_t> chosen_;
  Array<std::int64_t> auctions_, prices_;
  std::uint64_t rows_ = 0;
};

}  // namespace headrace::bench::hand
