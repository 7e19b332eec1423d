#include "plan/column_pruning.h"

#include <arrow/type.h>
#include <gtest/gtest.h>

#include "plan/execution_plan.h"

namespace headrace::plan {
namespace {

Expression Col(const char* name) { return Expression::Column(name); }

/// A chain of operators behind a Kafka source of five columns, in front of a sink.
JobGraph Chain(std::vector<OperatorKind> kinds) {
  SourceSpec source;
  source.connector.kind = "kafka";
  source.connector.options = {{"topic", "bids"}, {"value_format", "json"}};
  const auto time = arrow::timestamp(arrow::TimeUnit::MILLI, "UTC");
  source.connector.schema =
      arrow::schema({arrow::field("channel", arrow::utf8()), arrow::field("auction", arrow::int64()), arrow::field("price", arrow::int64()),
                     arrow::field("ok", arrow::boolean()), arrow::field("t", time)});
  SinkSpec sink;
  sink.connector.kind = "blackhole";
  kinds.insert(kinds.begin(), std::move(source));
  kinds.emplace_back(std::move(sink));
  JobGraph graph;
  graph.job_name = "pruning";
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    OperatorSpec spec;
    spec.uid = OperatorUid("u" + std::to_string(i));
    spec.name = "n" + std::to_string(i);
    if (i > 0) spec.inputs.push_back({OperatorUid("u" + std::to_string(i - 1)), Partitioning::kAuto, {}});
    spec.kind = std::move(kinds[i]);
    graph.operators.push_back(std::move(spec));
  }
  return graph;
}

std::vector<std::string> SourceColumns(std::vector<OperatorKind> kinds) {
  const auto valid = Validate(Chain(std::move(kinds)), 0);
  EXPECT_TRUE(valid.ok()) << valid.status();
  if (!valid.ok()) return {};
  for (std::size_t i = 1; i < valid->operators.size(); ++i) {
    const auto& op = valid->operators[i];
    if (std::holds_alternative<WhereSpec>(op.kind))
      EXPECT_TRUE(op.schema->Equals(*valid->operators[i - 1].schema)) << "schemas are settled anew";
  }
  return std::get<SourceSpec>(valid->operators[0].kind).connector.schema->field_names();
}

AggregateSpec CountBy(std::vector<std::string> keys) {
  AggregateSpec aggregate;
  aggregate.keys = std::move(keys);
  aggregate.calls.push_back({"n", "count", {}, {}, 0, {}, {}});
  return aggregate;
}

using Names = std::vector<std::string>;

TEST(ColumnPruning, OnlyWhatIsReadStays) {
  EXPECT_EQ(SourceColumns({SelectSpec{{{"x", Col("price")}}, false}}), (Names{"price"}));
  EXPECT_EQ(SourceColumns({WhereSpec{Col("ok")}, SelectSpec{{{"x", Col("price")}}, false}}), (Names{"price", "ok"}));
  EXPECT_EQ(SourceColumns({WhereSpec{Col("ok")}, CountBy({"auction"})}), (Names{"auction", "ok"}));
  EXPECT_EQ(SourceColumns(
                {SelectSpec{{{"price", Col("auction")}}, true}, SelectSpec{{{"price", Col("price")}, {"channel", Col("channel")}}, false}}),
            (Names{"channel", "auction"}));
  EventTimeSpec times;
  times.timestamp = Col("t");
  EXPECT_EQ(SourceColumns({times, CountBy({"auction"})}), (Names{"auction", "t"}));
  TopSpec top;
  top.keys = {"auction"};
  top.order = {{"price", true}};
  EXPECT_EQ(SourceColumns({top, SelectSpec{{{"channel", Col("channel")}}, false}}), (Names{"channel", "auction", "price"}));
}

TEST(ColumnPruning, RowsKeepOneColumnThatCostsLittle) { EXPECT_EQ(SourceColumns({CountBy({})}), (Names{"auction"})); }

TEST(ColumnPruning, WhateverReadsWholeRowsKeepsAll) {
  const Names all = {"channel", "auction", "price", "ok", "t"};
  EXPECT_EQ(SourceColumns({}), all);
  EXPECT_EQ(SourceColumns({WhereSpec{Col("ok")}}), all);
  PythonFunction map;
  map.pickled = "x";
  EXPECT_EQ(SourceColumns({map}), all);
  AggregateSpec late = CountBy({"auction"});
  late.window.kind = Window::Kind::kTumbling;
  late.window.size_ms = 10;
  EXPECT_EQ(SourceColumns({late}), (Names{"auction"}));
  late.late_tag = "late";
  EXPECT_EQ(SourceColumns({late}), all);
}

}  // namespace
}  // namespace headrace::plan
