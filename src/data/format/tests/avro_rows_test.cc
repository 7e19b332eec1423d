#include "data/format/avro_rows.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <bit>

#include "data/format/json_writer.h"

namespace headrace::data::format {
namespace {

using arrow::field;

/// Writes Avro binary by hand.
class Bytes {
 public:
  Bytes& Long(std::int64_t value) {
    std::uint64_t bits = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
    for (; bits >= 0x80; bits >>= 7) text_ += static_cast<char>(bits | 0x80);
    text_ += static_cast<char>(bits);
    return *this;
  }
  Bytes& Text(std::string_view text) {
    Long(static_cast<std::int64_t>(text.size()));
    text_ += text;
    return *this;
  }
  Bytes& Double(double value) {
    text_.append(reinterpret_cast<const char*>(&value), 8);
    return *this;
  }
  Bytes& Raw(std::string_view raw) {
    text_ += raw;
    return *this;
  }
  operator std::string() const { return text_; }

 private:
  std::string text_;
};

constexpr char kBid[] = R"({"type":"record","name":"Bid","namespace":"n","fields":[
  {"name":"auction","type":"long"}, {"name":"skipped","type":{"type":"map","values":["null",{"type":"array","items":"Bid"}]}},
  {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
  {"name":"channel","type":["null","string"]}, {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A","B"]}},
  {"name":"t","type":{"type":"long","logicalType":"timestamp-micros"}},
  {"name":"tags","type":{"type":"array","items":"string"}}, {"name":"seller","type":{"type":"record","name":"S","fields":[{"name":"id","type":"int"},{"name":"score","type":"double"}]}},
  {"name":"counts","type":{"type":"map","values":"int"}}]})";

std::string Bid(std::int64_t auction) {
  return Bytes()
      .Long(auction)
      .Long(0)
      .Raw(std::string("\x06\x00\x04\xe2", 4))
      .Long(1)
      .Text("app")
      .Long(1)
      .Long(1'709'210'000'123'456)
      .Long(2)
      .Text("x")
      .Text("y")
      .Long(0)
      .Long(-7)
      .Double(0.5)
      .Long(-1)
      .Long(4)
      .Text("k")
      .Long(9)
      .Long(0);
}

std::shared_ptr<arrow::Schema> Columns() {
  const auto entry = arrow::struct_({field("key", arrow::utf8(), false), field("value", arrow::int64())});
  return arrow::schema({field("t", arrow::timestamp(arrow::TimeUnit::MILLI, "UTC")), field("auction", arrow::int64(), false),
                        field("price", arrow::decimal128(12, 3)), field("channel", arrow::utf8()), field("kind", arrow::utf8()),
                        field("tags", arrow::list(arrow::utf8())),
                        field("seller", arrow::struct_({field("score", arrow::float32()), field("more", arrow::utf8())})),
                        field("counts", arrow::list(entry)), field("absent", arrow::int64())});
}

std::string Rows(AvroRowDecoder* decoder) {
  const auto batch = decoder->Finish().ValueOrDie();
  EXPECT_TRUE(batch->ValidateFull().ok()) << batch->ValidateFull();
  const auto writer = JsonRowWriter::Make(batch).ValueOrDie();
  std::string out;
  for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
    EXPECT_TRUE(writer.Append(row, &out).ok());
    out += '\n';
  }
  return out;
}

TEST(AvroRows, FieldsGoIntoColumnsByName) {
  const auto decoder = AvroRowDecoder::Make(Columns()).ValueOrDie();
  const auto plan = decoder->PlanFor(AvroSchema::Parse(kBid).ValueOrDie());
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_TRUE(decoder->Append(Bid(1), **plan).ok());
  EXPECT_EQ(Rows(decoder.get()),
            R"({"t":"2024-02-29T12:33:20.123+00:00","auction":1,"price":"12.500","channel":"app","kind":"B","tags":["x","y"],)"
            R"("seller":{"score":0.5,"more":null},"counts":[{"key":"k","value":9}],"absent":null})"
            "\n");
}

TEST(AvroRows, EveryTruncationIsRefusedAndLeavesNothingBehind) {
  const auto decoder = AvroRowDecoder::Make(Columns()).ValueOrDie();
  const auto plan = decoder->PlanFor(AvroSchema::Parse(kBid).ValueOrDie()).ValueOrDie();
  const std::string whole = Bid(1);
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(decoder->Append(std::string_view(whole).substr(0, size), *plan).ok()) << size;
  EXPECT_FALSE(decoder->Append(whole + "x", *plan).ok());
  ASSERT_TRUE(decoder->Append(whole, *plan).ok());
  EXPECT_EQ(decoder->num_rows(), 1);
  Rows(decoder.get());
}

TEST(AvroRows, WhatDoesNotFitIsSaid) {
  const auto refusal = [](const std::string& type, const std::shared_ptr<arrow::Field>& column, const std::string& bytes) {
    const auto decoder = AvroRowDecoder::Make(arrow::schema({column})).ValueOrDie();
    const auto schema = AvroSchema::Parse(R"({"type":"record","name":"R","fields":[{"name":"c","type":)" + type + "}]}");
    if (!schema.ok()) return schema.status().message();
    const auto plan = decoder->PlanFor(*schema);
    return plan.ok() ? decoder->Append(bytes, **plan).message() : plan.status().message();
  };
  EXPECT_EQ(refusal("\"string\"", field("c", arrow::boolean()), ""), "column \"c\": the writer's type string does not go into bool");
  EXPECT_EQ(refusal("\"long\"", field("c", arrow::int8()), Bytes().Long(200)), "column \"c\": 200 does not fit int8");
  EXPECT_EQ(refusal("\"int\"", field("d", arrow::int8(), false), ""),
            "the writer's record R has no field \"d\", and the column's type int8 has no null");
  EXPECT_EQ(refusal(R"(["null","int"])", field("c", arrow::int8(), false), Bytes().Long(0)),
            "column \"c\" is null, but its type int8 has no null; declare it as \"int8 | None\"");
  EXPECT_EQ(refusal(R"(["int","string"])", field("c", arrow::int8()), Bytes().Long(1).Text("7")), "");
  EXPECT_EQ(refusal(R"(["int","bytes"])", field("c", arrow::int8()), Bytes().Long(1).Text("7")),
            "column \"c\": the writer's type bytes does not go into int8");
  EXPECT_EQ(refusal("\"string\"", field("c", arrow::utf8()), Bytes().Text("\xff")), "text is not UTF-8");
  EXPECT_NE(refusal("\"nothing\"", field("c", arrow::utf8()), "").find("\"nothing\" is not known"), std::string::npos);
}

TEST(AvroRows, RecordsThatCostNothingAreBounded) {
  // Twenty records of twenty records …: no bytes, but more values than a lifetime can step over.
  std::string type = R"({"type":"record","name":"L0","fields":[{"name":"n","type":"null"}]})";
  for (int level = 1; level < 8; ++level) {
    std::string fields = "{\"name\":\"f0\",\"type\":" + type + "}";
    for (int i = 1; i < 20; ++i) fields += ",{\"name\":\"f" + std::to_string(i) + "\",\"type\":\"L" + std::to_string(level - 1) + "\"}";
    type = "{\"type\":\"record\",\"name\":\"L" + std::to_string(level) + "\",\"fields\":[" + fields + "]}";
  }
  const auto decoder = AvroRowDecoder::Make(arrow::schema({field("c", arrow::int64())})).ValueOrDie();
  const auto schema = AvroSchema::Parse(R"({"type":"record","name":"R","fields":[{"name":"x","type":)" + type + "}]}");
  ASSERT_TRUE(schema.ok()) << schema.status();
  const auto plan = decoder->PlanFor(*schema).ValueOrDie();
  EXPECT_FALSE(decoder->Append("", *plan).ok());
  const auto nulls =
      decoder
          ->PlanFor(AvroSchema::Parse(R"({"type":"record","name":"R","fields":[{"name":"x","type":{"type":"array","items":"null"}}]})")
                        .ValueOrDie())
          .ValueOrDie();
  EXPECT_FALSE(decoder->Append(std::string(Bytes().Long(std::int64_t{1} << 39).Long(0)), *nulls).ok());
}

TEST(AvroSchema, BadSchemasAreErrors) {
  for (const char* text :
       {"", "{", "[]", "{}", R"({"type":"record","name":"R"})", R"({"type":"array"})", R"([["null"]])", R"({"type":"fixed","name":"F"})",
        R"([{"type":"enum","name":"E","symbols":[]},{"type":"enum","name":"E","symbols":[]}])"})
    EXPECT_FALSE(AvroSchema::Parse(text).ok()) << text;
  std::string deep = "\"int\"";
  for (int i = 0; i < 100; ++i) deep = R"({"type":"array","items":)" + deep + "}";
  EXPECT_FALSE(AvroSchema::Parse(deep).ok());
}

}  // namespace
}  // namespace headrace::data::format
