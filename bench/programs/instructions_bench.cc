// Work whose instructions are counted, without an engine around it: bench_instructions NAME EVENTS
//   exchange_encode   bids split by auction over 4 channels and encoded as the frames that leave the process
// Only what runs inside Measured() counts.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "bench/support/measure.h"
#include "columnar/ipc.h"
#include "data/connector/nexmark/nexmark_rows.h"
#include "data/exchange/partitioner.h"
#include "data/exchange/remote/frame.h"

namespace headrace::bench {

/// The counter looks for this name.
__attribute__((noinline)) void Measured(const std::function<void()>& work) { work(); }

namespace {

using Batches = std::vector<columnar::DataBatch>;

Batches Bids(std::int64_t events) {
  using namespace data::connector::nexmark;  // NOLINT
  auto maker = Must(RowMaker::Make(Model(), Table::kBid, {"auction", "bidder", "price", "date_time"}));
  Batches batches;
  for (std::int64_t n = 0; n < events; n += 8000) batches.push_back(Must(maker.Rows(n, std::min(events, n + 8000))));
  return batches;
}

void ExchangeEncode(std::int64_t events) {
  using namespace data::exchange;  // NOLINT
  const Batches batches = Bids(events);
  PartitionerOptions options;
  options.scheme = PartitioningScheme::kHash;
  options.channels = 4;
  options.hash_columns = {"auction"};
  auto partitioner = Must(MakePartitioner(options));
  std::int64_t bytes = 0;
  Measured([&] {
    std::vector<Partitioner::Piece> pieces;
    for (const auto& batch : batches) {
      Must(partitioner->Add(batch, &pieces));
      for (const auto& piece : pieces) bytes += MakeDataFrame({}, Must(columnar::EncodeBatch(piece.batch))).total_bytes;
      pieces.clear();
    }
  });
  std::printf("%ld bytes\n", static_cast<long>(bytes));
}

}  // namespace
}  // namespace headrace::bench

int main(int argc, char** argv) {
  if (argc != 3) headrace::bench::Die("usage: bench_instructions NAME EVENTS");
  const std::int64_t events = std::atoll(argv[2]);
  if (std::strcmp(argv[1], "exchange_encode") == 0)
    headrace::bench::ExchangeEncode(events);
  else
    headrace::bench::Die(std::string("no work called ") + argv[1]);
  return 0;
}
