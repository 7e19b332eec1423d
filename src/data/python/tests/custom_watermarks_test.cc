#include "data/python/custom_watermarks.h"

#include <arrow/builder.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "data/python/tests/worker_support.h"

namespace headrace::data::python {
namespace {

/// Follows the newest time of its split, and tells at which call it stands in what it says by the clock.
constexpr const char* kNewest = R"(
from headrace import WatermarkGenerator
class Newest(WatermarkGenerator):
    calls = 0
    def on_batch(self, timestamps, *columns):
        self.calls += 1
        assert timestamps.null_count == 0 and timestamps.type.bit_width == 64
        last = timestamps[len(timestamps) - 1].as_py()
        assert not columns or columns[0].to_pylist() == [t * t for t in timestamps.to_pylist()]
        if last == 666:
            raise ValueError("no such day")
        return None if last == 5 else last - 1
    def on_periodic(self, now):
        return 1000 + self.calls
f = Newest()
)";

class Recorder final : public op::Collector {
 public:
  Status Emit(columnar::DataBatch batch) override {
    const auto* times = batch.records()->column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
    for (std::int64_t i = 0; i < batch.num_rows(); ++i) Add(std::to_string(times[i]));
    return Status::OK();
  }
  Status EmitWatermark(columnar::Watermark watermark) override {
    Add("w" + std::to_string(watermark.event_time_ms));
    return Status::OK();
  }
  Status EmitStatus(columnar::WatermarkStatus status) override {
    Add(status.idle ? "i" : "a");
    return Status::OK();
  }
  std::string Take() { return std::exchange(text_, {}); }

 private:
  void Add(const std::string& text) { text_ += (text_.empty() ? "" : " ") + text; }
  std::string text_;
};

columnar::DataBatch Times(const std::vector<std::int64_t>& times) {
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(times).ok());
  return columnar::DataBatch(arrow::RecordBatch::Make(arrow::schema({arrow::field("t", arrow::int64())}),
                                                      static_cast<std::int64_t>(times.size()), {builder.Finish().ValueOrDie()}));
}

class CustomWatermarksTest : public testing::Test {
 protected:
  void SetUp() override { pool_ = StartWorkerPool(TestPoolOptions()).ValueOrDie(); }
  void Make(std::size_t splits, std::uint64_t idle_after_ms = 0, std::uint64_t period_ms = 0, bool columns = false) {
    plan::EventTimeSpec spec;
    spec.strategy = plan::EventTimeSpec::Strategy::kCustom;
    spec.timestamp = plan::Expression::Column("t");
    spec.idle_after_ms = idle_after_ms;
    spec.generator = {PickledFunction(kNewest), "Newest", {}, period_ms};
    if (columns)
      spec.generator.columns = {plan::Expression::Call("multiply", {plan::Expression::Column("t"), plan::Expression::Column("t")})};
    auto made = CustomWatermarks::Make(spec, Times({}).records()->schema(), pool_.get(), 0, OperatorUid("uid"));
    ASSERT_TRUE(made.ok()) << made.status();
    op_ = std::move(*made);
    if (splits > 0) op_->times()->FollowSplits();
    for (std::size_t i = 0; i < splits; ++i) op_->times()->AddSplit("s" + std::to_string(i));
    op::OperatorContext context;
    context.waker = &waker_;
    context.clock = &clock_;
    ASSERT_TRUE(op_->Open(context).ok());
  }
  void Note(std::vector<connector::SplitRun> runs, std::vector<std::uint32_t> ended = {}) {
    op_->times()->NoteSplits({std::move(runs), std::move(ended)});
  }
  Status Give(const std::vector<std::int64_t>& times) { return op_->Process(0, Times(times), &out_); }
  /// Until nothing is outstanding, and what is due is said.
  std::string Settle() {
    Status status;
    EXPECT_TRUE(waker_.WaitUntil([&] {
      status = op_->Poll(&out_);
      return !status.ok() || !op_->busy();
    }));
    for (int i = 0; i < 2 && status.ok(); ++i) status = op_->Poll(&out_);
    EXPECT_TRUE(status.ok()) << status;
    return out_.Take();
  }
  WaitableWaker waker_;
  ManualClock clock_;
  Recorder out_;
  std::unique_ptr<WorkerPool> pool_;
  std::unique_ptr<CustomWatermarks> op_;
};

TEST_F(CustomWatermarksTest, AWatermarkStandsBehindItsBatch) {
  Make(0);
  ASSERT_TRUE(Give({7, 3, 4}).ok());
  EXPECT_EQ(Settle(), "7 3 4 w3");
  ASSERT_TRUE(Give({2}).ok());
  EXPECT_EQ(Settle(), "2") << "a watermark that goes back says nothing";
  ASSERT_TRUE(Give({9, 5}).ok());
  EXPECT_EQ(Settle(), "9 5") << "None says nothing";
}

