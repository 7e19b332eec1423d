#include "data/format/json_value.h"

#include <gtest/gtest.h>

#include "columnar/value_encoding.h"

namespace headrace::data::format {
namespace {

std::string RoundTrip(std::string_view json) {
  JsonValueReader reader;
  std::string value, back;
  const Status read = reader.Append(json, &value);
  if (!read.ok()) return "error";
  const Status written = columnar::AppendJson(value, &back);
  return written.ok() ? back : "undecodable: " + written.ToString();
}

TEST(JsonValue, KeepsEveryKindOfValue) {
  for (const char* json : {"null", "true", "false", "0", "-9223372036854775808", "9223372036854775807", "1.5", "\"\"", "\"a\\\"b\"", "[]",
                           "[1,[2,\"x\"],null]", "{}", R"({"a":1,"b":{"c":[true]}})"}) {
    EXPECT_EQ(RoundTrip(json), json);
  }
  EXPECT_EQ(RoundTrip(" {\"a\" : 1.0e2 } "), "{\"a\":100.0}");
  EXPECT_EQ(RoundTrip("18446744073709551615"), "18446744073709551615");
}

TEST(JsonValue, MalformedDocumentsAreErrors) {
  for (const char* json :
       {"", " ", "{", "[1,]", "{\"a\"}", "nul", "1 2", "\"\xff\"", "'a'", "NaN", "1e999", "123456789012345678901234567890"})
    EXPECT_EQ(RoundTrip(json), "error") << json;
  EXPECT_EQ(RoundTrip(std::string(2000, '[') + std::string(2000, ']')), "error");
  EXPECT_EQ(RoundTrip(std::string(101, '[') + std::string(101, ']')), "error");
  for (const char* leaf : {"", "1", "\"x\""}) {
    const std::string deepest = std::string(100, '[') + leaf + std::string(100, ']');
    EXPECT_EQ(RoundTrip(deepest), deepest);
  }
  EXPECT_EQ(RoundTrip("{\"a\":\"\\ud800\"}"), "error");  // a lone surrogate is no UTF-8
}

TEST(JsonValue, ReaderIsReusableAfterAnError) {
  JsonValueReader reader;
  std::string out;
  EXPECT_FALSE(reader.Append("{", &out).ok());
  out.clear();
  EXPECT_TRUE(reader.Append("[1]", &out).ok());
  EXPECT_TRUE(columnar::DecodeValue(out).ok());
}

}  // namespace
}  // namespace headrace::data::format
