#include "columnar/key_text.h"

#include <gtest/gtest.h>

#include <string>

#include "columnar/key_encoding.h"

namespace headrace::columnar {
namespace {

std::string TextOf(const std::string& key) {
  std::string text;
  const Status status = AppendKeyText(key, &text);
  return status.ok() ? text : "error";
}

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

template <typename Append, typename Value>
std::string Key(Append append, Value value) {
  std::string key;
  append(value, &key);
  return key;
}

TEST(KeyText, ScalarsReadAsPeopleWriteThem) {
  EXPECT_EQ(TextOf(Key(AppendKeyString, std::string_view("gr\xc3\xbc\xc3\x9f"))), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(TextOf(Key(AppendKeyString, std::string_view("a\0b", 3))), std::string("a\0b", 3));
  EXPECT_EQ(TextOf(Key(AppendKeyString, std::string_view(""))), "");
  EXPECT_EQ(TextOf(Key(AppendKeyBytes, std::string_view("\xff\0", 2))), std::string("\xff\0", 2));
  EXPECT_EQ(TextOf(Key(AppendKeyBool, true)), "1");
  EXPECT_EQ(TextOf(Key(AppendKeyFloat, -2.5)), "-2.5");
  EXPECT_EQ(TextOf(Key(AppendKeyFloat, 3.0)), "3");
  std::string none;
  AppendKeyNone(&none);
  EXPECT_EQ(TextOf(none), "null");
}

TEST(KeyText, EveryIntegerKeepsAllItsDigits) {
  for (const std::int64_t value : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{42}, (std::int64_t{1} << 53) + 1,
                                   -(std::int64_t{1} << 53) - 1, INT64_MAX, INT64_MIN, INT64_MIN + 1, INT64_MAX - 511}) {
    EXPECT_EQ(TextOf(Key(AppendKeyInt, value)), std::to_string(value));
  }
}

TEST(KeyText, NumbersBetweenFloatsAreExact) {
  // Keys of docs/formats/value_vectors.json: Decimal("0.1"), Decimal("-0.1"), Decimal("1E-400"), Decimal("12345678901234567890.123456789"),
  // -10**30 + 1, 2**71 - 1
  EXPECT_EQ(TextOf(FromHex("20bfb9999999999999017fffffef38333236363732363834363838363734303533313737323337353130363831313532333433373500")),
            "0.1");
  EXPECT_EQ(TextOf(FromHex("204046666666666665017fffffef353535313131353132333132353738323730323131383135383334303435343130313536323500")),
            "-0.1");
  EXPECT_EQ(TextOf(FromHex("208000000000000000017ffffe713100")), "0." + std::string(399, '0') + "1");
  EXPECT_EQ(TextOf(FromHex("20c3e56a95319d63e1018000000337323231323334353637383900")), "12345678901234567890.123456789");
  EXPECT_EQ(TextOf(FromHex("2039d6c1a6c65f7315018000000e313938383436323438333836353700")), "-999999999999999999999999999999");
  EXPECT_EQ(TextOf(FromHex("20c45fffffffffffff018000000632363231343300")), "2361183241434822606847");
}

TEST(KeyText, TuplesAreJson) {
  std::string key = "\x50";
  AppendKeyString("a\"b", &key);
  AppendKeyInt(7, &key);
  AppendKeyNone(&key);
  key += std::string("\x50\x00", 2);
  AppendKeyBytes("\x01", &key);
  key.push_back('\0');
  EXPECT_EQ(TextOf(key), "[\"a\\\"b\",7,null,[],\"AQ==\"]");
}

TEST(KeyText, TimesAreIso) {
  EXPECT_EQ(TextOf(FromHex("628000000000004d46")), "2024-02-29");
  EXPECT_EQ(TextOf(FromHex("60800612846be27450")).substr(0, 19), "2024-02-29T12:30:15");
  EXPECT_EQ(TextOf("\x65" + std::string(16, '\x11')), "11111111-1111-1111-1111-111111111111");
}

TEST(KeyText, DamagedKeysAreErrorsNotCrashes) {
  std::string key = "\x50";
  AppendKeyString("abc", &key);
  AppendKeyInt((std::int64_t{1} << 60) + 1, &key);
  key.push_back('\0');
  for (std::size_t cut = 0; cut < key.size(); ++cut) EXPECT_EQ(TextOf(key.substr(0, cut)), "error") << cut;
  EXPECT_EQ(TextOf(key + "x"), "error");
  EXPECT_EQ(TextOf(std::string(100'000, '\x50')), "error");
  EXPECT_EQ(TextOf(FromHex("20bff000000000000001ffffffff3100")), "error");
  for (std::size_t at = 0; at < key.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string damaged = key;
      damaged[at] = static_cast<char>(byte);
      (void)TextOf(damaged);
    }
  }
}

}  // namespace
}  // namespace headrace::columnar
