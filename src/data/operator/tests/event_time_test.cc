#include "data/operator/event_time.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "data/time/event_time_progress.h"

namespace headrace::data::op {
namespace {

using Strategy = plan::EventTimeSpec::Strategy;
using Maybe = std::optional<std::int64_t>;

std::shared_ptr<arrow::Schema> RowsSchema() {
  return arrow::schema({arrow::field("t", arrow::int64()), arrow::field("wm", arrow::int64())});
}

std::shared_ptr<arrow::Array> Column(const std::vector<Maybe>& values) {
  arrow::Int64Builder builder;
  for (const Maybe& value : values) EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
  return builder.Finish().ValueOrDie();
}

columnar::DataBatch Rows(const std::vector<Maybe>& times, std::vector<Maybe> marks = {}) {
  marks.resize(times.size());
  return columnar::DataBatch(
      arrow::RecordBatch::Make(RowsSchema(), static_cast<std::int64_t>(times.size()), {Column(times), Column(marks)}));
}

/// What was emitted, in short: times of rows, "w5" a watermark, "i"/"a" idle/active.
class Recorder final : public Collector {
 public:
  Status Emit(columnar::DataBatch batch) override {
    const auto* times = batch.records()->column_data(batch.event_time_column())->GetValues<std::int64_t>(1);
    for (std::int64_t i = 0; i < batch.num_rows(); ++i) {
      late += times[i] <= watermark_ms ? 1 : 0;
      Add(std::to_string(times[i]));
    }
    return Status::OK();
  }
  Status EmitWatermark(columnar::Watermark watermark) override {
    EXPECT_GT(watermark.event_time_ms, watermark_ms);
    watermark_ms = watermark.event_time_ms;
    Add("w" + std::to_string(watermark_ms));
    return Status::OK();
  }
  Status EmitStatus(columnar::WatermarkStatus status) override {
    Add(status.idle ? "i" : "a");
    return Status::OK();
  }
  std::string Take() { return std::exchange(text_, {}); }
  std::int64_t watermark_ms = std::numeric_limits<std::int64_t>::min();
  int late = 0;

