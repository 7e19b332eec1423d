#include "data/format/json_rows.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "data/format/json_writer.h"

namespace headrace::data::format {
namespace {

using arrow::field;

std::shared_ptr<arrow::Schema> Wide() {
  const auto point = arrow::struct_({field("x", arrow::float64()), field("y", arrow::int32())});
  return arrow::schema({field("i", arrow::int64()), field("s", arrow::utf8()), field("b", arrow::boolean()), field("f", arrow::float32()),
                        field("u", arrow::uint64()), field("d", arrow::decimal128(10, 2)), field("bin", arrow::binary()),
                        field("day", arrow::date32()), field("clock", arrow::time64(arrow::TimeUnit::MICRO)),
                        field("t", arrow::timestamp(arrow::TimeUnit::MILLI, "UTC")), field("n", arrow::timestamp(arrow::TimeUnit::NANO)),
                        field("p", point), field("l", arrow::list(arrow::int16())), field("ps", arrow::list(point))});
}

/// What the rows say when they are written again; the reason why when they are refused.
std::string Again(const std::shared_ptr<arrow::Schema>& schema, const std::vector<std::string>& documents) {
  const auto decoder = JsonRowDecoder::Make(schema).ValueOrDie();
  std::string out;
  for (const std::string& document : documents) {
    const Status status = decoder->Append(document);
    if (!status.ok()) out += "!" + status.message() + "\n";
  }
  const auto batch = decoder->Finish().ValueOrDie();
  EXPECT_TRUE(batch->ValidateFull().ok()) << batch->ValidateFull();
  const auto writer = JsonRowWriter::Make(batch).ValueOrDie();
  for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
    EXPECT_TRUE(writer.Append(row, &out).ok());
    out += '\n';
  }
  return out;
}

std::string Refusal(std::shared_ptr<arrow::DataType> type, const std::string& value, bool nullable = true) {
  return Again(arrow::schema({field("c", std::move(type), nullable)}), {"{\"c\":" + value + "}"});
}

TEST(JsonRows, EveryTypeReadsBackAsWritten) {
  const std::string row =
      R"({"i":-9223372036854775808,"s":"a\"b\\c\nd€😀","b":true,"f":1.5,"u":18446744073709551615,"d":"-12.50","bin":"aGVhZA==",)"
      R"("day":"2024-02-29","clock":"23:59:59.000001","t":"2024-02-29T12:30:00.250+00:00","n":"1969-12-31T23:59:59.999999999",)"
      R"("p":{"x":0.5,"y":-1},"l":[1,null,-3],"ps":[{"x":1.0,"y":2},null,{"x":null,"y":3}]})";
  EXPECT_EQ(
      Again(Wide(), {row, "{}", row}),
      row + "\n" +
          R"({"i":null,"s":null,"b":null,"f":null,"u":null,"d":null,"bin":null,"day":null,"clock":null,"t":null,"n":null,"p":null,"l":null,"ps":null})"
          "\n" +
          row + "\n");
}

TEST(JsonRows, OrderBlanksUnknownAndRepeatedFieldsDoNotMatter) {
  const auto schema = arrow::schema({field("a", arrow::int64()), field("b", arrow::utf8())});
  EXPECT_EQ(Again(schema, {R"({"a":1,"b":"x"})", R"( { "x" : {"a":[1,{"b":2}]} , "b" : "y" , "a" : 2 } )", R"({"b":"z","c":null,"a":3})",
                           R"({"a":1,"a":9,"b":"p","b":"q"})", R"({"\u0061":5,"b\u0000":1,"b":"\u00e9"})"}),
            "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n{\"a\":3,\"b\":\"z\"}\n{\"a\":9,\"b\":\"q\"}\n{\"a\":5,\"b\":\"é\"}\n");
}

TEST(JsonRows, APlaceWhoseNameWasNotRememberedMatchesNothing) {
  const auto schema = arrow::schema({field("a", arrow::int64()), field("b", arrow::int64())});
  EXPECT_EQ(Again(schema, {R"({"\u0078":0,"\u0079":0,"b":1})", R"({"a":2,"b":3})", R"({"b":4,"a":5,"":6})"}),
            "{\"a\":null,\"b\":1}\n{\"a\":2,\"b\":3}\n{\"a\":5,\"b\":4}\n");
}

