#include "data/window/row_trigger.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <vector>

namespace headrace::data::window {
namespace {

using plan::RowTrigger;
using Kind = plan::RowTrigger::Kind;

std::shared_ptr<arrow::Schema> Input() { return arrow::schema({arrow::field("v", arrow::int64()), arrow::field("b", arrow::boolean())}); }

std::shared_ptr<arrow::RecordBatch> Batch(const std::vector<std::int64_t>& values) {
  arrow::Int64Builder numbers;
  arrow::BooleanBuilder bools;
  for (const std::int64_t value : values) {
    EXPECT_TRUE((value < 0 ? numbers.AppendNull() : numbers.Append(value)).ok());
    EXPECT_TRUE(bools.Append(value == 7).ok());
  }
  return arrow::RecordBatch::Make(Input(), static_cast<std::int64_t>(values.size()),
                                  {numbers.Finish().ValueOrDie(), bools.Finish().ValueOrDie()});
}

/// Rows at which the trigger fires for one group, the batch cut at `cut`.
std::vector<std::int64_t> FiresAt(const plan::RowTrigger& spec, const std::vector<std::int64_t>& values, std::size_t cut = 0) {
  plan::Trigger trigger;
  trigger.by_row = spec;
  const auto made = window::RowTrigger::Make(trigger, Input()).ValueOrDie();
  std::vector<std::uint64_t> state(made->words());
  std::vector<std::int64_t> fired;
  std::int64_t number = 0;
  for (const auto& [from, to] : {std::pair{std::size_t{0}, cut}, std::pair{cut, values.size()}}) {
    EXPECT_TRUE(
        made->Evaluate(*Batch({values.begin() + static_cast<std::ptrdiff_t>(from), values.begin() + static_cast<std::ptrdiff_t>(to)}))
            .ok());
    for (std::size_t row = 0; row < to - from; ++row, ++number) {
      made->GoTo(static_cast<std::int64_t>(row));
      if (made->Counts(state.data())) fired.push_back(number);
    }
  }
  return fired;
}

plan::RowTrigger When() { return {Kind::kWhen, 0, plan::Expression::Column("b"), 0, {}}; }
plan::RowTrigger Every(std::uint64_t rows) { return {Kind::kRows, rows, {}, 0, {}}; }
plan::RowTrigger Delta(double threshold) { return {Kind::kDelta, 0, plan::Expression::Column("v"), threshold, {}}; }
using Rows = std::vector<std::int64_t>;

TEST(RowTrigger, CountsRowsAcrossBatches) {
  for (std::size_t cut = 0; cut < 6; ++cut) EXPECT_EQ(FiresAt(Every(2), {1, 1, 1, 1, 1}, cut), (Rows{1, 3}));
}

TEST(RowTrigger, WhatHeldOnceHoldsUntilItFires) {
  EXPECT_EQ(FiresAt({Kind::kAll, 0, {}, 0, {When(), Every(3)}}, {7, 1, 1, 1, 1, 1, 7, 1}), (Rows{2, 6}));
}

TEST(RowTrigger, AFiringMakesAllPartsBeginAnew) {
  // The fourth row would be the second of two, but for the firing at the third.
  EXPECT_EQ(FiresAt({Kind::kAny, 0, {}, 0, {When(), Every(2)}}, {1, 1, 7, 1, 1}), (Rows{1, 2, 4}));
}

TEST(RowTrigger, ADeltaComparesWithTheRowThatFired) {
  EXPECT_EQ(FiresAt(Delta(5), {10, 15, -1, 16, 12, 10}), (Rows{3, 5}));
  EXPECT_EQ(FiresAt(Delta(0), {-1, 3, 3, 4}), (Rows{3}));
}

TEST(RowTrigger, GroupsThatBecomeOneKnowWhatBothHaveSeen) {
  plan::Trigger trigger;
  trigger.by_row = {Kind::kAll, 0, {}, 0, {When(), Delta(5), Every(3)}};
  const auto made = window::RowTrigger::Make(trigger, Input()).ValueOrDie();
  std::vector<std::uint64_t> a(made->words()), b(made->words());
  ASSERT_TRUE(made->Evaluate(*Batch({7, 1, 13})).ok());
  EXPECT_FALSE(made->Counts(a.data()));
  made->GoTo(1);
  EXPECT_FALSE(made->Counts(b.data()));
  made->Merge(b.data(), a.data());
  made->GoTo(2);
  EXPECT_TRUE(made->Counts(b.data()));
}

TEST(RowTrigger, NothingByRowsIsNoTrigger) {
  EXPECT_EQ(window::RowTrigger::Make({}, Input()).ValueOrDie(), nullptr);
  plan::Trigger trigger;
  trigger.by_row = {Kind::kWhen, 0, plan::Expression::Column("v"), 0, {}};
  EXPECT_FALSE(window::RowTrigger::Make(trigger, Input()).ok());
}

}  // namespace
}  // namespace headrace::data::window