 private:
  void Add(const std::string& text) { text_ += (text_.empty() ? "" : " ") + text; }
  std::string text_;
};

class EventTimeTest : public testing::Test {
 protected:
  void Make(Strategy strategy, std::uint64_t bound_ms = 0, std::uint64_t idle_after_ms = 0, std::size_t splits = 0) {
    plan::EventTimeSpec spec;
    spec.strategy = strategy;
    spec.bound_ms = bound_ms;
    spec.idle_after_ms = idle_after_ms;
    spec.timestamp = plan::Expression::Column("t");
    if (strategy == Strategy::kPunctuated) spec.watermark = plan::Expression::Column("wm");
    op_ = EventTimeOperator::Make(spec, RowsSchema()).ValueOrDie();
    if (splits > 0) op_->FollowSplits();
    for (std::size_t i = 0; i < splits; ++i) op_->AddSplit("s" + std::to_string(i));
    OperatorContext context;
    context.clock = &clock_;
    ASSERT_TRUE(op_->Open(context).ok());
  }
  /// In the alignment group "g", at most 100 ms ahead; not opened yet.
  void MakeAligned() {
    plan::EventTimeSpec spec;
    spec.strategy = Strategy::kMonotonous;
    spec.timestamp = plan::Expression::Column("t");
    spec.alignment_group = "g";
    spec.max_drift_ms = 100;
    spec.idle_after_ms = 50;
    op_ = EventTimeOperator::Make(spec, RowsSchema()).ValueOrDie();
  }
  /// One batch with none behind it.
  Status Process(columnar::DataBatch batch) {
    HR_RETURN_NOT_OK(op_->Process(0, std::move(batch), &out_));
    HR_RETURN_NOT_OK(op_->Poll(&out_));
    return op_->Poll(&out_);
  }
  /// A batch of one split, as its source tells of it.
  std::string Give(std::uint32_t split, const std::vector<Maybe>& times, std::vector<std::uint32_t> ended = {}) {
    op_->NoteSplits({{{split, static_cast<std::int64_t>(times.size())}}, std::move(ended)});
    EXPECT_TRUE(Process(Rows(times)).ok());
    return out_.Take();
  }
  std::string Wait(std::int64_t ms) {
    for (; ms > 0; --ms) {
      clock_.Advance(std::chrono::milliseconds(1));
      EXPECT_TRUE(op_->Poll(&out_).ok());
    }
    return out_.Take();
  }
  ManualClock clock_;
  std::unique_ptr<EventTimeOperator> op_;
  Recorder out_;
};

TEST_F(EventTimeTest, UnderLoadWatermarksAreAFewMillisecondsApart) {
  Make(Strategy::kMonotonous);
  clock_.Advance(std::chrono::seconds(1));
  const auto next_batch = [&](std::int64_t time) {
    EXPECT_TRUE(op_->Process(0, Rows({time}), &out_).ok());
    EXPECT_TRUE(op_->Poll(&out_).ok());  // before the next batch, which is there already
    return out_.Take();
  };
  EXPECT_EQ(next_batch(1), "1 w0");
  EXPECT_EQ(next_batch(2), "2");
  EXPECT_LE(op_->next_poll(), clock_.Now());
  clock_.Advance(std::chrono::milliseconds(5));
  EXPECT_EQ(next_batch(3), "3 w2");
  EXPECT_EQ(next_batch(4), "4");
  ASSERT_TRUE(op_->Poll(&out_).ok());
  EXPECT_EQ(out_.Take(), "w3") << "no rows wait behind it";
  EXPECT_EQ(next_batch(5), "5");
  ASSERT_TRUE(op_->Flush(&out_).ok());
  EXPECT_EQ(out_.Take(), "w4") << "before a barrier or the end";
}

TEST_F(EventTimeTest, BoundedWatermarksStandBehindTheBatch) {
  Make(Strategy::kBounded, 5);
  ASSERT_TRUE(Process(Rows({1, 20, 16})).ok());
  EXPECT_EQ(out_.Take(), "1 20 16 w14");
  ASSERT_TRUE(Process(Rows({15, 19})).ok());
  EXPECT_EQ(out_.Take(), "15 19");
}

TEST_F(EventTimeTest, APunctuationStandsBehindItsRow) {
  Make(Strategy::kPunctuated);
  ASSERT_TRUE(Process(Rows({1, 2, 3, 4}, {{}, 2, 1, {}})).ok());
  EXPECT_EQ(out_.Take(), "1 2 w2 3 4");
  ASSERT_TRUE(Process(Rows({9, 1}, {2, 7})).ok());
  EXPECT_EQ(out_.Take(), "9 1 w7");
}

TEST_F(EventTimeTest, ARowWithoutTimestampIsRefused) {
  Make(Strategy::kMonotonous);
  const Status status = Process(Rows({1, {}}));
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find("null"), std::string::npos) << status.message();
}

TEST_F(EventTimeTest, TheSlowestSplitHoldsTheWatermarkUntilItEnds) {
  Make(Strategy::kMonotonous, 0, 0, 2);
  EXPECT_EQ(Give(0, {10, 20}), "10 20");
  EXPECT_EQ(Give(1, {5}), "5 w4");
  EXPECT_EQ(Give(1, {6}, {1}), "6 w19");
  EXPECT_EQ(Give(0, {30}, {0}), "30 w29 i");
}

TEST_F(EventTimeTest, WithoutSplitsItIsIdleAtOnce) {
  plan::EventTimeSpec spec;
  spec.strategy = Strategy::kMonotonous;
  op_ = EventTimeOperator::Make(spec, nullptr).ValueOrDie();
  op_->FollowSplits();
  ASSERT_TRUE(op_->Open({}).ok());
  ASSERT_TRUE(op_->Poll(&out_).ok());
  EXPECT_EQ(out_.Take(), "i");
  op_->AddSplit("late");
  ASSERT_TRUE(op_->Poll(&out_).ok());
  EXPECT_EQ(out_.Take(), "a");
}

TEST_F(EventTimeTest, AQuietSplitHoldsNothingBackUntilItHasRows) {
  Make(Strategy::kMonotonous, 0, /*idle_after_ms=*/100, 2);
  EXPECT_EQ(Give(0, {10}), "10");
  EXPECT_EQ(Wait(80), "");
  EXPECT_EQ(Give(0, {20}), "20");
  EXPECT_EQ(Wait(50), "w19");
  EXPECT_EQ(Wait(100), "i");
  EXPECT_EQ(Give(1, {15}), "a 15");
  EXPECT_EQ(Give(1, {40}), "40 w39");
}

TEST_F(EventTimeTest, AnOperatorThatWasHeldUpDoesNotTakeItsSplitsForIdle) {
  Make(Strategy::kMonotonous, 0, /*idle_after_ms=*/100, 2);
  EXPECT_EQ(Give(0, {10}), "10");
  clock_.Advance(std::chrono::seconds(60));
  ASSERT_TRUE(op_->Poll(&out_).ok());
  EXPECT_EQ(out_.Take(), "");
}

TEST_F(EventTimeTest, ASubtaskThatIsAheadOfItsGroupPausesUntilTheSlowestHasCaughtUp) {
  time::WatermarkAlignment alignment;
  const auto other = alignment.Join("g");
  MakeAligned();
  op_->Align();
  OperatorContext context;
  context.clock = &clock_;
  context.alignment = &alignment;
  ASSERT_TRUE(op_->Open(context).ok());
  ASSERT_TRUE(Process(Rows({1000})).ok());
  EXPECT_FALSE(op_->paused()) << "nobody else has a watermark";
  other->Set(800);
  EXPECT_EQ(Wait(200), "1000 w999") << "a source that is not read is not idle";
  EXPECT_TRUE(op_->paused());
  EXPECT_LE(op_->next_poll(), clock_.Now() + std::chrono::milliseconds(20));
  other->Set(899);
  EXPECT_EQ(Wait(1), "");
  EXPECT_FALSE(op_->paused());
  other->Set(5000);
  EXPECT_EQ(alignment.Least("g"), 999);
  EXPECT_EQ(Wait(100), "i");
  EXPECT_EQ(alignment.Least("g"), 5000) << "who is idle does not count";
  ASSERT_TRUE(Process(Rows({1200})).ok());
  EXPECT_EQ(alignment.Least("g"), 1199);
  // Watermarks leave some ms apart; how far the source has read counts at once.
  ASSERT_TRUE(op_->Process(0, Rows({5200}), &out_).ok());
  EXPECT_TRUE(op_->paused());
  ASSERT_TRUE(op_->Finish(&out_).ok());
  EXPECT_EQ(alignment.Least("g"), 5000) << "nor who has ended";
}

/// A source whose splits can be paused one by one: each has a row for every 10 ms of event time, and each poll gives one of every split
/// that is read.
class FakeSplits {
 public:
  FakeSplits(EventTimeOperator* op, std::vector<std::int64_t> starts) : op_(op), next_(std::move(starts)), paused_(next_.size()) {}
  Status Poll(Collector* out) {
    if (const auto paused = op_->TakePaused()) paused_ = *paused;
    std::vector<Maybe> times;
    connector::SplitNews news;
    for (std::uint32_t i = 0; i < next_.size(); ++i) {
      if (paused_[i]) continue;
      times.push_back(next_[i] += 10);
      news.runs.push_back({i, 1});
    }
    if (!times.empty()) {
      op_->NoteSplits(std::move(news));
      HR_RETURN_NOT_OK(op_->Process(0, Rows(times), out));
    }
    return op_->Poll(out);
  }
  const std::vector<std::int64_t>& newest() const { return next_; }
  const std::vector<bool>& paused() const { return paused_; }

