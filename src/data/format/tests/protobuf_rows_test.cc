#include "data/format/protobuf_rows.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "data/format/json_writer.h"

namespace headrace::data::format {
namespace {

using arrow::field;

constexpr char kProto[] =
    R"(syntax = "proto3"; package n; import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto"; import "more.proto";
enum Kind { A = 0; B = 5; }
message First { int32 x = 1; }
message Bid {
  int64 auction = 1; optional string channel = 2; Kind kind = 3; google.protobuf.Timestamp t = 4; repeated sint32 l = 5 [packed = true];
  map<string, double> m = 6; other.Point p = 7; bytes bin = 8; google.protobuf.BoolValue maybe = 9; repeated other.Point ps = 10; float f = 11; fixed64 big = 12;
  string price = 13;
})";
constexpr char kMore[] = R"(syntax = "proto2"; package other; message Point { optional int32 x = 1; required string name = 2; })";

std::string Varint(std::uint64_t bits) {
  std::string out;
  for (; bits >= 0x80; bits >>= 7) out += static_cast<char>(bits | 0x80);
  return out + static_cast<char>(bits);
}
std::string Number(int field, std::uint64_t value) { return Varint(static_cast<std::uint64_t>(field) << 3) + Varint(value); }
std::string Bytes(int field, const std::string& bytes) {
  return Varint(static_cast<std::uint64_t>(field) << 3 | 2) + Varint(bytes.size()) + bytes;
}

std::shared_ptr<arrow::Schema> Columns() {
  const auto point = arrow::struct_({field("name", arrow::utf8()), field("x", arrow::int16()), field("none", arrow::int8())});
  return arrow::schema({field("auction", arrow::int64(), false), field("channel", arrow::utf8()), field("kind", arrow::utf8()),
                        field("t", arrow::timestamp(arrow::TimeUnit::MILLI, "UTC")), field("l", arrow::list(arrow::int64())),
                        field("m", arrow::list(arrow::struct_({field("key", arrow::utf8()), field("value", arrow::float64())}))),
                        field("p", point), field("bin", arrow::binary()), field("maybe", arrow::boolean()), field("ps", arrow::list(point)),
                        field("f", arrow::float32()), field("big", arrow::uint64()), field("price", arrow::decimal128(10, 2)),
                        field("absent", arrow::int64())});
}

struct Fixture {
  std::shared_ptr<const ProtobufSchema> schema = ProtobufSchema::Parse(kProto, {{"more.proto", kMore}}).ValueOrDie();
  std::unique_ptr<ProtobufRowDecoder> rows = ProtobufRowDecoder::Make(Columns()).ValueOrDie();
  std::unique_ptr<ProtobufPlan> plan = rows->PlanFor(schema, *schema->MessageNamed("n.Bid")).ValueOrDie();

  std::string Rows() {
    const auto batch = rows->Finish().ValueOrDie();
    EXPECT_TRUE(batch->ValidateFull().ok()) << batch->ValidateFull();
    const auto writer = JsonRowWriter::Make(batch).ValueOrDie();
    std::string out;
    for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
      EXPECT_TRUE(writer.Append(row, &out).ok());
      out += '\n';
    }
    return out;
  }
};