TEST_F(CustomWatermarksTest, EachSplitHasAGeneratorAndTheLeastCounts) {
  Make(2, 0, 0, /*columns=*/true);
  Note({{0, 2}, {1, 1}, {0, 1}});
  ASSERT_TRUE(Give({100, 101, 7, 103}).ok());
  EXPECT_EQ(Settle(), "100 101 7 103 w6");
  Note({{1, 1}}, {1});
  ASSERT_TRUE(Give({8}).ok());
  EXPECT_EQ(Settle(), "8 w102") << "a split that has ended holds nothing back";
}

// The end of a split is known as soon as its source says so, while its last rows are still with the worker.
TEST_F(CustomWatermarksTest, AnEndedSplitHoldsTheWatermarkUntilItsRowsAreBack) {
  Make(2);
  Note({{0, 1}});
  ASSERT_TRUE(Give({100}).ok());
  Note({{1, 1}}, {1});
  ASSERT_TRUE(Give({7}).ok());
  EXPECT_EQ(Settle(), "100 7 w99");
}

TEST_F(CustomWatermarksTest, RowsThatAreWithTheWorkerKeepTheirSplitAwake) {
  Make(2, /*idle_after_ms=*/20);
  Note({{0, 1}});
  ASSERT_TRUE(Give({100}).ok());
  EXPECT_EQ(Settle(), "100");
  Note({{1, 1}});
  ASSERT_TRUE(Give({7}).ok());
  op_->times()->RowsAreAhead();
  for (int i = 0; i < 50; ++i) {
    clock_.Advance(std::chrono::milliseconds(1));
    ASSERT_TRUE(op_->times()->Poll(&out_).ok());  // as a task would, were the worker slow
  }
  EXPECT_EQ(out_.Take(), "") << "the first split alone became idle, and the other one has no watermark yet";
  EXPECT_EQ(Settle(), "7 w6");
}

TEST_F(CustomWatermarksTest, TheClockAsksEachSplitThatIsLive) {
  Make(2, /*idle_after_ms=*/0, /*period_ms=*/10);
  Note({{0, 1}});
  ASSERT_TRUE(Give({3}).ok());
  EXPECT_EQ(Settle(), "3");
  EXPECT_LE(op_->next_poll(), clock_.Now() + std::chrono::milliseconds(10));
  clock_.Advance(std::chrono::milliseconds(10));
  ASSERT_TRUE(op_->Poll(&out_).ok());
  EXPECT_EQ(Settle(), "w1000") << "the second split was never given rows, the first once";
}

TEST_F(CustomWatermarksTest, ManyBatchesKeepTheirOrderAndTheirSplits) {
  Make(3);
  std::string rows;
  for (std::int64_t i = 0; i < 300; ++i) {
    Note({{static_cast<std::uint32_t>(i % 3), 1}, {static_cast<std::uint32_t>((i + 1) % 3), 1}});
    ASSERT_TRUE(Give({1000 + i, 1000 + i}).ok());
    rows += std::string(rows.empty() ? "" : " ") + std::to_string(1000 + i) + " " + std::to_string(1000 + i);
    ASSERT_TRUE(op_->Poll(&out_).ok());
  }
  std::string text = out_.Take();
  text += " " + Settle();
  std::string without_marks;
  std::int64_t watermark = 0, newest[3] = {0, 0, 0}, seen = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    at = end + 1;
    if (word.empty()) continue;
    if (word[0] == 'w') {
      watermark = std::stoll(word.substr(1));
      EXPECT_LE(watermark, std::min({newest[0], newest[1], newest[2]}) - 1);
      continue;
    }
    without_marks += (without_marks.empty() ? "" : " ") + word;
    const std::int64_t row = seen++;
    newest[(row / 2 + row % 2) % 3] = std::stoll(word);
  }
  EXPECT_EQ(without_marks, rows);
  EXPECT_EQ(watermark, 1000 + 298 - 1);
}

TEST_F(CustomWatermarksTest, WhatItRaisesNamesTheUsersLine) {
  Make(0);
  ASSERT_TRUE(Give({666}).ok());
  Status status;
  ASSERT_TRUE(waker_.WaitUntil([&] { return !(status = op_->Poll(&out_)).ok(); }));
  EXPECT_NE(status.ToString().find("no such day"), std::string::npos) << status;
  EXPECT_NE(status.ToString().find("split 0, 1 times from 666 to 666"), std::string::npos) << status;
}

}  // namespace
}  // namespace headrace::data::python