 private:
  EventTimeOperator* op_;
  std::vector<std::int64_t> next_;
  std::vector<bool> paused_;
};

TEST_F(EventTimeTest, ASplitThatIsAheadWaitsAloneAndIsNotIdle) {
  time::WatermarkAlignment alignment;
  time::EventTimeProgress progress;
  MakeAligned();
  op_->FollowSplits();
  op_->Align();
  op_->PauseSplits();
  op_->AddSplit("slow");
  op_->AddSplit("fast");
  OperatorContext context;
  context.clock = &clock_;
  context.alignment = &alignment;
  context.event_time = &progress;
  ASSERT_TRUE(op_->Open(context).ok());
  FakeSplits source(op_.get(), {0, 1000});
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(source.Poll(&out_).ok());
    clock_.Advance(std::chrono::milliseconds(5));
    EXPECT_FALSE(op_->paused()) << "the slow split goes on";
  }
  EXPECT_EQ(source.newest(), (std::vector<std::int64_t>{500, 1010})) << "the fast split gave one row, which told how far it is";
  EXPECT_EQ(alignment.Least("g"), 499) << "who waits holds nobody back";
  EXPECT_EQ(progress.report().paused, std::vector<std::string>{"fast"});
  EXPECT_EQ(progress.report().held_by, "slow");
  EXPECT_LE(op_->next_poll(), clock_.Now() + std::chrono::milliseconds(20));
  // Were it idle, watermarks would run away from the rows that it still has.
  for (int i = 0; i < 41; ++i) ASSERT_TRUE(source.Poll(&out_).ok());
  EXPECT_EQ(source.newest(), (std::vector<std::int64_t>{910, 1010}));
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(source.Poll(&out_).ok());
  EXPECT_EQ(source.newest()[0], 2910);
  EXPECT_GE(source.newest()[1], 2910 + 90) << "it goes on as far as the drift lets it";
  EXPECT_LE(source.newest()[1], 2910 + 110);
  EXPECT_EQ(out_.late, 0);
  // Another source of the group, far behind, stops both.
  const auto other = alignment.Join("g");
  other->Set(5);
  ASSERT_TRUE(source.Poll(&out_).ok());
  EXPECT_TRUE(op_->paused());
  EXPECT_EQ(progress.report().paused, (std::vector<std::string>{"slow", "fast"}));
}

