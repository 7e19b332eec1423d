#include <gtest/gtest.h>

#include <random>

#include "data/join/tests/typed_rows.h"
#include "data/join/updating_aggregate.h"
#include "data/window/batch_aggregate.h"
#include "data/window/local_aggregate.h"

namespace headrace::data::join {
namespace {

/// Passes batches on to an operator, and counts the rows of those that were added up.
class Onward final : public op::Collector {
 public:
  Onward(op::Operator* next, op::Collector* out) : next_(next), out_(out) {}
  Status Emit(columnar::DataBatch batch) override {
    rows += batch.num_rows();
    if (batch.records()->schema()->GetFieldIndex(std::string(window::kPartialColumn)) >= 0) groups += batch.num_rows();
    return next_->Process(0, std::move(batch), out_);
  }
  std::int64_t rows = 0, groups = 0;

 private:
  op::Operator* next_;
  op::Collector* out_;
};

plan::AggregateSpec Spec(bool keyed) {
  plan::AggregateSpec spec;
  if (keyed) spec.keys = {"k"};
  const plan::Expression v = plan::Expression::Column("v");
  const plan::Expression odd = plan::Expression::Call("is_not_null", {plan::Expression::Column("k")});
  spec.calls = {{"n", "count", {}, {}, 0, {}, {}},
                {"some", "sum", {v}, odd, 0, {}, {}},
                {"least", "min", {v}, {}, 0, {}, {}},
                {"most", "max", {v}, {}, 0, {}, {}},
                {"mean", "avg", {v}, {}, 0, {}, {}}};
  return spec;
}

std::unique_ptr<op::Operator> Behind(bool keyed) {
  arrow::FieldVector fields;
  if (keyed) fields.push_back(arrow::field("k", arrow::utf8()));
  for (const char* name : {"n", "some", "least", "most"}) fields.push_back(arrow::field(name, arrow::int64()));
  fields.push_back(arrow::field("mean", arrow::float64()));
  auto made =
      UpdatingAggregate::Make(Spec(keyed), ModelSchema("v"), arrow::schema(fields), /*updates=*/false, /*before=*/true).ValueOrDie();
  EXPECT_TRUE(made->Open({}).ok());
  return made;
}

TEST(PartialGroups, GiveWhatTheRowsGive) {
  for (const bool keyed : {true, false}) {
    std::mt19937_64 random(7);
    std::vector<ModelRow> rows;
    for (std::int64_t i = 0; i < 2000; ++i) {
      const auto key = static_cast<std::int64_t>(random() % 5);
      rows.push_back({key == 4 ? std::nullopt : std::optional<std::int64_t>(key), static_cast<std::int64_t>(random() % 1000) - 500, i});
    }
    const auto direct = Behind(keyed), behind = Behind(keyed);
    auto before = window::BatchAggregate::Make(Spec(keyed), ModelSchema("v")).ValueOrDie();
    ASSERT_NE(before, nullptr);
    ASSERT_TRUE(before->Open({}).ok());
    FoldedRows expected, got;
    Onward onward(behind.get(), &got);
    for (const auto& batch : Cut(rows, &random)) {
      ASSERT_TRUE(direct->Process(0, BatchOf(batch, "v", true, false), &expected).ok());
      ASSERT_TRUE(before->Process(0, BatchOf(batch, "v", true, false), &onward).ok());
    }
    EXPECT_EQ(got.rows(), expected.rows());
    EXPECT_EQ(onward.groups, onward.rows);
    EXPECT_LT(onward.rows, keyed ? 1700 : 500);
  }
}

TEST(PartialGroups, WhereRowsHaveKeysOfTheirOwnTheyPass) {
  auto before = window::BatchAggregate::Make(Spec(true), ModelSchema("v")).ValueOrDie();
  const auto behind = Behind(true);
  ASSERT_TRUE(before->Open({}).ok());
  FoldedRows got;
  Onward onward(behind.get(), &got);
  for (std::int64_t batch = 0; batch < 60; ++batch) {
    std::vector<ModelRow> rows;
    for (std::int64_t i = 0; i < 1000; ++i) rows.push_back({batch * 1000 + i, i, 0});
    ASSERT_TRUE(before->Process(0, BatchOf(rows, "v", true, false), &onward).ok());
  }
  EXPECT_EQ(onward.rows, 60'000);
  EXPECT_EQ(got.rows().size(), 60'000u);
  EXPECT_LT(onward.groups, 34'000) << "it is given up after a trial";
}

TEST(PartialGroups, WhatHoldsMemoryOrTimesIsNotAddedUpApart) {
  for (const char* name : {"count_distinct", "collect", "first", "last"}) {
    plan::AggregateSpec spec = Spec(true);
    spec.calls.push_back({"x", name, {plan::Expression::Column("v")}, {}, 0, {}, {}});
    EXPECT_EQ(window::BatchAggregate::Make(spec, ModelSchema("v")).ValueOrDie(), nullptr) << name;
  }
}

}  // namespace
}  // namespace headrace::data::join
