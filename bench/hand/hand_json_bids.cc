#include "bench/hand/hand_json_bids.h"

#include <simdjson.h>

#include <cstring>

namespace headrace::bench {

void HandBids::Clear() {
  for (auto* column : {&auction, &bidder, &price, &date_time}) column->clear();
  for (auto* ends : {&channel_ends, &url_ends, &extra_ends}) ends->clear();
  for (auto* bytes : {&channel, &url, &extra}) bytes->clear();
}

struct HandJsonBids::State {
  simdjson::ondemand::parser parser;
  std::string padded;
};

HandJsonBids::HandJsonBids() : state_(new State) {}
HandJsonBids::~HandJsonBids() { delete state_; }

bool HandJsonBids::Append(std::string_view json, bool all, HandBids* out) {
  std::string& padded = state_->padded;
  if (padded.size() < json.size() + simdjson::SIMDJSON_PADDING) padded.resize(json.size() + simdjson::SIMDJSON_PADDING);
  std::memcpy(padded.data(), json.data(), json.size());
  simdjson::ondemand::document bid;
  if (state_->parser.iterate(padded.data(), json.size(), padded.size()).get(bid)) return false;
  std::int64_t number = 0;
  std::string_view text;
  const auto take = [&](const char* name, std::vector<std::int64_t>* column) {
    if (bid[name].get_int64().get(number)) return false;
    column->push_back(number);
    return true;
  };
  const auto take_text = [&](const char* name, std::string* bytes, std::vector<std::int32_t>* ends) {
    if (bid[name].get_string().get(text)) return false;
    bytes->append(text);
    ends->push_back(static_cast<std::int32_t>(bytes->size()));
    return true;
  };
  if (!all) return take("auction", &out->auction) && take("date_time", &out->date_time);
  return take("auction", &out->auction) && take("bidder", &out->bidder) && take("price", &out->price) &&
         take_text("channel", &out->channel, &out->channel_ends) && take_text("url", &out->url, &out->url_ends) &&
         take("date_time", &out->date_time) && take_text("extra", &out->extra, &out->extra_ends);
}

}  // namespace headrace::bench
