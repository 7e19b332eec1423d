#include "data/window/local_aggregate.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "data/window/window_aggregate.h"

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

const auto& Input() {
  static const auto schema = arrow::schema({arrow::field("v", arrow::int64()), arrow::field("k", arrow::utf8()),
                                            arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), false)});
  return schema;
}

struct Row {
  std::string key;
  std::int64_t value, time;
};

columnar::DataBatch Batch(const std::vector<Row>& rows) {
  arrow::StringBuilder keys;
  arrow::Int64Builder values, times;
  for (const Row& row : rows) {
    // An empty key and a value of 0 stand for null.
    EXPECT_TRUE((row.key.empty() ? keys.AppendNull() : keys.Append(row.key)).ok());
    EXPECT_TRUE((row.value == 0 ? values.AppendNull() : values.Append(row.value)).ok());
    EXPECT_TRUE(times.Append(row.time).ok());
  }
  return columnar::DataBatch(
      arrow::RecordBatch::Make(Input(), static_cast<std::int64_t>(rows.size()),
                               {values.Finish().ValueOrDie(), keys.Finish().ValueOrDie(), times.Finish().ValueOrDie()}));
}

plan::AggregateSpec Spec() {
  plan::AggregateSpec spec;
  spec.keys = {"k"};
  spec.window.kind = plan::Window::Kind::kSliding;
  spec.window.size_ms = 20;
  spec.window.slide_ms = 10;
  for (const char* name : {"count", "sum", "min", "max", "avg"}) {
    plan::AggregateCall call;
    call.name = call.function = name;
    if (call.name != "count") call.arguments.push_back(plan::Expression::Column("v"));
    spec.calls.push_back(std::move(call));
  }
  return spec;
}

std::shared_ptr<arrow::Schema> Output() {
  const auto time = arrow::timestamp(arrow::TimeUnit::MILLI, "UTC");
  return arrow::schema({arrow::field("k", arrow::utf8()), arrow::field("window_start", time, false),
                        arrow::field("window_end", time, false), arrow::field("count", arrow::int64(), false),
                        arrow::field("sum", arrow::int64()), arrow::field("min", arrow::int64()), arrow::field("max", arrow::int64()),
                        arrow::field("avg", arrow::float64())});
}

/// Rows as text, sorted.
std::multimap<std::string, int> Text(const std::vector<columnar::DataBatch>& batches) {
  std::multimap<std::string, int> rows;
  for (const auto& batch : batches) {
    for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
      std::string text;
      for (int c = 0; c < batch.records()->num_columns(); ++c)
        text += batch.records()->column(c)->GetScalar(row).ValueOrDie()->ToString() + "|";
      rows.emplace(text, 0);
    }
  }
  return rows;
}

