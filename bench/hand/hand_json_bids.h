#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::bench {

/// Columns of bids as a hand-written loop keeps them.
struct HandBids {
  std::vector<std::int64_t> auction, bidder, price, date_time;
  std::vector<std::int32_t> channel_ends, url_ends, extra_ends;
  std::string channel, url, extra;
  void Clear();
};

/// The bare simdjson loop: what a programmer writes who knows the records. `all` false takes auction and date_time alone.
class HandJsonBids {
 public:
  HandJsonBids();
  ~HandJsonBids();
  /// False when a record cannot be read.
  bool Append(std::string_view json, bool all, HandBids* out);

 private:
  struct State;
  State* state_;
};

}  // namespace headrace::bench
