#include "columnar/value_encoding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "columnar/value_cursor.h"

namespace headrace::columnar {
namespace {

std::string Hex(std::string_view hex) {
  std::string out;
  auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) out.push_back(static_cast<char>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  return out;
}

std::string JsonOf(std::string_view bytes) {
  std::string out;
  const Status status = AppendJson(bytes, &out);
  return status.ok() ? out : "!" + status.message();
}

struct Case {
  const char* hex;
  const char* json;
  const char* repr;
};

TEST(ValueEncoding, RendersEveryTypeAsJsonAndRepr) {
  const Case cases[] = {
      {"00", "null", "None"},
      {"01", "false", "False"},
      {"02", "true", "True"},
      {"0300", "0", "0"},
      {"0301", "-1", "-1"},
      {"03ffffffffffffffffff01", "-9223372036854775808", "-9223372036854775808"},
      {"03feffffffffffffffff01", "9223372036854775807", "9223372036854775807"},
      {"0409000000000000000001", "18446744073709551616", "18446744073709551616"},
      {"0409ffffffffffffff7fff", "-9223372036854775809", "-9223372036854775809"},
      {"05000000000000f03f", "1.0", "1.0"},
      {"05000000000000f87f", "null", "nan"},
      {"05000000000000f0ff", "null", "-inf"},
      {"050080e03779c34143", "1e+16", "1e+16"},
      {"059a9999999999b93f", "0.1", "0.1"},
      {"0603c3a461", "\"äa\"", "'äa'"},
      {"060427220a5c", "\"'\\\"\\n\\\\\"", "'\\'\"\\n\\\\'"},
      {"0702ff00", "\"/wA=\"", "b'\\xff\\x00'"},
      {"080103 02", "[1]", "(1,)"},
      {"0800", "[]", "()"},
      {"090203020601 61", "[1,\"a\"]", "[1, 'a']"},
      {"0a02060161030203020302", "{\"a\":1,\"1\":1}", "{'a': 1, 1: 1}"},
      {"0b020302 0304", "[1,2]", "{1, 2}"},
      {"0b00", "[]", "set()"},
      {"0c010302", "[1]", "frozenset({1})"},
      {"0c00", "[]", "frozenset()"},
      {"0d03312e30", "\"1.0\"", "Decimal('1.0')"},
      {"0e0000000000000000100e0000", "\"1970-01-01T01:00:00+01:00\"",
       "datetime.datetime(1970, 1, 1, 1, 0, tzinfo=datetime.timezone(datetime.timedelta(seconds=3600)))"},
      {"0fffffffffffffffff", "\"1969-12-31T23:59:59.999999\"", "datetime.datetime(1969, 12, 31, 23, 59, 59, 999999)"},
      {"10eea701", "\"1999-06-01\"", "datetime.date(1999, 6, 1)"},
      {"11c0843d", "\"00:00:01\"", "datetime.time(0, 0, 1)"},
      {"12c2843d", "\"PT0.500001S\"", "datetime.timedelta(microseconds=500001)"},
      {"1201", "\"-PT0.000001S\"", "datetime.timedelta(days=-1, seconds=86399, microseconds=999999)"},
      {"1305 613a622e50 02 0178 0302 0179 00", "{\"x\":1,\"y\":null}", "b.P(x=1, y=None)"},
      {"1403800000", "\"<pickled, 3 bytes>\"", "<pickled, 3 bytes>"},
      {"1500112233445566778899aabbccddeeff", "\"00112233-4455-6677-8899-aabbccddeeff\"", "UUID('00112233-4455-6677-8899-aabbccddeeff')"},
  };
  for (const Case& c : cases) {
    std::string hex = c.hex;
    std::erase(hex, ' ');
    const std::string bytes = Hex(hex);
    EXPECT_EQ(JsonOf(bytes), c.json) << c.hex;
    EXPECT_EQ(ReprOf(bytes), c.repr) << c.hex;
    EXPECT_TRUE(DecodeValue(bytes).ok()) << c.hex << DecodeValue(bytes).status().ToString();
    // Every shorter and every longer input is refused by both readers.
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      EXPECT_FALSE(DecodeValue(std::string_view(bytes).substr(0, cut)).ok()) << c.hex << " cut to " << cut;
      EXPECT_EQ(JsonOf(std::string_view(bytes).substr(0, cut)).front(), '!') << c.hex << " cut to " << cut;
    }
    EXPECT_FALSE(DecodeValue(bytes + '\0').ok()) << c.hex;
  }
}

TEST(ValueEncoding, WriterAndDecoderAgree) {
  std::string bytes;
  ValueWriter writer(&bytes);
  writer.DictHeader(6);
  writer.String("int");
  writer.Int(std::numeric_limits<std::int64_t>::min());
  writer.String("float");
  writer.Float(-0.0);
  writer.String("bytes");
  writer.Bytes(std::string_view("\0\xff", 2));
  writer.String("tuple");
  writer.TupleHeader(2);
  writer.Bool(true);
  writer.None();
  writer.String("list");
  writer.ListHeader(0);
  writer.String("max");
  writer.Int(std::numeric_limits<std::int64_t>::max());
  const Value value = DecodeValue(bytes).ValueOrDie();
  ASSERT_NE(value.Find("int"), nullptr);
  EXPECT_EQ(value.Find("int")->integer, std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(value.Find("max")->integer, std::numeric_limits<std::int64_t>::max());
  EXPECT_TRUE(std::signbit(value.Find("float")->real));
  EXPECT_EQ(value.Find("bytes")->text, std::string("\0\xff", 2));
  ASSERT_EQ(value.Find("tuple")->items.size(), 2u);
  EXPECT_EQ(value.Find("tuple")->items[0].tag, ValueTag::kTrue);
  EXPECT_EQ(value.Find("list")->tag, ValueTag::kList);
  EXPECT_EQ(value.Find("absent"), nullptr);
}

TEST(ValueEncoding, RefusesWhatIsNotOneValue) {
  EXPECT_FALSE(DecodeValue("").ok());
  EXPECT_FALSE(DecodeValue("\x16").ok());
  EXPECT_FALSE(DecodeValue(Hex("06ffffffffffffffffff01")).ok());    // a length beyond the input
  EXPECT_FALSE(DecodeValue(Hex("08ffffffff0f")).ok());              // a count beyond the input
  EXPECT_FALSE(DecodeValue(Hex("03ffffffffffffffffff02")).ok());    // 65 bits
  EXPECT_FALSE(DecodeValue(Hex("040a00000000000000000100")).ok());  // not the shortest form
  EXPECT_FALSE(DecodeValue(Hex("040101")).ok());                    // fits 64 bits
  EXPECT_FALSE(DecodeValue(Hex("0601ff")).ok());                    // not UTF-8
  EXPECT_FALSE(DecodeValue(Hex("0603eda080")).ok());                // a surrogate
  EXPECT_FALSE(DecodeValue(Hex("0fffffffffffffff7f")).ok());        // year 294247
  EXPECT_NE(DecodeValue(Hex("080216")).status().message().find("byte 2"), std::string::npos)
      << DecodeValue(Hex("080216")).status().message();
}

TEST(ValueEncoding, DeepNestingIsRefusedBeforeTheStackIs) {
  auto nested = [](std::size_t depth) {
    std::string bytes;
    for (std::size_t i = 0; i < depth; ++i) bytes += "\x09\x01";
    return bytes + '\0';
  };
  EXPECT_TRUE(DecodeValue(nested(100)).ok());
  EXPECT_FALSE(DecodeValue(nested(101)).ok());
  EXPECT_FALSE(DecodeValue(nested(1'000'000)).ok());
  EXPECT_EQ(JsonOf(nested(1'000'000)).front(), '!');
  EXPECT_LE(ReprOf(nested(1'000'000)).size(), 250u);
}

TEST(ValueEncoding, KeysInsideKeysDoNotExplode) {
  std::string bytes;
  for (int i = 0; i < 90; ++i) bytes += "\x0a\x01";
  bytes += '\0';
  for (int i = 0; i < 90; ++i) bytes += '\0';
  EXPECT_EQ(JsonOf(bytes).front(), '!');
}

TEST(ValueEncoding, ReprIsCutAtWholeCharacters) {
  std::string bytes;
  ValueWriter(&bytes).String(std::string(1000, 'x'));
  EXPECT_EQ(ReprOf(bytes, 10), "'xxxxxxxx…");
  bytes.clear();
  std::string umlauts;
  for (int i = 0; i < 50; ++i) umlauts += "ä";
  ValueWriter(&bytes).String(umlauts);
  EXPECT_EQ(ReprOf(bytes, 4), "'ää…");
}

TEST(ValueEncoding, HugeIntegersStayCheap) {
  std::string bytes = Hex("0480801000");
  bytes = std::string("\x04\x80\x80\x40", 4) + std::string((1 << 20) - 1, '\x7f') + "\x01";
  const Value value = DecodeValue(bytes).ValueOrDie();
  EXPECT_EQ(value.text.substr(0, 4), "0x17");
}

TEST(ValueEncoding, RandomBytesNeverCrash) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200'000; ++i) {
    std::string bytes(random() % 24, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % 3 == 0 ? random() : random() % 0x17);
    const bool decoded = DecodeValue(bytes).ok();
    std::string json;
    const bool rendered = AppendJson(bytes, &json).ok();
    EXPECT_TRUE(decoded || !rendered);
    EXPECT_LE(ReprOf(bytes, 20).size(), 80u);
  }
}

}  // namespace
}  // namespace headrace::columnar
