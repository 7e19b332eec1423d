#include "data/python/keyed_process.h"

#include <arrow/array/builder_primitive.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "columnar/key_encoding.h"
#include "data/python/tests/worker_support.h"

namespace headrace::data::python {
namespace {

/// Keeps what an operator emits, in order.
class Kept final : public op::Collector {
 public:
  Status Emit(columnar::DataBatch batch) override {
    rows += batch.num_rows();
    for (const std::string& row : Rows(batch)) texts.push_back(row);
    return Status::OK();
  }
  Status EmitWatermark(columnar::Watermark watermark) override {
    watermarks.emplace_back(watermark.event_time_ms, rows);
    return Status::OK();
  }
  std::int64_t rows = 0;
  std::vector<std::string> texts;
  std::vector<std::pair<std::int64_t, std::int64_t>> watermarks;  // and the rows before each
};

columnar::DataBatch Numbers(std::int64_t first, std::int64_t count) {
  arrow::Int64Builder builder;
  for (std::int64_t i = 0; i < count; ++i) EXPECT_TRUE(builder.Append(first + i).ok());
  const auto values = builder.Finish().ValueOrDie();
  return columnar::MakeValueBatch(columnar::ValueForm::kInt64, values, columnar::EncodeKeyColumn(*values).ValueOrDie()).ValueOrDie();
}

class KeyedProcessTest : public ::testing::Test {
 protected:
  void SetUp() override { pool_ = StartWorkerPool(TestPoolOptions()).ValueOrDie(); }

  void Open(const std::string& source, std::vector<plan::StateDeclaration> states = {}) {
    plan::ProcessSpec spec;
    spec.states = std::move(states);
    op_ = std::make_unique<KeyedProcess>(pool_.get(), Function(Verb::kMap, "fn", source), 0, spec,
                                         std::vector<std::shared_ptr<arrow::Schema>>{nullptr});
    op::OperatorContext context;
    context.waker = &waker_;
    context.clock = &clock_;
    ASSERT_TRUE(op_->Open(context).ok());
  }
  /// Steps until the operator has nothing outstanding.
  void Settle() {
    ASSERT_TRUE(waker_.WaitUntil([&] {
      status_ = op_->Poll(&out_);
      return !status_.ok() || !op_->busy();
    }));
    ASSERT_TRUE(status_.ok()) << status_;
  }