/// With and without the step in front, late rows included, the windows are the same.
TEST(LocalAggregate, ChangesNoResult) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    auto plain = WindowAggregate::Make(Spec(), Input(), Output()).ValueOrDie(),
         behind = WindowAggregate::Make(Spec(), Input(), Output()).ValueOrDie();
    auto local = LocalAggregate::Make(Spec(), Input()).ValueOrDie();
    ASSERT_NE(local, nullptr);
    for (auto* op : {plain.get(), behind.get(), local.get()}) ASSERT_TRUE(op->Open({}).ok());
    Collected expected, between, got;
    const auto pass_on = [&] {
      for (auto& batch : std::exchange(between.batches, {})) ASSERT_TRUE(behind->Process(0, std::move(batch), &got).ok());
    };
    std::int64_t now = 0, watermark = 0, rows_in = 0, rows_between = 0;
    for (int step = 0; step < 100; ++step) {
      std::vector<Row> rows;
      for (std::uint64_t i = random() % 200; i-- > 0;) {
        now += static_cast<std::int64_t>(random() % 40 == 0);
        rows.push_back({random() % 9 == 0 ? "" : "key" + std::to_string(random() % 5), static_cast<std::int64_t>(random() % 50) - 25,
                        now - static_cast<std::int64_t>(random() % (random() % 20 == 0 ? 60 : 5))});
      }
      rows_in += static_cast<std::int64_t>(rows.size());
      ASSERT_TRUE(plain->Process(0, Batch(rows), &expected).ok());
      ASSERT_TRUE(local->Process(0, Batch(rows), &between).ok());
      if (random() % 7 == 0) {
        ASSERT_TRUE(local->OnBarrier({1, 0}).ok());
        if (local->busy()) {
          ASSERT_TRUE(local->Poll(&between).ok());
        }
        EXPECT_FALSE(local->busy());
      }
      for (const auto& batch : between.batches) rows_between += batch.num_rows();
      if (random() % 2 == 0) {
        watermark = std::max(watermark, now - static_cast<std::int64_t>(random() % 12));
        ASSERT_TRUE(local->OnWatermark({watermark}, &between).ok());
        pass_on();
        for (auto* op : {plain.get(), behind.get()}) {
          Collected* out = op == plain.get() ? &expected : &got;
          ASSERT_TRUE(op->OnWatermark({watermark}, out).ok());
          while (op->busy()) ASSERT_TRUE(op->Poll(out).ok());
        }
      }
      pass_on();
    }
    ASSERT_TRUE(local->Finish(&between).ok());
    pass_on();
    for (auto* op : {plain.get(), behind.get()}) {
      Collected* out = op == plain.get() ? &expected : &got;
      ASSERT_TRUE(op->Finish(out).ok());
      while (op->busy()) ASSERT_TRUE(op->Poll(out).ok());
    }
    ASSERT_FALSE(expected.batches.empty());
    ASSERT_EQ(Text(got.batches), Text(expected.batches)) << "seed " << seed;
    EXPECT_LT(rows_between, rows_in);
  }
}

/// Subtasks of one thread, each with its own rows, watermarks and turns.
struct Subtask {
  std::unique_ptr<op::Operator> local = LocalAggregate::Make(Spec(), Input()).ValueOrDie();
  std::uint64_t turn = 0;
  std::int64_t now = 0, said = -1, passed = -1;  // of event time; watermarks on their way, and gone on
  Collected out;

  void Open(const std::string& vertex) {
    op::OperatorContext context;
    context.turn = &turn;
    context.vertex = vertex;
    ASSERT_TRUE(local->Open(context).ok());
  }
  /// A turn: side work, then a watermark that has waited goes on.
  void Turn() {
    ++turn;
    ASSERT_TRUE(local->Poll(&out).ok());
    if (!local->busy()) passed = said;
  }
  void Say(std::int64_t watermark) {
    said = std::max(said, watermark);
    ASSERT_TRUE(local->OnWatermark({said}, &out).ok());
    if (!local->busy()) passed = said;
  }
};

std::int64_t RowsOf(const std::vector<columnar::DataBatch>& batches) {
  std::int64_t rows = 0;
  for (const auto& batch : batches) rows += batch.num_rows();
  return rows;
}

