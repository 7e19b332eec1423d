#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "bench/hand/hand_q5.h"
#include "data/connector/nexmark/nexmark_rows.h"
#include "data/window/sliced_aggregate.h"

using namespace headrace;
using namespace headrace::data;

namespace {
double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
template <typename T>
T Must(Result<T> r) {
  if (!r.ok()) {
    std::fprintf(stderr, "%s\n", r.status().ToString().c_str());
    std::exit(1);
  }
  return std::move(r).ValueUnsafe();
}
}  // namespace

int main(int argc, char** argv) {
  const std::int64_t events = argc > 1 ? std::atoll(argv[1]) : 10'000'000;
  const std::int64_t rate = argc > 2 ? std::atoll(argv[2]) : 10'000;
  connector::nexmark::Model model;
  model.events_per_second = rate;
  auto maker = Must(connector::nexmark::RowMaker::Make(model, connector::nexmark::Table::kBid, {"auction", "price"}));
  std::vector<columnar::DataBatch> batches;
  double t = Now();
  for (std::int64_t n = 0; n < events; n += 8192) batches.push_back(Must(maker.Rows(n, std::min(events, n + 8192))));
  std::printf("generator %.1f M ev/s\n", events / (Now() - t) / 1e6);
  auto col = [](const columnar::DataBatch& b, int c) { return b.records()->column_data(c)->GetValues<std::int64_t>(1); };
  const int time_col = batches[0].event_time_column();
  for (int pair = 0; pair < 4; ++pair) {
    t = Now();
    bench::HandQ5 hand(10'000, 2'000);
    for (auto& b : batches) hand.Add(col(b, 0), col(b, time_col), b.num_rows());
    hand.Finish();
    const double hand_s = Now() - t;
    t = Now();
    window::SlicedAggregate::Functions functions;
    functions.push_back(Must(op::MakeNumericAggregate("count", nullptr, 0)));
    window::SlicedAggregate ours({10'000, 2'000, 0}, 1, std::move(functions));
    std::uint64_t digest = 0;
    std::int64_t windows = 0;
    auto fire = [&](std::int64_t watermark) {
      while (auto fired = Must(ours.Fire(watermark))) {
        std::uint64_t most = 0;
        auto& g = *fired->groups;
        for (std::int64_t r = 0; r < g.num_rows(); ++r) most = std::max(most, *g.RowValues(r));
        for (std::int64_t r = 0; r < g.num_rows(); ++r)
          if (*g.RowValues(r) == most) digest += *g.RowKey(r) * 31 + most;
        ++windows;
      }
    };
    op::AggregateInput input;
    for (auto& b : batches) {
      const std::uint64_t* keys[] = {reinterpret_cast<const std::uint64_t*>(col(b, 0))};
      const auto* times = col(b, time_col);
      (void)Must(ours.Add(keys, times, {&input, 1}, b.num_rows(), nullptr));
      fire(times[b.num_rows() - 1] - 1);
    }
    fire(INT64_MAX - 1);
    const double our_s = Now() - t;
    std::printf("q5 hand %.1f M ev/s (%ld windows, %lx)  ours %.1f M ev/s (%ld windows, %lx)  ratio %.2f\n", events / hand_s / 1e6,
                hand.windows(), hand.digest(), events / our_s / 1e6, windows, digest, hand_s / our_s);
  }
}