TEST_F(EventTimeTest, TheSplitThatHoldsBackIsNamedSinceItIsThatOne) {
  time::EventTimeProgress progress;
  plan::EventTimeSpec spec;
  spec.strategy = Strategy::kMonotonous;
  spec.timestamp = plan::Expression::Column("t");
  op_ = EventTimeOperator::Make(spec, RowsSchema()).ValueOrDie();
  op_->FollowSplits();
  op_->AddSplit("s0");
  op_->AddSplit("s1");
  OperatorContext context;
  context.clock = &clock_;
  context.event_time = &progress;
  ASSERT_TRUE(op_->Open(context).ok());
  Wait(1);
  const std::int64_t start_ms = clock_.WallTimeMs();
  EXPECT_EQ(progress.report().held_by, "s0");
  EXPECT_EQ(progress.report().held_at_ms, std::nullopt);
  clock_.Advance(std::chrono::milliseconds(5));
  Give(0, {10});
  EXPECT_EQ(progress.report().held_by, "s1");
  EXPECT_EQ(progress.report().held_since_wall_ms, start_ms + 5);
  clock_.Advance(std::chrono::milliseconds(5));
  Give(1, {4});
  EXPECT_EQ(progress.report().held_by, "s1");
  EXPECT_EQ(progress.report().held_at_ms, 3);
  EXPECT_EQ(progress.report().held_since_wall_ms, start_ms + 5) << "it still is that one";
}

TEST_F(EventTimeTest, RowsWithinTheBoundAreNeverLateHoweverSplitsInterleaveAndBatchesAreCut) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const std::size_t splits = 1 + random() % 4;
    constexpr std::int64_t kBound = 10;
    out_ = Recorder();
    Make(Strategy::kBounded, kBound, 0, splits);
    std::vector<std::vector<std::int64_t>> left(splits);
    std::int64_t least_newest = std::numeric_limits<std::int64_t>::max();
    for (auto& rows : left) {
      std::int64_t newest = static_cast<std::int64_t>(random() % 1000);
      for (int i = 0; i < 60; ++i) {
        rows.push_back(newest - static_cast<std::int64_t>(random() % (kBound + 1)));
        newest = std::max(newest, rows.back()) + static_cast<std::int64_t>(random() % 8);
        rows.push_back(newest);
      }
      least_newest = std::min(least_newest, newest);
    }
    while (std::any_of(left.begin(), left.end(), [](const auto& rows) { return !rows.empty(); })) {
      std::vector<connector::SplitRun> runs;
      std::vector<Maybe> times;
      for (std::size_t pieces = 1 + random() % 3; pieces > 0; --pieces) {
        const std::size_t split = random() % splits;
        const std::size_t rows = std::min<std::size_t>(left[split].size(), 1 + random() % 9);
        for (std::size_t i = 0; i < rows; ++i) times.push_back(left[split][i]);
        left[split].erase(left[split].begin(), left[split].begin() + static_cast<std::ptrdiff_t>(rows));
        if (rows > 0) runs.push_back({static_cast<std::uint32_t>(split), static_cast<std::int64_t>(rows)});
      }
      if (times.empty()) continue;
      op_->NoteSplits({std::move(runs), {}});
      const auto cut = times.begin() + static_cast<std::ptrdiff_t>(random() % times.size());
      if (cut != times.begin()) {
        ASSERT_TRUE(Process(Rows(std::vector<Maybe>(times.begin(), cut))).ok());
      }
      ASSERT_TRUE(Process(Rows(std::vector<Maybe>(cut, times.end()))).ok());
    }
    EXPECT_EQ(out_.late, 0);
    EXPECT_EQ(out_.watermark_ms, least_newest - kBound - 1);
  }
}

}  // namespace
}  // namespace headrace::data::op