/// However turns, rows and watermarks of subtasks mix, windows behind them are as without the step, and no row becomes late.
TEST(LocalAggregate, SubtasksOfAThreadChangeNoResult) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    auto plain = WindowAggregate::Make(Spec(), Input(), Output()).ValueOrDie(),
         behind = WindowAggregate::Make(Spec(), Input(), Output()).ValueOrDie();
    for (auto* op : {plain.get(), behind.get()}) ASSERT_TRUE(op->Open({}).ok());
    std::vector<Subtask> subtasks(4);
    for (Subtask& subtask : subtasks) subtask.Open("changes no result/" + std::to_string(seed));
    Collected expected, got;
    std::int64_t watermark = -1, rows_in = 0, rows_between = 0;
    const auto pass_on = [&](Subtask& subtask) {
      rows_between += RowsOf(subtask.out.batches);
      for (auto& batch : std::exchange(subtask.out.batches, {})) ASSERT_TRUE(behind->Process(0, std::move(batch), &got).ok());
      std::int64_t least = subtasks.front().passed;
      for (const Subtask& other : subtasks) least = std::min(least, other.passed);
      if (least <= watermark) return;
      watermark = least;
      for (auto* op : {plain.get(), behind.get()}) {
        Collected* out = op == plain.get() ? &expected : &got;
        ASSERT_TRUE(op->OnWatermark({watermark}, out).ok());
        while (op->busy()) ASSERT_TRUE(op->Poll(out).ok());
      }
    };
    for (int step = 0; step < 600; ++step) {
      Subtask& subtask = subtasks[random() % subtasks.size()];
      subtask.Turn();
      pass_on(subtask);
      if (subtask.local->busy()) continue;
      std::vector<Row> rows;
      for (std::uint64_t i = random() % 200; i-- > 0;) {
        subtask.now += static_cast<std::int64_t>(random() % 40 == 0);
        // Some of them behind the subtask's own watermark: late for it, and not for the others.
        const auto back = static_cast<std::int64_t>(random() % (random() % 50 == 0 ? 30 : 5));
        rows.push_back({"key" + std::to_string(random() % 5), static_cast<std::int64_t>(random() % 50) + 1, subtask.now - back});
      }
      rows_in += static_cast<std::int64_t>(rows.size());
      ASSERT_TRUE(plain->Process(0, Batch(rows), &expected).ok());
      ASSERT_TRUE(subtask.local->Process(0, Batch(rows), &subtask.out).ok());
      pass_on(subtask);
      if (random() % 2 == 0) subtask.Say(subtask.now - 5);
      pass_on(subtask);
    }
    for (Subtask& subtask : subtasks) {
      for (int turns = 0; subtask.local->busy(); ++turns) {
        ASSERT_LT(turns, 10) << "a watermark waits for ever";
        for (Subtask& any : subtasks) {
          any.Turn();
          pass_on(any);
        }
      }
      ASSERT_TRUE(subtask.local->Finish(&subtask.out).ok());
      pass_on(subtask);
    }
    for (auto* op : {plain.get(), behind.get()}) {
      Collected* out = op == plain.get() ? &expected : &got;
      ASSERT_TRUE(op->Finish(out).ok());
      while (op->busy()) ASSERT_TRUE(op->Poll(out).ok());
    }
    ASSERT_FALSE(expected.batches.empty());
    ASSERT_EQ(Text(got.batches), Text(expected.batches)) << "seed " << seed;
    EXPECT_LT(rows_between, rows_in);
  }
}

TEST(LocalAggregate, SubtasksOfAThreadAddUpTogether) {
  std::vector<Subtask> subtasks(3);
  for (Subtask& subtask : subtasks) subtask.Open("together");
  for (Subtask& subtask : subtasks) {
    ASSERT_TRUE(subtask.local->Process(0, Batch({{"a", 1, 1}, {"b", 2, 2}}), &subtask.out).ok());
    subtask.Say(15);
    EXPECT_TRUE(subtask.local->busy());
  }
  for (Subtask& subtask : subtasks) subtask.Turn();
  std::int64_t rows = 0;
  for (Subtask& subtask : subtasks) {
    rows += RowsOf(subtask.out.batches);
    EXPECT_EQ(subtask.passed, 15);
  }
  EXPECT_EQ(rows, 2);
}

/// Windows go on without a subtask that is idle: what it holds would be late.
TEST(LocalAggregate, WhatIsHeldLeavesInFrontOfIdleness) {
  Subtask subtask;
  subtask.Open("idle");
  ASSERT_TRUE(subtask.local->Process(0, Batch({{"a", 1, 1}}), &subtask.out).ok());
  ASSERT_TRUE(subtask.local->OnWatermarkStatus({true}, &subtask.out).ok());
  EXPECT_EQ(RowsOf(subtask.out.batches), 1);
}

TEST(LocalAggregate, ASubtaskThatWasIdleDoesNotSpeakForOthers) {
  std::vector<Subtask> subtasks(2);
  for (Subtask& subtask : subtasks) subtask.Open("was idle");
  Subtask &idle = subtasks[0], &other = subtasks[1];
  ASSERT_TRUE(idle.local->OnWatermarkStatus({true}, &idle.out).ok());
  ASSERT_TRUE(idle.local->OnWatermarkStatus({false}, &idle.out).ok());
  ASSERT_TRUE(other.local->Process(0, Batch({{"a", 1, 1}}), &other.out).ok());
  ASSERT_TRUE(idle.local->Finish(&idle.out).ok());
  EXPECT_EQ(RowsOf(idle.out.batches), 0) << "behind a channel that no window waits for";
  ASSERT_TRUE(other.local->Finish(&other.out).ok());
  EXPECT_EQ(RowsOf(other.out.batches), 1);
}

