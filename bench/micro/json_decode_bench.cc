// JSON bids of 299 bytes into columns, beside a bare simdjson loop over the same records; one JSON object a result row.
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/hand/hand_json_bids.h"
#include "data/format/json_rows.h"

using namespace headrace;

namespace {

constexpr std::size_t kRecordBytes = 299;
constexpr int kRecords = 100'000, kBatchRows = 4096, kPairs = 9;

double Seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
    std::exit(1);
  }
  return std::move(result).ValueUnsafe();
}

std::vector<std::string> Bids() {
  std::vector<std::string> bids;
  std::uint64_t state = 42;
  const auto next = [&state](std::uint64_t below) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (state >> 33) % below;
  };
  for (int i = 0; i < kRecords; ++i) {
    std::string bid = fmt::format(
        R"({{"auction":{},"bidder":{},"price":{},"channel":"channel-{}","url":"https://www.nexmark.com/abc_def/ghi_jkl/mno/item.htm?query=1&channel_id={}","date_time":{},"extra":")",
        1000 + next(100'000), 1000 + next(100'000), 100 + next(10'000'000), next(10'000), next(1 << 30), 1'700'000'000'000 + i);
    while (bid.size() < kRecordBytes - 2) bid += static_cast<char>('a' + next(26));
    bids.push_back(bid + "\"}");
  }
  return bids;
}

std::shared_ptr<arrow::Schema> SchemaOf(bool all) {
  const auto time = arrow::field("date_time", arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"));
  if (!all) return arrow::schema({arrow::field("auction", arrow::int64()), time});
  return arrow::schema({arrow::field("auction", arrow::int64()), arrow::field("bidder", arrow::int64()),
                        arrow::field("price", arrow::int64()), arrow::field("channel", arrow::utf8()), arrow::field("url", arrow::utf8()),
                        time, arrow::field("extra", arrow::utf8())});
}

std::int64_t Digest(const std::int64_t* auctions, const std::int64_t* times, std::int64_t rows) {
  std::int64_t digest = 0;
  for (std::int64_t i = 0; i < rows; ++i) digest += auctions[i] * 31 + times[i];
  return digest;
}

std::int64_t RunHand(const std::vector<std::string>& bids, bool all, bench::HandJsonBids* hand, bench::HandBids* columns) {
  std::int64_t digest = 0;
  for (std::size_t i = 0; i < bids.size(); ++i) {
    if (!hand->Append(bids[i], all, columns)) std::exit(1);
    if ((i + 1) % kBatchRows != 0 && i + 1 != bids.size()) continue;
    digest += Digest(columns->auction.data(), columns->date_time.data(), static_cast<std::int64_t>(columns->auction.size()));
    columns->Clear();
  }
  return digest;
}

std::int64_t RunOurs(const std::vector<std::string>& bids, data::format::JsonRowDecoder* decoder) {
  std::int64_t digest = 0;
  for (std::size_t i = 0; i < bids.size(); ++i) {
    if (!decoder->Append(bids[i]).ok()) std::exit(1);
    if ((i + 1) % kBatchRows != 0 && i + 1 != bids.size()) continue;
    const auto batch = Must(decoder->Finish());
    const auto column = [&](const char* name) { return batch->GetColumnByName(name)->data()->GetValues<std::int64_t>(1); };
    digest += Digest(column("auction"), column("date_time"), batch->num_rows());
  }
  return digest;
}

void Report(const std::string& name, const std::string& metric, double value, double limit, bool digest_ok, std::vector<double> ratios) {
  std::sort(ratios.begin(), ratios.end());
  std::printf(
      "%s\n",
      fmt::format(
          R"({{"case":"{}","metric":"{}","value":{:.3f},"unit":"M records/s","limit":{:.3f},"ratio_to_limit":{:.3f},"pairs":{},"min":{:.3f},"max":{:.3f},"digest_ok":{}}})",
          name, metric, value, limit, ratios[ratios.size() / 2], ratios.size(), ratios.front(), ratios.back(), digest_ok)
          .c_str());
}

void RunCase(const std::string& name, const std::vector<std::string>& bids, bool all) {
  auto decoder = Must(data::format::JsonRowDecoder::Make(SchemaOf(all)));
  bench::HandJsonBids hand;
  bench::HandBids columns;
  std::vector<double> ratios;
  double hand_best = 1e9, our_best = 1e9;
  bool digest_ok = true;
  for (int pair = 0; pair < kPairs; ++pair) {
    double start = Seconds();
    const std::int64_t expected = RunHand(bids, all, &hand, &columns);
    const double hand_s = Seconds() - start;
    start = Seconds();
    digest_ok = RunOurs(bids, decoder.get()) == expected && digest_ok;
    const double our_s = Seconds() - start;
    ratios.push_back(hand_s / our_s);
    hand_best = std::min(hand_best, hand_s);
    our_best = std::min(our_best, our_s);
  }
  Report(name, "decode", kRecords / our_best / 1e6, kRecords / hand_best / 1e6, digest_ok, ratios);
}

}  // namespace

int main() {
  const std::vector<std::string> bids = Bids();
  RunCase("bid/all columns", bids, true);
  RunCase("bid/auction and date_time", bids, false);
}
