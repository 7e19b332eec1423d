#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "data/operator/aggregate_function.h"
#include "data/operator/pending_folds.h"

namespace headrace::data::op {
namespace {

/// The function over int64 values with groups of one word each, and a folder that puts what it got into text: "(a,b|1,2)".
class FoldedAggregateTest : public testing::Test {
 protected:
  FoldedAggregateTest() {
    AggregateSettings settings{"fold", arrow::int64()};
    settings.folds = &folds_;
    function_ = MakeAggregate(settings, 0).ValueOrDie();
  }
  void Add(const std::vector<std::int64_t>& values, std::uint64_t* group) {
    arrow::Int64Builder builder;
    ASSERT_TRUE(builder.AppendValues(values).ok());
    const auto column = builder.Finish().ValueOrDie();
    AggregateInput input;
    input.column = column->data().get();
    const std::vector<std::uint64_t*> groups(values.size(), group);
    ASSERT_TRUE(function_->Add(input, groups.data(), column->length()).ok());
  }
  void Merge(std::uint64_t* into, const std::uint64_t* from) { ASSERT_TRUE(function_->Merge(&into, &from, 1).ok()); }
  void Release(std::uint64_t* group) { function_->Release(&group, 1); }
  std::string Result(const std::uint64_t* group) {
    const auto column = function_->Results(&group, 1).ValueOrDie();
    EXPECT_TRUE(column->ValidateFull().ok());
    const auto& fields = static_cast<const arrow::StructArray&>(*column);
    return Text(*fields.field(0), *fields.field(1), 0);
  }
  /// Folds what waits, in one trip; the number of groups.
  std::int64_t Fold(std::int64_t most_bytes = 1 << 20) {
    const PendingFolds::Trip trip = folds_.functions[0]->Take(most_bytes).ValueOrDie();
    arrow::BinaryBuilder folded;
    for (std::int64_t i = 0; i < trip.values->length(); ++i)
      EXPECT_TRUE(folded.Append("(" + Text(*trip.accumulators, *trip.values, i) + ")").ok());
    EXPECT_TRUE(folds_.functions[0]->Put(*folded.Finish().ValueOrDie()).ok());
    return trip.values->length();
  }
  bool has_pending() const { return folds_.functions[0]->has_pending(); }

  FoldBook folds_;
  std::unique_ptr<AggregateFunction> function_;

 private:
  static std::string Text(const arrow::Array& accumulators, const arrow::Array& values, std::int64_t row) {
    std::string text;
    const auto bytes = std::static_pointer_cast<arrow::BinaryArray>(static_cast<const arrow::ListArray&>(accumulators).value_slice(row));
    for (std::int64_t i = 0; i < bytes->length(); ++i) text += (i > 0 ? "," : "") + std::string(bytes->GetView(i));
    text += "|";
    const auto numbers = std::static_pointer_cast<arrow::Int64Array>(static_cast<const arrow::ListArray&>(values).value_slice(row));
    for (std::int64_t i = 0; i < numbers->length(); ++i) text += (i > 0 ? "," : "") + std::to_string(numbers->Value(i));
    return text;
  }
};

TEST_F(FoldedAggregateTest, RowsGoOnceAndTheAccumulatorStays) {
  std::uint64_t a = 0, b = 0;
  Add({1, 2}, &a);
  Add({7}, &b);
  EXPECT_EQ(Result(&a), "|1,2");
  EXPECT_EQ(Fold(), 2);
  EXPECT_FALSE(has_pending());
  Add({3}, &a);
  EXPECT_EQ(Result(&a), "(|1,2)|3") << "a window that comes before the trip has the rows too";
  EXPECT_EQ(Fold(), 1) << "b has no new rows";
  EXPECT_EQ(Result(&a), "((|1,2)|3)|");
  EXPECT_EQ(Result(&b), "(|7)|");
}

TEST_F(FoldedAggregateTest, MemoryIsThatOfTheAccumulatorHoweverManyRows) {
  std::uint64_t a = 0;
  for (int batch = 0; batch < 100; ++batch) {
    Add(std::vector<std::int64_t>(1000, 5), &a);
    const PendingFolds::Trip trip = folds_.functions[0]->Take(1 << 20).ValueOrDie();
    arrow::BinaryBuilder folded;
    ASSERT_TRUE(folded.Append("x").ok());
    ASSERT_TRUE(folds_.functions[0]->Put(*folded.Finish().ValueOrDie()).ok());
    ASSERT_LT(function_->allocated_bytes(), 1024);
  }
}

TEST_F(FoldedAggregateTest, MergedGroupsHaveBothAndTheOtherStays) {
  std::uint64_t a = 0, b = 0, window = 0;
  Add({1}, &a);
  Add({2}, &b);
  Fold();
  Merge(&window, &a);
  Merge(&window, &b);
  EXPECT_EQ(Result(&window), "(|1),(|2)|");
  EXPECT_FALSE(has_pending()) << "a window that is made to be given out is not folded";
  Add({3}, &b);
  Merge(&a, &b);
  EXPECT_EQ(Result(&a), "(|1),(|2)|3");
  EXPECT_EQ(Fold(), 2);
  EXPECT_EQ(Result(&a), "((|1),(|2)|3)|");
  EXPECT_EQ(Result(&b), "((|2)|3)|");
}

TEST_F(FoldedAggregateTest, GroupsThatHaveGoneAreNotSent) {
  std::uint64_t a = 0, b = 0;
  Add({1}, &a);
  Add({2}, &b);
  Release(&a);
  EXPECT_EQ(a, 0u);
  EXPECT_EQ(Fold(), 1);
  EXPECT_EQ(Result(&b), "(|2)|");
  std::uint64_t c = 0;
  EXPECT_EQ(Result(&c), "|");
  Add({3}, &c);
  EXPECT_EQ(Result(&c), "|3") << "its place was a's";
}

TEST_F(FoldedAggregateTest, TripsAreOfSomeBytes) {
  std::vector<std::uint64_t> groups(10, 0);
  for (std::uint64_t& group : groups) Add({1}, &group);
  EXPECT_EQ(Fold(1), 1);
  EXPECT_EQ(Fold(), 9);
}

TEST_F(FoldedAggregateTest, AnswersOfOtherGroupsAreRefused) {
  std::uint64_t a = 0;
  Add({1}, &a);
  ASSERT_TRUE(folds_.functions[0]->Take(1).ok());
  EXPECT_FALSE(folds_.functions[0]->Put(*arrow::MakeArrayOfNull(arrow::binary(), 1).ValueOrDie()).ok());
  EXPECT_FALSE(folds_.functions[0]->Put(*arrow::MakeArrayOfNull(arrow::binary(), 2).ValueOrDie()).ok());
  EXPECT_FALSE(folds_.functions[0]->Put(*arrow::MakeArrayOfNull(arrow::int64(), 1).ValueOrDie()).ok());
}

}  // namespace
}  // namespace headrace::data::op
