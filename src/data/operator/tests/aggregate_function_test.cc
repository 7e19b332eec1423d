#include "data/operator/aggregate_function.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace headrace::data::op {
namespace {

/// One group's words, and a function over them.
class Group {
 public:
  explicit Group(const AggregateFunction* function) : function_(function), words_(function->state_words()) {}
  ~Group() {
    std::uint64_t* words = words_.data();
    function_->Release(&words, 1);
  }
  std::uint64_t* words() { return words_.data(); }
  Status Add(const AggregateInput& input, std::int64_t rows) { return function_->Add(input, Pointers(rows), rows); }
  Status Retract(const AggregateInput& input, std::int64_t rows) { return function_->Retract(input, Pointers(rows), rows); }
  Status Merge(Group* from) {
    std::uint64_t* into = words();
    const std::uint64_t* other = from->words();
    return function_->Merge(&into, &other, 1);
  }
  Status Subtract(Group* from) {
    std::uint64_t* into = words();
    const std::uint64_t* other = from->words();
    return function_->Subtract(&into, &other, 1);
  }
  std::string Result() {
    const std::uint64_t* words = words_.data();
    const auto column = function_->Results(&words, 1).ValueOrDie();
    EXPECT_TRUE(column->ValidateFull().ok());
    EXPECT_TRUE(column->type()->Equals(*function_->result_type())) << column->type()->ToString();
    return column->GetScalar(0).ValueOrDie()->ToString();
  }

