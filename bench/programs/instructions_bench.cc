// Work whose instructions are counted, without an engine around it: bench_instructions NAME EVENTS
//   json_decode       whole bids as JSON, of which four columns are read
//   exchange_encode   bids split by auction over 4 channels and encoded as the frames that leave the process
// Only what runs inside Measured() counts.
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "bench/support/measure.h"
#include "columnar/ipc.h"
#include "data/connector/nexmark/nexmark_rows.h"
#include "data/exchange/partitioner.h"
#include "data/exchange/remote/frame.h"
#include "data/format/json_writer.h"
#include "data/format/record_decoder.h"

namespace headrace::bench {

/// The counter looks for this name.
__attribute__((noinline)) void Measured(const std::function<void()>& work) { work(); }

namespace {

using Batches = std::vector<columnar::DataBatch>;

Batches Bids(std::int64_t events, const std::vector<std::string>& columns) {
  using namespace data::connector::nexmark;  // NOLINT
  auto maker = Must(RowMaker::Make(Model(), Table::kBid, columns));
  Batches batches;
  for (std::int64_t n = 0; n < events; n += 8000) batches.push_back(Must(maker.Rows(n, std::min(events, n + 8000))));
  return batches;
}

void ExchangeEncode(std::int64_t events) {
  using namespace data::exchange;  // NOLINT
  const Batches batches = Bids(events, {"auction", "bidder", "price", "date_time"});
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
      for (const auto& piece : pieces) bytes += MakeDataFrame({}, Must(columnar::EncodeBatch(piece.part.batch))).total_bytes;
      pieces.clear();
    }
  });
  std::printf("%ld bytes\n", static_cast<long>(bytes));
}

void JsonDecode(std::int64_t events) {
  std::vector<std::string> records;
  for (const auto& batch : Bids(events, {})) {
    const auto writer = Must(data::format::JsonRowWriter::Make(batch.records()));
    for (std::int64_t row = 0; row < batch.num_rows(); ++row) Must(writer.Append(row, &records.emplace_back()));
  }
  const auto numbers = [](const char* name) { return arrow::field(name, arrow::int64(), false); };
  data::format::RecordDecoderOptions options;
  options.format = data::format::RecordFormat::kJson;
  options.schema = arrow::schema({numbers("auction"), numbers("bidder"), numbers("price"),
                                  arrow::field("date_time", arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"), false)});
  auto decoder = Must(data::format::RecordDecoder::Make(options));
  std::int64_t rows = 0;
  Measured([&] {
    for (const std::string& record : records) {
      Must(decoder->Append(record));
      if (decoder->full()) rows += Must(decoder->Finish()).num_rows();
    }
    if (decoder->num_rows() > 0) rows += Must(decoder->Finish()).num_rows();
  });
  std::printf("%ld rows\n", static_cast<long>(rows));
}

}  // namespace
}  // namespace headrace::bench

int main(int argc, char** argv) {
  if (argc != 3) headrace::bench::Die("usage: bench_instructions NAME EVENTS");
  const std::int64_t events = std::atoll(argv[2]);
  if (std::strcmp(argv[1], "exchange_encode") == 0)
    headrace::bench::ExchangeEncode(events);
  else if (std::strcmp(argv[1], "json_decode") == 0)
    headrace::bench::JsonDecode(events);
  else
    headrace::bench::Die(std::string("no work called ") + argv[1]);
  return 0;
}