TEST(JsonRows, ARefusedRowLeavesNothingBehind) {
  const auto schema = arrow::schema({field("s", arrow::utf8()), field("l", arrow::list(arrow::struct_({field("x", arrow::int8())}))),
                                     field("p", arrow::struct_({field("t", arrow::utf8()), field("i", arrow::int64(), false)})),
                                     field("i", arrow::int64())});
  const std::string good = R"({"s":"a","l":[{"x":1}],"p":{"t":"u","i":7},"i":1})";
  const auto decoder = JsonRowDecoder::Make(schema).ValueOrDie();
  const std::vector<std::string> bad = {R"({"s":"b","l":[{"x":1},{"x":1000}],"i":1})",
                                        R"({"s":"b","l":[{"x":null}],"p":{"t":"u","i":"x"}})",
                                        R"({"s":"b","p":{"t":"u"},"i":1})",
                                        R"({"s":"b","l":[],"i":1.5})",
                                        R"({"s":"b","l":[{"x":1})",
                                        R"({"s":null,"l":null,"i":tru})",
                                        R"({"i":1}})",
                                        R"({"s":"b","l":[{"x":2}],"i":3} {})"};
  for (const std::string& document : bad) {
    ASSERT_TRUE(decoder->Append(good).ok());
    EXPECT_FALSE(decoder->Append(document).ok()) << document;
  }
  const auto batch = decoder->Finish().ValueOrDie();
  ASSERT_TRUE(batch->ValidateFull().ok()) << batch->ValidateFull();
  ASSERT_EQ(batch->num_rows(), static_cast<std::int64_t>(bad.size()));
  const auto writer = JsonRowWriter::Make(batch).ValueOrDie();
  for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
    std::string out;
    ASSERT_TRUE(writer.Append(row, &out).ok());
    EXPECT_EQ(out, good);
  }
}

TEST(JsonRows, NumbersGoWhereTheyFitExactly) {
  EXPECT_EQ(Refusal(arrow::int8(), "127"), "{\"c\":127}\n");
  EXPECT_EQ(Refusal(arrow::int8(), "128").substr(0, 40), "!column \"c\": 128 does not fit int8\n");
  EXPECT_EQ(Refusal(arrow::int64(), "5.0"), "{\"c\":5}\n");
  EXPECT_EQ(Refusal(arrow::int64(), "1e3"), "{\"c\":1000}\n");
  EXPECT_EQ(Refusal(arrow::int64(), "\"42\""), "{\"c\":42}\n");
  EXPECT_EQ(Refusal(arrow::int64(), "5.5"), "!column \"c\": 5.5 does not fit int64\n");
  EXPECT_EQ(Refusal(arrow::int64(), "9223372036854775807"), "{\"c\":9223372036854775807}\n");
  EXPECT_EQ(Refusal(arrow::int64(), "9223372036854775808"), "!column \"c\": 9223372036854775808 does not fit int64\n");
  EXPECT_EQ(Refusal(arrow::uint64(), "-1"), "!column \"c\": -1 does not fit uint64\n");
  EXPECT_EQ(Refusal(arrow::decimal128(5, 2), "123.456"), "!column \"c\": 123.456 does not fit decimal(5, 2)\n");
  EXPECT_EQ(Refusal(arrow::decimal128(5, 2), "1.5"), "{\"c\":\"1.50\"}\n");
  EXPECT_EQ(Refusal(arrow::float64(), "\"NaN\""), "{\"c\":null}\n");
  EXPECT_EQ(Refusal(arrow::float64(), "1e400"), "!column \"c\": 1e400 does not fit float64\n");
  for (const char* value : {"01", "+1", "1.", ".5", "1e", "--1", "0x1", "1a", "NaN", "truex", "nul"})
    EXPECT_EQ(Refusal(arrow::float64(), value)[0], '!') << value;
}

