#include "data/window/window_aggregate.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <map>
#include <utility>
#include <vector>

namespace headrace::data::window {
namespace {

class Collected final : public op::Collector {
 public:
  Status Emit(columnar::DataBatch batch) override {
    batches.push_back(std::move(batch));
    return Status::OK();
  }
  std::vector<columnar::DataBatch> batches;
};

/// Counts by an int key.
class Counter final {
 public:
  explicit Counter(plan::AggregateSpec spec) {
    const auto time = arrow::timestamp(arrow::TimeUnit::MILLI, "UTC");
    spec.keys = {"k"};
    plan::AggregateCall call;
    call.name = call.function = "count";
    spec.calls = {call};
    const auto output = arrow::schema({arrow::field("k", arrow::int64(), false), arrow::field("window_start", time, false),
                                       arrow::field("window_end", time, false), arrow::field("count", arrow::int64(), false)});
    const auto made = WindowAggregate::Make(spec, Input(), output);
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    op_ = std::move(const_cast<std::unique_ptr<op::Operator>&>(*made));
    op::OperatorContext context;
    context.clock = &clock;
    EXPECT_TRUE(op_->Open(context).ok());
  }
  void Rows(std::int64_t key, std::int64_t time_ms, std::int64_t rows) {
    arrow::Int64Builder keys, times;
    for (std::int64_t i = 0; i < rows; ++i) EXPECT_TRUE((keys.Append(key) & times.Append(time_ms)).ok());
    const columnar::DataBatch batch(arrow::RecordBatch::Make(Input(), rows, {keys.Finish().ValueOrDie(), times.Finish().ValueOrDie()}));
    EXPECT_TRUE(op_->Process(0, batch, &out_).ok());
    Poll();
  }
  void Watermark(std::int64_t time_ms) {
    EXPECT_TRUE(op_->OnWatermark({time_ms}, &out_).ok());
    Poll();
  }
  void Poll() {
    do EXPECT_TRUE(op_->Poll(&out_).ok());
    while (op_->busy());
  }
  MonotonicTime next_poll() const { return op_->next_poll(); }
  /// Counts by key, of what has come since the last call.
  std::multimap<std::int64_t, std::int64_t> Take() {
    std::multimap<std::int64_t, std::int64_t> counts;
    for (const auto& batch : std::exchange(out_.batches, {})) {
      const auto column = [&](int c) { return batch.records()->column_data(c)->GetValues<std::int64_t>(1); };
      for (std::int64_t row = 0; row < batch.num_rows(); ++row) counts.emplace(column(0)[row], column(3)[row]);
    }
    return counts;
  }

  ManualClock clock;

 private:
  static const std::shared_ptr<arrow::Schema>& Input() {
    static const auto schema = arrow::schema(
        {arrow::field("k", arrow::int64(), false), arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), false)});
    return schema;
  }
  std::unique_ptr<op::Operator> op_;
  Collected out_;
};

using Counts = std::multimap<std::int64_t, std::int64_t>;

plan::AggregateSpec Tumbling(std::uint64_t size_ms) {
  plan::AggregateSpec spec;
  spec.window.kind = plan::Window::Kind::kTumbling;
  spec.window.size_ms = size_ms;
  return spec;
}

TEST(WindowAggregate, WindowsByTheClockComeWhenItHasPassedTheirEnd) {
  plan::AggregateSpec spec = Tumbling(1000);
  spec.window.processing_time = true;
  Counter counter(spec);
  counter.clock.Advance(std::chrono::milliseconds(300));
  counter.Rows(1, 5, 3);
  counter.clock.Advance(std::chrono::milliseconds(600));
  counter.Rows(1, 5, 1);
  counter.Watermark(1'000'000);
  EXPECT_EQ(counter.Take(), Counts());
  EXPECT_EQ(counter.next_poll(), counter.clock.Now() + std::chrono::milliseconds(100));
  counter.clock.Advance(std::chrono::milliseconds(99));
  counter.Poll();
  EXPECT_EQ(counter.Take(), Counts());
  counter.clock.Advance(std::chrono::milliseconds(1));
  counter.Poll();
  EXPECT_EQ(counter.Take(), (Counts{{1, 4}}));
  EXPECT_EQ(counter.next_poll(), MonotonicTime::max());
  counter.Rows(1, 5, 2);
  counter.clock.Advance(std::chrono::milliseconds(1000));
  counter.Poll();
  EXPECT_EQ(counter.Take(), (Counts{{1, 2}}));
}

TEST(WindowAggregate, SessionsByTheClockEndAfterTheirGap) {
  plan::AggregateSpec spec;
  spec.window.kind = plan::Window::Kind::kSession;
  spec.window.gap_ms = 500;
  spec.window.processing_time = true;
  Counter counter(spec);
  counter.Rows(1, 0, 1);
  counter.clock.Advance(std::chrono::milliseconds(400));
  counter.Rows(1, 0, 1);
  counter.clock.Advance(std::chrono::milliseconds(499));
  counter.Poll();
  EXPECT_EQ(counter.Take(), Counts());
  counter.clock.Advance(std::chrono::milliseconds(1));
  counter.Poll();
  EXPECT_EQ(counter.Take(), (Counts{{1, 2}}));
}

TEST(WindowAggregate, ChangedWindowsComeEarlyAtMostOnceAnInterval) {
  plan::AggregateSpec spec = Tumbling(1000);
  spec.trigger.early_every_ms = 100;
  Counter counter(spec);
  counter.Rows(1, 5, 2);
  counter.Rows(2, 6, 1);
  EXPECT_EQ(counter.Take(), Counts());
  EXPECT_EQ(counter.next_poll(), counter.clock.Now() + std::chrono::milliseconds(100));
  counter.clock.Advance(std::chrono::milliseconds(100));
  counter.Poll();
  EXPECT_EQ(counter.Take(), (Counts{{1, 2}, {2, 1}}));
  EXPECT_EQ(counter.next_poll(), MonotonicTime::max());
  counter.Rows(2, 7, 1);
  counter.clock.Advance(std::chrono::milliseconds(100));
  counter.Poll();
  EXPECT_EQ(counter.Take(), (Counts{{2, 2}}));
  counter.Watermark(999);
  EXPECT_EQ(counter.Take(), (Counts{{1, 2}, {2, 2}}));
}

TEST(WindowAggregate, LateRowsOfABatchMakeAWindowComeAgainOnce) {
  plan::AggregateSpec spec = Tumbling(10);
  spec.allowed_lateness_ms = 5;
  Counter counter(spec);
  counter.Rows(1, 5, 1);
  counter.Watermark(9);
  EXPECT_EQ(counter.Take(), (Counts{{1, 1}}));
  counter.Rows(1, 6, 3);
  EXPECT_EQ(counter.Take(), (Counts{{1, 4}}));
  counter.Watermark(14);
  counter.Rows(1, 6, 3);
  EXPECT_EQ(counter.Take(), Counts());
}

}  // namespace
}  // namespace headrace::data::window