std::string Whole() {
  const std::string point = Number(1, 3) + Bytes(2, "q");
  return Bytes(13, "1.5") + Number(1, 9) + Number(1, 7) + Bytes(2, "") + Number(3, 5) +
         Bytes(4, Number(1, 1'700'000'000) + Number(2, 250'000'000)) + Bytes(5, Varint(1) + Varint(4)) + Number(5, 5) + Bytes(99, "later") +
         Bytes(6, Bytes(1, "k") + std::string("\x11\0\0\0\0\0\0\xe0\x3f", 9)) + Bytes(7, point) + Bytes(8, "head") +
         Bytes(9, Number(1, 1)) + Bytes(10, point) + Bytes(10, Bytes(2, "r")) + std::string("\x5d\0\0\xc0\x3f", 5) +
         std::string("\x61\xff\xff\xff\xff\xff\xff\xff\xff", 9) + Varint(50 << 3 | 3) + Number(51, 1) + Varint(50 << 3 | 4);
}

TEST(ProtobufRows, FieldsGoIntoColumnsByName) {
  Fixture f;
  const Status status = f.rows->Append(Whole(), f.plan.get());
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_TRUE(f.rows->Append("", f.plan.get()).ok());
  EXPECT_EQ(
      f.Rows(),
      R"({"auction":7,"channel":"","kind":"B","t":"2023-11-14T22:13:20.250+00:00","l":[-1,2,-3],"m":[{"key":"k","value":0.5}],)"
      R"("p":{"name":"q","x":3,"none":null},"bin":"aGVhZA==","maybe":true,"ps":[{"name":"q","x":3,"none":null},{"name":"r","x":null,"none":null}],)"
      R"("f":1.5,"big":18446744073709551615,"price":"1.50","absent":null})"
      "\n"
      R"({"auction":0,"channel":null,"kind":"A","t":null,"l":[],"m":[],"p":null,"bin":"","maybe":null,"ps":[],"f":0.0,"big":0,"price":null,"absent":null})"
      "\n");
}

TEST(ProtobufRows, RefusedMessagesLeaveNothingBehind) {
  Fixture f;
  const std::string whole = Whole();
  for (const std::string& bad :
       {whole + Bytes(2, "\xff"), whole + Bytes(10, Number(1, 100'000)), whole + Bytes(10, Bytes(1, "x") + "\x0a"), whole + "\x07",
        whole + Varint(50 << 3 | 3), Bytes(13, "x"), whole + Bytes(4, Number(2, 2'000'000'000)), std::string(11, '\xff')}) {
    ASSERT_TRUE(f.rows->Append(whole, f.plan.get()).ok());
    EXPECT_FALSE(f.rows->Append(bad, f.plan.get()).ok());
  }
  const std::string rows = f.Rows();
  EXPECT_EQ(std::count(rows.begin(), rows.end(), '\n'), 8);
}

TEST(ProtobufRows, TypesThatDoNotGoAreSaid) {
  Fixture f;
  const auto plan = [&](std::shared_ptr<arrow::Field> column) {
    const auto rows = ProtobufRowDecoder::Make(arrow::schema({std::move(column)})).ValueOrDie();
    return rows->PlanFor(f.schema, *f.schema->MessageNamed("n.Bid")).status().message();
  };
  EXPECT_EQ(plan(field("auction", arrow::utf8())), "column \"auction\": the writer's type int64 does not go into text");
  EXPECT_EQ(plan(field("l", arrow::int64())), "column \"l\": the writer's type repeated sint32 does not go into int64");
  EXPECT_EQ(plan(field("p", arrow::int64())), "column \"p\": the writer's type other.Point does not go into int64");
  EXPECT_EQ(plan(field("x", arrow::int64(), false)), "the message n.Bid has no field \"x\", and the column's type int64 has no null");
}

TEST(ProtobufSchema, MessagesArePlacesAndNames) {
  Fixture f;
  EXPECT_EQ(f.schema->MessageAt({1}), f.schema->MessageNamed("n.Bid"));
  EXPECT_NE(f.schema->MessageAt({1, 0}), nullptr);  // the entry of the map
  EXPECT_EQ(f.schema->MessageAt({2}), nullptr);
  EXPECT_EQ(f.schema->MessageAt({-1}), nullptr);
  EXPECT_EQ(f.schema->MessageNamed("n.None"), nullptr);
  EXPECT_NE(ProtobufSchema::Parse("syntax = \"proto3\"; message {", {}).status().message().find("line 1"), std::string::npos);
  EXPECT_FALSE(ProtobufSchema::Parse("import \"none.proto\";", {}).ok());
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "message M {";
  EXPECT_FALSE(ProtobufSchema::Parse(deep, {}).ok());
}

}  // namespace
}  // namespace headrace::data::format