TEST(JsonRows, TypesAndNullsAreChecked) {
  EXPECT_EQ(Refusal(arrow::int64(), "true"), "!column \"c\": true does not fit int64\n");
  EXPECT_EQ(Refusal(arrow::boolean(), "1"), "!column \"c\": 1 does not fit bool\n");
  EXPECT_EQ(Refusal(arrow::boolean(), "\"true\""), "!column \"c\": \"true\" does not fit bool\n");
  EXPECT_EQ(Refusal(arrow::utf8(), "1"), "!column \"c\": 1 does not fit text\n");
  EXPECT_EQ(Refusal(arrow::utf8(), "{}"), "!column \"c\": an object does not fit text\n");
  EXPECT_EQ(Refusal(arrow::utf8(), "null", false), "!column \"c\" is null, but its type text has no null; declare it as \"text | None\"\n");
  EXPECT_EQ(Again(arrow::schema({field("c", arrow::utf8(), false)}), {"{}"}),
            "!column \"c\" is absent, but its type text has no null; declare it as \"text | None\"\n");
  EXPECT_EQ(Again(Wide(), {"[1]"}), "!a row is a JSON object, not [1]\n");
  EXPECT_EQ(Again(Wide(), {""})[0], '!');
}

TEST(JsonRows, TimesComeAsMillisecondsOrText) {
  const auto ms = arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"), naive = arrow::timestamp(arrow::TimeUnit::MICRO);
  EXPECT_EQ(Refusal(ms, "1709210000123"), "{\"c\":\"2024-02-29T12:33:20.123+00:00\"}\n");
  EXPECT_EQ(Refusal(naive, "1709210000123"), "{\"c\":\"2024-02-29T12:33:20.123\"}\n");
  EXPECT_EQ(Refusal(ms, "\"2024-02-29T14:33:20.1239+02:00\""), "{\"c\":\"2024-02-29T12:33:20.123+00:00\"}\n");
  EXPECT_EQ(Refusal(ms, "\"2024-02-29 12:33\""), "{\"c\":\"2024-02-29T12:33:00+00:00\"}\n");
  EXPECT_EQ(Refusal(ms, "\"2024-02-29\""), "{\"c\":\"2024-02-29T00:00:00+00:00\"}\n");
  EXPECT_EQ(Refusal(naive, "\"2024-02-29T12:33:20Z\"")[0], '!');  // an instant is no calendar's time
  for (const char* value :
       {"\"2023-02-29\"", "\"2024-13-01\"", "\"2024-02-29T25:00\"", "\"2024-02-29T12\"", "\"now\"", "true", "\"2024-02-29T12:33:20+2\""})
    EXPECT_EQ(Refusal(ms, value)[0], '!') << value;
  EXPECT_EQ(Refusal(arrow::duration(arrow::TimeUnit::MILLI), "-1500"), "{\"c\":\"-PT1.5S\"}\n");
  EXPECT_EQ(Refusal(arrow::duration(arrow::TimeUnit::MILLI), "\"PT90S\""), "{\"c\":\"PT90S\"}\n");
}

TEST(JsonRows, TenMegabytesOfText) {
  const std::string text(10 << 20, 'x');
  const auto decoder = JsonRowDecoder::Make(arrow::schema({field("s", arrow::utf8())})).ValueOrDie();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(decoder->Append("{\"s\":\"" + text + "\"}").ok());
  ASSERT_TRUE(decoder->Append("{\"s\":\"\\n" + text + "\"}").ok());
  EXPECT_GT(decoder->size_bytes(), 40 << 20);
  const auto batch = decoder->Finish().ValueOrDie();
  EXPECT_EQ(static_cast<const arrow::StringArray&>(*batch->column(0)).GetView(2), text);
  EXPECT_EQ(static_cast<const arrow::StringArray&>(*batch->column(0)).GetView(3), "\n" + text);
  EXPECT_FALSE(decoder->Append(std::string(JsonRowDecoder::kMaxDocumentBytes + 1, ' ')).ok());
}

TEST(JsonRows, DeepNestingIsAnError) {
  const auto schema = arrow::schema({field("a", arrow::int64())});
  const std::string deep = "{\"x\":" + std::string(5000, '[') + std::string(5000, ']') + ",\"a\":1}";
  (void)Again(schema, {deep});
  EXPECT_EQ(Again(schema, {"{\"x\":" + std::string(5000, '[')})[0], '!');
}

}  // namespace
}  // namespace headrace::data::format