  std::unique_ptr<WorkerPool> pool_;
  WaitableWaker waker_;
  ManualClock clock_;
  std::unique_ptr<KeyedProcess> op_;
  Kept out_;
  Status status_;
};

constexpr char kTimers[] = R"(
from headrace import KeyedProcessFunction
class F(KeyedProcessFunction):
    def process(self, row, ctx):
        ctx.timers.register_event_time(row % 7)
    def on_timer(self, time, ctx):
        yield ctx.current_key
f = F()
)";

TEST_F(KeyedProcessTest, ABarrierMayPassBetweenSlicesOfTimersAndTheWatermarkComesLast) {
  Open(kTimers);
  constexpr std::int64_t kRows = 40'000;
  for (std::int64_t at = 0; at < kRows; at += 4000) {
    ASSERT_TRUE(op_->Process(0, Numbers(at, 4000), &out_).ok());
    Settle();
  }
  ASSERT_EQ(out_.rows, 0);
  ASSERT_TRUE(op_->OnWatermark({100}, &out_).ok());
  int gaps = 0;
  ASSERT_TRUE(waker_.WaitUntil([&] {
    // As the task does: steps go on while something is due without an answer to wait for.
    do {
      status_ = op_->Poll(&out_);
      if (!op_->busy() && out_.watermarks.empty()) {
        ++gaps;
        EXPECT_FALSE(op_->accepting()) << "rows behind the watermark must wait for its timers";
      }
    } while (status_.ok() && out_.watermarks.empty() && op_->next_poll() <= clock_.Now());
    return !status_.ok() || !out_.watermarks.empty();
  }));
  ASSERT_TRUE(status_.ok()) << status_;
  EXPECT_GT(gaps, 1);
  EXPECT_EQ(out_.watermarks, (std::vector<std::pair<std::int64_t, std::int64_t>>{{100, kRows}}));
  EXPECT_TRUE(op_->accepting());
}

std::int64_t ThreadNanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

TEST_F(KeyedProcessTest, AMillionDueTimersBlockNeitherTheTaskNorBarriers) {
#ifdef NDEBUG
  constexpr std::int64_t kTimersDue = 1'000'000;
#else
  constexpr std::int64_t kTimersDue = 50'000;
#endif
  Open(kTimers);
  for (std::int64_t at = 0; at < kTimersDue; at += 5000) {
    ASSERT_TRUE(op_->Process(0, Numbers(at, 5000), &out_).ok());
    Settle();
  }
  ASSERT_TRUE(op_->OnWatermark({100}, &out_).ok());
  // Busy without a break: the task's thread by its own time, and the time between two moments at which a barrier can pass.
  std::int64_t slices = 0;
  std::vector<std::int64_t> steps, waits;
  MonotonicTime free_at = SystemClock().Now();
  ASSERT_TRUE(waker_.WaitUntil([&] {
    do {
      const std::int64_t before = ThreadNanoseconds();
      status_ = op_->Poll(&out_);
      steps.push_back(ThreadNanoseconds() - before);
      if (op_->busy()) continue;
      const MonotonicTime now = SystemClock().Now();
      waits.push_back((now - free_at).count());
      free_at = now;
      ++slices;
    } while (status_.ok() && out_.watermarks.empty() && op_->next_poll() <= clock_.Now());
    return !status_.ok() || !out_.watermarks.empty();
  }));
  ASSERT_TRUE(status_.ok()) << status_;
  EXPECT_EQ(out_.watermarks, (std::vector<std::pair<std::int64_t, std::int64_t>>{{100, kTimersDue}})) << "it comes behind all of them";
  std::sort(waits.begin(), waits.end());
  std::sort(steps.begin(), steps.end());
  fmt::print("{} due timers: {} slices; a barrier waits {:.1f} ms in the median, {:.1f} ms at most; longest step of the task {:.1f} ms\n",
             kTimersDue, slices, static_cast<double>(waits[waits.size() / 2]) / 1e6, static_cast<double>(waits.back()) / 1e6,
             static_cast<double>(steps.back()) / 1e6);
  EXPECT_GE(slices, kTimersDue / KeyedProcess::kTripRows);
#ifdef NDEBUG
  // The longest may have met a neighbour's fault of memory.
  EXPECT_LE(steps[steps.size() - 1 - steps.size() / 50], KeyedProcess::kSliceNanoseconds) << "nanoseconds of the task's own";
#endif
}

TEST_F(KeyedProcessTest, ProcessingTimersFireByTheClock) {
  Open(R"(
from headrace import KeyedProcessFunction
class F(KeyedProcessFunction):
    def process(self, row, ctx):
        ctx.timers.register_processing_time(ctx.timers.current_processing_time + 1000 * row)
    def on_timer(self, time, ctx):
        yield ctx.current_key
f = F()
)");
  ASSERT_TRUE(op_->Process(0, Numbers(1, 3), &out_).ok());
  Settle();
  EXPECT_EQ(op_->next_poll(), clock_.Now() + std::chrono::seconds(1));
  clock_.Advance(std::chrono::milliseconds(2000));
  ASSERT_TRUE(op_->Poll(&out_).ok());
  Settle();
  EXPECT_EQ(out_.texts, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(op_->next_poll(), clock_.Now() + std::chrono::seconds(1));
  // The end of the input does not wait for the clock.
  ASSERT_TRUE(op_->Finish(&out_).ok());
  EXPECT_FALSE(op_->busy());
}

TEST_F(KeyedProcessTest, StatesOfManyKeysAreCutIntoTrips) {
  Open(R"(
from headrace import KeyedProcessFunction, ListState
class F(KeyedProcessFunction):
    large = ListState("large")
    def process(self, row, ctx):
        if not self.large.get():
            self.large.add("x" * 9_000_000)
        yield len(self.large.get()[0])
f = F()
)",
       {{"large", plan::StateDeclaration::Kind::kList, 0, false}});
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(op_->Process(0, Numbers(0, 20), &out_).ok());
    Settle();
  }
  EXPECT_EQ(out_.rows, 40);
  EXPECT_TRUE(std::all_of(out_.texts.begin(), out_.texts.end(), [](const std::string& text) { return text == "9000000"; }));
}

TEST_F(KeyedProcessTest, AKeyIsInOneTripAtATime) {
  Open(R"(
from headrace import KeyedProcessFunction, ValueState
class F(KeyedProcessFunction):
    count = ValueState("count", default=0)
    def process(self, row, ctx):
        self.count.update(self.count.value() + 1)
        yield self.count.value()
f = F()
)",
       {{"count", plan::StateDeclaration::Kind::kValue, 0, false}});
  for (int round = 0; round < 50; ++round) {
    ASSERT_TRUE(waker_.WaitUntil([&] {
      status_ = op_->Poll(&out_);
      return !status_.ok() || op_->accepting();
    }));
    ASSERT_TRUE(op_->Process(0, Numbers(0, 100), &out_).ok());
  }
  Settle();
  ASSERT_EQ(out_.rows, 5000);
  EXPECT_EQ(std::count(out_.texts.begin(), out_.texts.end(), "50"), 100);
}

}  // namespace
}  // namespace headrace::data::python