 private:
  std::uint64_t* const* Pointers(std::int64_t rows) {
    pointers_.assign(static_cast<std::size_t>(rows), words());
    return pointers_.data();
  }
  const AggregateFunction* function_;
  std::vector<std::uint64_t> words_;
  std::vector<std::uint64_t*> pointers_;
};

template <typename T>
AggregateInput Numbers(const std::vector<T>& values) {
  AggregateInput input;
  input.values = values.data();
  return input;
}

std::unique_ptr<AggregateFunction> Make(const std::string& name, const std::shared_ptr<arrow::DataType>& type, std::uint64_t limit = 0,
                                        bool retractable = false) {
  return MakeAggregate({name, type, limit, retractable}, 0).ValueOrDie();
}

std::string Of(const std::string& name, const std::shared_ptr<arrow::DataType>& type, const AggregateInput& input, std::int64_t rows,
               std::uint64_t limit = 0) {
  const auto function = Make(name, type, limit);
  Group group(function.get());
  EXPECT_TRUE(group.Add(input, rows).ok());
  return group.Result();
}

TEST(AggregateFunction, NothingIsNullAndCountsAreZero) {
  const auto int64 = arrow::int64();
  for (const char* name : {"sum", "avg", "min", "max", "first", "last"}) EXPECT_EQ(Of(name, int64, {}, 0), "null") << name;
  EXPECT_EQ(Of("count", nullptr, {}, 0), "0");
  EXPECT_EQ(Of("count_distinct", int64, {}, 0), "0");
  EXPECT_EQ(Of("collect", int64, {}, 0), "list<item: int64>[]");
}

TEST(AggregateFunction, IntsAndFloats) {
  const std::vector<std::int64_t> ints = {3, -7, 3, 10};
  const auto int64 = arrow::int64();
  EXPECT_EQ(Of("sum", int64, Numbers(ints), 4), "9");
  EXPECT_EQ(Of("avg", int64, Numbers(ints), 4), "2.25");
  EXPECT_EQ(Of("min", int64, Numbers(ints), 4), "-7");
  EXPECT_EQ(Of("max", arrow::int8(), Numbers(ints), 4), "10");
  EXPECT_EQ(Of("count_distinct", int64, Numbers(ints), 4), "3");
  EXPECT_EQ(Of("top", int64, Numbers(ints), 4, 2), "list<item: int64>[10, 3]");
  EXPECT_EQ(Of("collect", int64, Numbers(ints), 4, 3), "list<item: int64>[3, -7, 3]");
  const std::vector<std::uint64_t> wide = {1, ~std::uint64_t{0}};
  EXPECT_EQ(Of("max", arrow::uint64(), Numbers(wide), 2), "18446744073709551615");
  const double nan = std::nan("");
  const std::vector<double> floats = {1.5, nan, -0.0, 0.0, -nan};
  EXPECT_EQ(Of("max", arrow::float64(), Numbers(floats), 5), "nan");
  EXPECT_EQ(Of("min", arrow::float64(), Numbers(floats), 5), "0");
  EXPECT_EQ(Of("count_distinct", arrow::float64(), Numbers(floats), 5), "3");
  EXPECT_EQ(Of("max", arrow::float32(), Numbers(floats), 1), "1.5");
}

TEST(AggregateFunction, SumsBeyondInt64FailInsteadOfWrapping) {
  const std::vector<std::int64_t> values = {std::numeric_limits<std::int64_t>::max(), 1};
  const auto function = Make("sum", arrow::int64());
  Group group(function.get());
  const Status added = group.Add(Numbers(values), 2);
  EXPECT_FALSE(added.ok());
  EXPECT_NE(added.message().find("beyond the range of int64"), std::string::npos);
}

TEST(AggregateFunction, DecimalsRoundHalfAwayFromZero) {
  const auto type = arrow::decimal128(10, 2);
  const std::vector<__int128> values = {100, 100, 101};  // 1.00, 1.00, 1.01
  AggregateInput input = Numbers(values);
  input.value_bytes = 16;
  EXPECT_EQ(Of("sum", type, input, 3), "3.01");
  EXPECT_EQ(Of("avg", type, input, 3), "1.003333");
  EXPECT_EQ(Of("max", type, input, 3), "1.01");
  const std::vector<__int128> negative = {-1, -1, 0};  // -0.00666…
  input.values = negative.data();
  EXPECT_EQ(Of("avg", type, input, 3), "-0.006667");
  EXPECT_EQ(Of("count_distinct", type, input, 3), "2");
  __int128 greatest = 1;
  for (int i = 0; i < 37; ++i) greatest *= 10;
  const std::vector<__int128> great(10, greatest);
  input.values = great.data();
  const auto function = Make("sum", arrow::decimal128(38, 0));
  Group group(function.get());
  EXPECT_FALSE(group.Add(input, 10).ok());
}

TEST(AggregateFunction, FirstAndLastGoByTimeThenByArrival) {
  const std::vector<std::int64_t> values = {1, 2, 3, 4, 5}, times = {20, 10, 10, 30, 30};
  AggregateInput input = Numbers(values);
  input.event_times = times.data();
  EXPECT_EQ(Of("first", arrow::int64(), input, 5), "2");
  EXPECT_EQ(Of("last", arrow::int64(), input, 5), "5");
  input.event_times = nullptr;
  EXPECT_EQ(Of("first", arrow::int64(), input, 5), "1");
  EXPECT_EQ(Of("last", arrow::int64(), input, 5), "5");
}

std::shared_ptr<arrow::Array> Texts(const std::vector<std::string>& values) {
  arrow::StringBuilder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return builder.Finish().ValueOrDie();
}

TEST(AggregateFunction, TextsAreKeptBesideTheGroup) {
  const std::string big(100'000, 'x');
  const auto texts = Texts({"skipped", "pear", "apple", "", big, "pear"})->Slice(1);
  AggregateInput input;
  input.column = texts->data().get();
  const auto text = arrow::utf8();
  EXPECT_EQ(Of("min", text, input, 5), "");
  EXPECT_EQ(Of("max", text, input, 5), big);
  EXPECT_EQ(Of("count_distinct", text, input, 5), "4");
  EXPECT_EQ(Of("last", text, input, 5), "pear");
  EXPECT_EQ(Of("top", text, input, 3, 2), "list<item: string>[pear, apple]");
  EXPECT_EQ(Of("min", text, input.From(3), 2), "pear");
  const auto function = Make("max", text);
  {
    Group group(function.get());
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(group.Add(input, 5).ok());
  }
  EXPECT_LT(function->allocated_bytes(), 1 << 20);
}

/// Rows added and taken back in any order leave what is left over, as a model has it.
TEST(AggregateFunction, RetractionsLeaveTheRest) {
  for (const char* name : {"count", "sum", "avg", "min", "max", "count_distinct"}) {
    const auto type = arrow::int64();
    const auto function = Make(name, std::string_view(name) == "count" ? nullptr : type, 0, true);
    const auto plain = Make(name, std::string_view(name) == "count" ? nullptr : type);
    std::mt19937_64 random(7);
    std::vector<std::int64_t> left;
    Group group(function.get());
    for (int step = 0; step < 2000; ++step) {
      if (left.empty() || random() % 5 < 3) {
        left.push_back(static_cast<std::int64_t>(random() % 50) - 25);
        ASSERT_TRUE(group.Add(Numbers(left).From(static_cast<std::int64_t>(left.size()) - 1), 1).ok());
      } else {
        std::swap(left[random() % left.size()], left.back());
        ASSERT_TRUE(group.Retract(Numbers(left).From(static_cast<std::int64_t>(left.size()) - 1), 1).ok());
        left.pop_back();
      }
      Group expected(plain.get());
      ASSERT_TRUE(expected.Add(Numbers(left), static_cast<std::int64_t>(left.size())).ok());
      ASSERT_EQ(group.Result(), expected.Result()) << name << " after " << step;
    }
  }
}

TEST(AggregateFunction, ARetractionMayComeBeforeItsRow) {
  const std::vector<std::int64_t> values = {4, 9};
  const auto function = Make("max", arrow::int64(), 0, true);
  Group group(function.get());
  ASSERT_TRUE(group.Retract(Numbers(values).From(1), 1).ok());
  ASSERT_TRUE(group.Add(Numbers(values), 1).ok());
  EXPECT_EQ(group.Result(), "4");
  ASSERT_TRUE(group.Add(Numbers(values).From(1), 1).ok());
  EXPECT_EQ(group.Result(), "4");
}

TEST(AggregateFunction, WhatCannotTakeRowsBackSaysSo) {
  for (const char* name : {"first", "last", "top"}) {
    const auto made = MakeAggregate({name, arrow::int64(), 1, true}, 0);
    ASSERT_FALSE(made.ok());
    EXPECT_NE(made.status().message().find("cannot take rows back"), std::string::npos);
  }
}

/// Merging halves is adding all; taking one half out again leaves the other.
TEST(AggregateFunction, MergeIsAddingAndSubtractTakesItBack) {
  const std::vector<std::int64_t> values = {5, 1, 5, 8, -2, 8, 8, 3}, times = {1, 2, 3, 4, 5, 6, 7, 8};
  AggregateInput input = Numbers(values);
  input.event_times = times.data();
  for (const char* name : {"count", "sum", "avg", "min", "max", "count_distinct", "first", "last", "top", "collect"}) {
    const auto function = Make(name, std::string_view(name) == "count" ? nullptr : arrow::int64(), 3);
    Group all(function.get()), a(function.get()), b(function.get()), merged(function.get());
    ASSERT_TRUE(all.Add(input, 8).ok());
    ASSERT_TRUE(a.Add(input, 3).ok());
    ASSERT_TRUE(b.Add(input.From(3), 5).ok());
    ASSERT_TRUE(merged.Merge(&a).ok());
    ASSERT_TRUE(merged.Merge(&b).ok());
    EXPECT_EQ(merged.Result(), all.Result()) << name;
    if (!function->invertible()) continue;
    ASSERT_TRUE(merged.Subtract(&a).ok());
    EXPECT_EQ(merged.Result(), b.Result()) << name;
  }
}

TEST(AggregateFunction, RowsLeftOutDoNotCount) {
  const std::vector<std::int64_t> values = {1, 2, 3};
  const std::vector<std::uint8_t> valid = {0, 1, 0};
  AggregateInput input = Numbers(values);
  input.valid = valid.data();
  for (const char* name : {"count", "sum", "min", "max", "first", "last"}) {
    const std::string expected = std::string_view(name) == "count" ? "1" : "2";
    EXPECT_EQ(Of(name, std::string_view(name) == "count" ? nullptr : arrow::int64(), input, 3), expected) << name;
  }
}

}  // namespace
}  // namespace headrace::data::op
