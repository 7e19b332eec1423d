#pragma once
#include <cstdint>

#include "base/status.h"

namespace headrace::data::connector::nexmark {

enum class Table : std::uint8_t { kPerson, kAuction, kBid };

/// Numbers the draws of one event; a draw never changes its number, so that unused columns need not be made.
enum class Draw : std::uint64_t {
  kSellerHot = 1,
  kSeller,
  kCategory,
  kInitialBid,
  kReserve,
  kExpires,
  kItem,
  kDescription,
  kAuctionExtra,
  kAuctionExtraSize,
  kAuctionHot = 20,
  kAuction,
  kBidderHot,
  kBidder,
  kPrice,
  kChannelHot,
  kChannel,
  kBidExtra,
  kBidExtraSize,
  kFirstName = 40,
  kLastName,
  kEmail,
  kCard,
  kCity,
  kState,
  kPersonExtra,
  kPersonExtraSize,
  kChannelUrl = 60,
};

/// The Nexmark stream as a pure function of event numbers: any row can be made alone, so rows are the same at any parallelism
/// and after a restart. An epoch is 50 events: one person, three auctions, 46 bids. Random numbers are a counter-based hash of
/// seed, event and draw. Ids of persons and auctions start at 1000, each added once.
struct Model {
  std::uint64_t seed = 42;
  std::int64_t events_per_second = 10'000;  ///< of event time
  std::int64_t base_time_ms = 1'436'918'400'000;
  std::int64_t disorder = 1;  ///< events are shuffled within groups of so many; 1 = in order

  static constexpr std::int64_t kEpoch = 50, kAuctionsPerEpoch = 3, kBidsPerEpoch = 46;
  static constexpr std::int64_t kFirstId = 1000;
  static constexpr std::int64_t kHot = 100;  ///< hot ids are multiples of it
  static constexpr std::int64_t kActivePersons = 1000, kPersonsAhead = 10, kAuctionsBehind = 100, kAuctionsAhead = 10;

  static Table TableOf(std::int64_t event) {
    const std::int64_t offset = event % kEpoch;
    return offset == 0 ? Table::kPerson : offset <= kAuctionsPerEpoch ? Table::kAuction : Table::kBid;
  }
  /// The event that is emitted at `position`.
  std::int64_t EventAt(std::int64_t position) const {
    if (disorder <= 1) return position;
    const std::int64_t group = position / disorder * disorder;
    return group + (position - group) * 953 % disorder;
  }
  /// No event emitted at or behind `position` is older than this.
  std::int64_t LeastTimeFrom(std::int64_t position) const { return TimeMs(disorder <= 1 ? position : position / disorder * disorder); }
  std::int64_t TimeMs(std::int64_t event) const {
    return base_time_ms + event / events_per_second * 1000 + event % events_per_second * 1000 / events_per_second;
  }

  std::uint64_t Bits(std::int64_t event, Draw draw) const {
    std::uint64_t x =
        seed + static_cast<std::uint64_t>(event) * 0x9E3779B97F4A7C15ULL + static_cast<std::uint64_t>(draw) * 0xD1B54A32D192ED03ULL;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
  }
  std::int64_t Uniform(std::int64_t event, Draw draw, std::int64_t below) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::int64_t>(static_cast<Wide>(Bits(event, draw)) * static_cast<std::uint64_t>(below) >> 64);
  }

  /// Numbers from 0 of the newest person and auction at `event`.
  static std::int64_t LastPerson(std::int64_t event) { return event / kEpoch; }
  static std::int64_t LastAuction(std::int64_t event) {
    const std::int64_t epoch = event / kEpoch, offset = event % kEpoch;
    if (offset == 0) return epoch == 0 ? 0 : epoch * kAuctionsPerEpoch - 1;
    return epoch * kAuctionsPerEpoch + (offset <= kAuctionsPerEpoch ? offset : kAuctionsPerEpoch) - 1;
  }
  static std::int64_t PersonId(std::int64_t event) { return kFirstId + LastPerson(event); }
  static std::int64_t AuctionId(std::int64_t event) { return kFirstId + LastAuction(event); }

  /// One of the persons that are active at `event`, or one of ten that are not born yet.
  std::int64_t ActivePerson(std::int64_t event, Draw draw) const {
    const std::int64_t persons = LastPerson(event) + 1, active = persons < kActivePersons ? persons : kActivePersons;
    return kFirstId + persons - active + Uniform(event, draw, active + kPersonsAhead);
  }
  std::int64_t Seller(std::int64_t event) const {
    if (Uniform(event, Draw::kSellerHot, 4) > 0) return kFirstId + LastPerson(event) / kHot * kHot;
    return ActivePerson(event, Draw::kSeller);
  }
  std::int64_t Bidder(std::int64_t event) const {
    if (Uniform(event, Draw::kBidderHot, 4) > 0) return kFirstId + LastPerson(event) / kHot * kHot + 1;
    return ActivePerson(event, Draw::kBidder);
  }
  std::int64_t BidAuction(std::int64_t event) const {
    const std::int64_t last = LastAuction(event);
    if ((Bits(event, Draw::kAuctionHot) >> 63) != 0) return kFirstId + last / kHot * kHot;
    const std::int64_t least = last > kAuctionsBehind ? last - kAuctionsBehind : 0;
    return kFirstId + least + Uniform(event, Draw::kAuction, last - least + 1 + kAuctionsAhead);
  }
  std::int64_t Category(std::int64_t event) const { return 10 + Uniform(event, Draw::kCategory, 5); }
  /// Log-uniform from 100 to 10^8.
  std::int64_t Price(std::int64_t event, Draw draw) const;
  std::int64_t ExpiresMs(std::int64_t event) const {
    // Until some 100 more auctions have come.
    const std::int64_t time_ms = TimeMs(event), horizon_ms = TimeMs(event + 100 * kEpoch / kAuctionsPerEpoch) - time_ms;
    return time_ms + 1 + Uniform(event, Draw::kExpires, horizon_ms > 0 ? 2 * horizon_ms : 1);
  }
};

inline std::int64_t Model::Price(std::int64_t event, Draw draw) const {
  // 10^(6u) = 2^(19.93…u): whole part by shifting, the rest by a polynomial, so that every machine gets the same number.
  const double u = static_cast<double>(Bits(event, draw) >> 11) * 0x1p-53;
  const double x = u * 19.931568569324174;
  const auto whole = static_cast<std::int64_t>(x);
  const double f = x - static_cast<double>(whole);
  const double power =
      1.0 + f * (0.6931471805599453 +
                 f * (0.2402265069591007 +
                      f * (0.0555041086648216 + f * (0.009618129107628477 + f * (0.0013333558146428443 + f * 0.00015614105834634314)))));
  return static_cast<std::int64_t>(power * static_cast<double>(std::int64_t{1} << whole) * 100.0 + 0.5);
}

}  // namespace headrace::data::connector::nexmark