/// A subtask that has passed a barrier reads on; what it reads must not leave in front of another's barrier.
TEST(LocalAggregate, RowsBehindABarrierDoNotMeetThoseInFrontOfIt) {
  std::vector<Subtask> subtasks(2);
  for (Subtask& subtask : subtasks) subtask.Open("barrier");
  Subtask &first = subtasks[0], &second = subtasks[1];
  ASSERT_TRUE(first.local->Process(0, Batch({{"a", 1, 1}}), &first.out).ok());
  ASSERT_TRUE(first.local->OnBarrier({7, 6}).ok());
  first.Turn();
  EXPECT_EQ(RowsOf(std::exchange(first.out.batches, {})), 1);
  ASSERT_TRUE(first.local->Process(0, Batch({{"a", 1, 1}, {"b", 1, 1}}), &first.out).ok());
  ASSERT_TRUE(second.local->Process(0, Batch({{"a", 1, 1}}), &second.out).ok());
  ASSERT_TRUE(second.local->OnBarrier({7, 6}).ok());
  second.Turn();
  EXPECT_EQ(RowsOf(std::exchange(second.out.batches, {})), 1) << "rows of the next checkpoint are in this one";
  // Then they meet again.
  ASSERT_TRUE(second.local->Process(0, Batch({{"a", 1, 1}}), &second.out).ok());
  ASSERT_TRUE(second.local->Finish(&second.out).ok());
  ASSERT_TRUE(first.local->Finish(&first.out).ok());
  EXPECT_EQ(RowsOf(second.out.batches), 2);
  EXPECT_EQ(RowsOf(first.out.batches), 0);
}

TEST(LocalAggregate, RowsPassAsTheyAreWhereMostHaveAKeyOfTheirOwn) {
  auto local = LocalAggregate::Make(Spec(), Input()).ValueOrDie();
  ASSERT_TRUE(local->Open({}).ok());
  Collected out;
  std::int64_t key = 0;
  for (int step = 0; step < 20; ++step) {
    std::vector<Row> rows;
    for (int i = 0; i < 4096; ++i) rows.push_back({std::to_string(key++), 1, 5});
    ASSERT_TRUE(local->Process(0, Batch(rows), &out).ok());
  }
  ASSERT_FALSE(out.batches.empty());
  EXPECT_GE(out.batches.front().records()->schema()->GetFieldIndex(std::string(kPartialColumn)), 0);
  EXPECT_LT(out.batches.back().records()->schema()->GetFieldIndex(std::string(kPartialColumn)), 0);
}

TEST(LocalAggregate, StandsAsideWhereRowsAreWantedOneByOne) {
  const auto makes = [](const plan::AggregateSpec& spec) { return LocalAggregate::Make(spec, Input()).ValueOrDie() != nullptr; };
  EXPECT_TRUE(makes(Spec()));
  for (const auto change : std::initializer_list<void (*)(plan::AggregateSpec*)>{
           [](auto* spec) { spec->late_tag = "late"; }, [](auto* spec) { spec->trigger.early_every_rows = 3; },
           [](auto* spec) { spec->trigger.early_every_ms = 3; }, [](auto* spec) { spec->window.processing_time = true; },
           [](auto* spec) {
             spec->trigger.by_row = {plan::RowTrigger::Kind::kRows, 3, {}, 0, {}};
           },
           [](auto* spec) { spec->calls[1].function = "first"; }, [](auto* spec) { spec->calls[1].function = "count_distinct"; }}) {
    plan::AggregateSpec spec = Spec();
    change(&spec);
    EXPECT_FALSE(makes(spec));
  }
}

}  // namespace
}  // namespace headrace::data::window
