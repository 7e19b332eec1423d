#include "data/window/triggered_aggregate.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "plan/process.h"

namespace headrace::data::window {
namespace {

using Kind = plan::Window::Kind;
constexpr std::int64_t kAdd = plan::kAddRow, kFire = plan::kFireGroup, kPurge = plan::kPurgeGroup, kClose = plan::kCloseGroup,
                       kLate = plan::kLateRow;

struct Row {
  std::string key;
  std::int64_t value, start, end, action;
};

std::shared_ptr<arrow::Schema> Input() {
  arrow::FieldVector fields{arrow::field("k", arrow::utf8()), arrow::field("v", arrow::int64())};
  for (const char* name : plan::kTriggerColumns) fields.push_back(arrow::field(name, arrow::int64(), false));
  return arrow::schema(std::move(fields));
}

columnar::DataBatch Batch(const std::vector<Row>& rows) {
  arrow::StringBuilder keys;
  arrow::Int64Builder values, starts, ends, actions;
  for (const Row& row : rows) {
    EXPECT_TRUE(keys.Append(row.key).ok() && values.Append(row.value).ok() && starts.Append(row.start).ok());
    EXPECT_TRUE(ends.Append(row.end).ok() && actions.Append(row.action).ok());
  }
  return columnar::DataBatch(
      arrow::RecordBatch::Make(Input(), static_cast<std::int64_t>(rows.size()),
                               {keys.Finish().ValueOrDie(), values.Finish().ValueOrDie(), starts.Finish().ValueOrDie(),
                                ends.Finish().ValueOrDie(), actions.Finish().ValueOrDie()}));
}

/// What comes, a text a row: "a 0-10: 2 rows, sum 7, last 9", in order.
class Collected final : public op::Collector {
 public:
  Status Emit(columnar::DataBatch batch) override {
    const arrow::RecordBatch& records = *batch.records();
    const bool bounds = records.schema()->GetFieldIndex("window_start") >= 0;
    const auto number = [&](const char* name, std::int64_t row) {
      return records.GetColumnByName(name)->data()->GetValues<std::int64_t>(1)[row];
    };
    const auto& keys = static_cast<const arrow::StringArray&>(*records.GetColumnByName("k"));
    for (std::int64_t row = 0; row < records.num_rows(); ++row) {
      const std::string window = bounds ? fmt::format(" {}-{}", number("window_start", row), number("window_end", row)) : "";
      rows.push_back(fmt::format("{}{}: {} rows, sum {}, most {}", keys.GetView(row), window, number("n", row), number("sum", row),
                                 number("most", row)));
      if (bounds) {
        EXPECT_EQ(number(columnar::kEventTimeColumn.data(), row), number("window_end", row) - 1);
      }
    }
    return Status::OK();
  }
  Status EmitSide(std::string_view tag, columnar::DataBatch batch) override {
    EXPECT_EQ(batch.records()->schema()->field_names(), (std::vector<std::string>{"k", "v"}));
    const auto& values = static_cast<const arrow::Int64Array&>(*batch.records()->column(1));
    for (std::int64_t row = 0; row < batch.num_rows(); ++row) side.push_back(fmt::format("{} {}", tag, values.Value(row)));
    return Status::OK();
  }
  std::vector<std::string> rows, side;
};

class TriggeredAggregateTest : public testing::Test {
 protected:
  void Make(Kind kind) {
    plan::AggregateSpec spec;
    spec.keys = {"k"};
    spec.window.kind = kind;
    spec.trigger.by_function = true;
    spec.late_tag = "late";
    arrow::FieldVector fields{arrow::field("k", arrow::utf8())};
    const auto time = arrow::timestamp(arrow::TimeUnit::MILLI, "UTC");
    if (kind != Kind::kGlobal) {
      fields.push_back(arrow::field("window_start", time, false));
      fields.push_back(arrow::field("window_end", time, false));
    }
    for (const auto& [name, function] : {std::pair("n", "count"), std::pair("sum", "sum"), std::pair("most", "max")}) {
      plan::AggregateCall call;
      call.name = name;
      call.function = function;
      if (call.function != "count") call.arguments.push_back(plan::Expression::Column("v"));
      spec.calls.push_back(std::move(call));
      fields.push_back(arrow::field(name, arrow::int64()));
    }
    auto made = TriggeredAggregate::Make(spec, Input(), arrow::schema(std::move(fields)));
    ASSERT_TRUE(made.ok()) << made.status();
    op_ = std::move(*made);
    op::OperatorContext context;
    context.state_bytes = &bytes_;
    context.late_records = &late_;
    ASSERT_TRUE(op_->Open(context).ok());
  }
  std::vector<std::string> Give(const std::vector<Row>& rows) {
    const Status status = op_->Process(0, Batch(rows), &out_);
    EXPECT_TRUE(status.ok()) << status;
    return std::exchange(out_.rows, {});
  }
  std::atomic<std::int64_t> bytes_{0};
  std::atomic<std::uint64_t> late_{0};
  Collected out_;
  std::unique_ptr<op::Operator> op_;
};

using Texts = std::vector<std::string>;

TEST_F(TriggeredAggregateTest, ARowIsAddedBeforeItsGroupComesAndGoes) {
  Make(Kind::kTumbling);
  EXPECT_EQ(Give({{"a", 3, 0, 10, kAdd}, {"a", 4, 0, 10, kAdd | kFire}, {"a", 5, 0, 10, kAdd}}), Texts{"a 0-10: 2 rows, sum 7, most 4"})
      << "the last row comes behind what was said";
  EXPECT_EQ(Give({{"a", 0, 0, 10, kFire | kPurge}, {"a", 2, 0, 10, kAdd | kFire}}),
            (Texts{"a 0-10: 3 rows, sum 12, most 5", "a 0-10: 1 rows, sum 2, most 2"}));
  EXPECT_EQ(Give({{"a", 0, 0, 10, kFire | kClose}, {"a", 0, 0, 10, kFire}}), Texts{"a 0-10: 1 rows, sum 2, most 2"})
      << "a group without rows does not come";
}

TEST_F(TriggeredAggregateTest, GroupsOfManyWindowsDoNotMix) {
  Make(Kind::kSliding);
  EXPECT_EQ(Give({{"a", 1, 0, 20, kAdd}, {"a", 1, 10, 30, kAdd}, {"b", 7, 10, 30, kAdd}, {"a", 0, 10, 30, kFire}}),
            Texts{"a 10-30: 1 rows, sum 1, most 1"});
  EXPECT_EQ(Give({{"a", 0, 0, 20, kPurge}, {"b", 0, 10, 30, kFire}, {"a", 0, 0, 20, kFire}, {"a", 0, 10, 30, kFire}}),
            (Texts{"b 10-30: 1 rows, sum 7, most 7", "a 10-30: 1 rows, sum 1, most 1"}));
}

TEST_F(TriggeredAggregateTest, TheGlobalWindowHasNoBounds) {
  Make(Kind::kGlobal);
  EXPECT_EQ(Give({{"a", 1, 0, 0, kAdd}, {"b", 2, 0, 0, kAdd | kFire}, {"a", 3, 0, 0, kAdd | kFire | kPurge}, {"a", 4, 0, 0, kFire}}),
            (Texts{"b: 1 rows, sum 2, most 2", "a: 2 rows, sum 4, most 3"}));
}

TEST_F(TriggeredAggregateTest, LateRowsAreCountedAndGoAsTheyCame) {
  Make(Kind::kTumbling);
  EXPECT_EQ(Give({{"a", 1, 0, 10, kAdd}, {"a", 8, 0, 10, kLate}, {"b", 9, -10, 0, kLate}, {"a", 0, 0, 10, kFire}}),
            Texts{"a 0-10: 1 rows, sum 1, most 1"});
  EXPECT_EQ(out_.side, (Texts{"late 8", "late 9"}));
  EXPECT_EQ(late_.load(), 2u);
}

// A session is known by its start; when two become one, the rows of the later go to the earlier.
TEST_F(TriggeredAggregateTest, SessionsGrowAndMerge) {
  Make(Kind::kSession);
  EXPECT_EQ(Give({{"a", 1, 0, 10, kAdd}, {"a", 2, 0, 14, kAdd | kFire}}), Texts{"a 0-14: 2 rows, sum 3, most 2"});
  EXPECT_EQ(Give({{"a", 5, 20, 30, kAdd}, {"a", 0, 0, 20, kMergeGroup}, {"a", 4, 0, 30, kAdd | kFire}, {"a", 0, 20, 30, kFire}}),
            Texts{"a 0-30: 4 rows, sum 12, most 5"})
      << "and of the later nothing is left";
  EXPECT_EQ(Give({{"a", 0, 0, 99, kMergeGroup}, {"a", 0, 0, 30, kFire | kClose}}), Texts{"a 0-30: 4 rows, sum 12, most 5"})
      << "one that is not there gives nothing";
}

// However rows are cut into batches, what comes is what a map of rows would give, in the same order for each group.
TEST_F(TriggeredAggregateTest, IsAsAMapOfRowsHoweverBatchesAreCut) {
  std::mt19937_64 random(7);
  Make(Kind::kTumbling);
  std::map<std::tuple<std::string, std::int64_t>, std::vector<std::int64_t>> model;
  std::vector<Row> waiting;
  std::map<std::string, Texts> expected, got;  // by key and window
  const auto named = [](const std::string& text) { return text.substr(0, text.find(':')); };
  const auto give = [&] {
    for (const std::string& text : Give(waiting)) got[named(text)].push_back(text);
    waiting.clear();
  };
  for (int i = 0; i < 20'000; ++i) {
    constexpr std::int64_t kActions[] = {kAdd,         kAdd, kAdd, kAdd | kFire, kFire, kPurge, kFire | kPurge, kAdd | kFire | kClose,
                                         kAdd | kPurge};
    const std::int64_t start = 10 * (i / 2'000 + static_cast<std::int64_t>(random() % 3));
    const Row row{fmt::format("key {}", random() % 40), static_cast<std::int64_t>(random() % 100), start, start + 10,
                  kActions[random() % std::size(kActions)]};
    auto& rows = model[{row.key, start}];
    if ((row.action & kAdd) != 0) rows.push_back(row.value);
    if ((row.action & kFire) != 0 && !rows.empty()) {
      std::int64_t sum = 0;
      for (const std::int64_t value : rows) sum += value;
      const std::string text = fmt::format("{} {}-{}: {} rows, sum {}, most {}", row.key, start, start + 10, rows.size(), sum,
                                           *std::max_element(rows.begin(), rows.end()));
      expected[named(text)].push_back(text);
    }
    if ((row.action & (kPurge | kClose)) != 0) rows.clear();
    waiting.push_back(row);
    if (random() % 50 == 0) give();
  }
  give();
  EXPECT_EQ(got, expected);
}

TEST_F(TriggeredAggregateTest, WindowsThatAreOverGiveTheirMemoryBack) {
  Make(Kind::kTumbling);
  std::int64_t most = 0, later = 0;  // texts of keys are swept from time to time
  for (std::int64_t window = 0; window < 800; ++window) {
    std::vector<Row> rows;
    for (int key = 0; key < 500; ++key) rows.push_back({fmt::format("key {} of window {}", key, window), 1, window, window + 1, kAdd});
    for (std::size_t key = 0; key < 500; ++key) rows.push_back({rows[key].key, 0, window, window + 1, kFire | kClose});
    EXPECT_EQ(Give(rows).size(), 500u);
    auto& seen = window < 300 ? most : later;
    seen = std::max(seen, bytes_.load());
  }
  EXPECT_LT(later, most * 5 / 4) << "500 groups at a time, 400,000 in all";
  op_.reset();
  EXPECT_EQ(bytes_.load(), 0);
}

}  // namespace
}  // namespace headrace::data::window
