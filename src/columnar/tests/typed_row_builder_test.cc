#include "columnar/typed_row_builder.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <string>

#include "columnar/value_encoding.h"

namespace headrace::columnar {
namespace {

template <typename Write>
std::string Row(const std::string& name, Write write) {
  std::string row;
  ValueWriter writer(&row);
  writer.DictHeader(1);
  writer.String(name);
  write(&writer);
  return row;
}

std::string Built(const std::shared_ptr<arrow::Field>& field, const std::string& row) {
  auto builder = TypedRowBuilder::Make(arrow::schema({field}));
  if (!builder.ok()) return builder.status().message();
  const Status appended = (*builder)->Append(row);
  if (!appended.ok()) return appended.message();
  const DataBatch batch = *(*builder)->Finish();
  return batch.records()->Validate().ok() ? (*batch.records()->column(0)->GetScalar(0))->ToString() : "invalid";
}

TEST(TypedRowBuilder, TakesWhatFits) {
  EXPECT_EQ(Built(arrow::field("a", arrow::int8()), Row("a", [](auto* w) { w->Int(-128); })), "-128");
  EXPECT_EQ(Built(arrow::field("a", arrow::float64()), Row("a", [](auto* w) { w->Int(3); })), "3");
  EXPECT_EQ(Built(arrow::field("a", arrow::utf8()), Row("a", [](auto* w) { w->None(); })), "null");
  EXPECT_EQ(Built(arrow::field("a", arrow::utf8()), Row("a", [](auto* w) { w->String("ü"); })), "ü");
  EXPECT_EQ(Built(arrow::field("a", arrow::decimal128(5, 2)), Row("a", [](auto* w) { w->Decimal("1.5"); })), "1.50");
  EXPECT_EQ(Built(arrow::field("a", arrow::duration(arrow::TimeUnit::MICRO)), Row("a", [](auto* w) { w->Int(2); })), "2000");
}

TEST(TypedRowBuilder, RefusesWhatDoesNot) {
  EXPECT_EQ(Built(arrow::field("a", arrow::int8()), Row("a", [](auto* w) { w->Int(128); })), "column \"a\" is a int8, but a row has 128");
  EXPECT_EQ(Built(arrow::field("a", arrow::int64()), Row("a", [](auto* w) { w->String("x"); })),
            "column \"a\" is a int64, but a row has 'x'");
  EXPECT_EQ(Built(arrow::field("a", arrow::float64()), Row("a", [](auto* w) { w->Int((1LL << 53) + 1); })),
            "column \"a\" is a float64, but a row has 9007199254740993");
  EXPECT_EQ(Built(arrow::field("a", arrow::decimal128(3, 2)), Row("a", [](auto* w) { w->Decimal("12.34"); })),
            "column \"a\" is a decimal128(3, 2), but a row has Decimal('12.34')");
  EXPECT_EQ(Built(arrow::field("a", arrow::timestamp(arrow::TimeUnit::SECOND, "UTC")), Row("a", [](auto* w) { w->Int(1500); })),
            "column \"a\" is a timestamp[s, tz=UTC], but a row has 1500");
  EXPECT_EQ(Built(arrow::field("a", arrow::int64(), false), Row("a", [](auto* w) { w->None(); })),
            "column \"a\" may not be null, but a row has None; declare it with \"| None\"");
  EXPECT_EQ(Built(arrow::field("a", arrow::int64(), false), Row("b", [](auto* w) { w->Int(1); })), "a row has \"b\", which is no column");
  std::string empty;
  ValueWriter(&empty).DictHeader(0);
  EXPECT_EQ(Built(arrow::field("a", arrow::int64(), false), empty), "a row lacks the column \"a\", which may not be null");
}

TEST(TypedRowBuilder, NestedValues) {
  const auto list = arrow::field(
      "a", arrow::list(arrow::field("item", arrow::struct_({arrow::field("x", arrow::int64()), arrow::field("y", arrow::utf8())}))));
  std::string row;
  ValueWriter writer(&row);
  writer.DictHeader(1);
  writer.String("a");
  writer.ListHeader(2);
  writer.DictHeader(2);  // out of order
  writer.String("y");
  writer.String("u");
  writer.String("x");
  writer.Int(1);
  writer.None();
  EXPECT_EQ(Built(list, row), "list<item: struct<x: int64, y: string>>[{x:int64 = 1, y:string = u}, null]");
}

}  // namespace
}  // namespace headrace::columnar
