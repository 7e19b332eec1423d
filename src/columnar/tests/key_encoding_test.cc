#include "columnar/key_encoding.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "columnar/key_group.h"

namespace headrace::columnar {
namespace {

std::string IntKey(std::int64_t value) {
  std::string out;
  AppendKeyInt(value, &out);
  return out;
}
std::string FloatKey(double value) {
  std::string out;
  AppendKeyFloat(value, &out);
  return out;
}
std::string StringKey(std::string_view value) {
  std::string out;
  AppendKeyString(value, &out);
  return out;
}

TEST(KeyEncoding, EqualPythonValuesHaveOneKey) {
  std::string truth;
  AppendKeyBool(true, &truth);
  EXPECT_EQ(IntKey(1), FloatKey(1.0));
  EXPECT_EQ(IntKey(1), truth);
  EXPECT_EQ(FloatKey(-0.0), FloatKey(0.0));
  EXPECT_EQ(FloatKey(-0.0), IntKey(0));
  EXPECT_EQ(FloatKey(std::nan("1")), FloatKey(-std::nan("2")));
  EXPECT_EQ(IntKey(std::numeric_limits<std::int64_t>::min()), FloatKey(-0x1p63));
  EXPECT_NE(IntKey((1LL << 53) + 1), FloatKey(0x1p53));
}

TEST(KeyEncoding, BytesAreThoseOfTheFormat) {
  EXPECT_EQ(IntKey(1), std::string("\x20\xbf\xf0\0\0\0\0\0\0\0", 10));
  EXPECT_EQ(FloatKey(-1.0), std::string("\x20\x40\x0f\xff\xff\xff\xff\xff\xff\0", 10));
  EXPECT_EQ(StringKey(std::string_view("a\0b", 3)), std::string("\x40"
                                                                "a\0\xff"
                                                                "b\0\0",
                                                                7));
  // 2^53 + 1 = the float 2^53 and the remainder 0.1E1.
  EXPECT_EQ(IntKey((1LL << 53) + 1), std::string("\x20\xc3\x40\0\0\0\0\0\0\x01\x80\0\0\x01"
                                                 "1\0",
                                                 16));
  // The largest int64: the float below is 2^63 - 1024, the remainder 1023 = 0.1023E4.
  EXPECT_EQ(IntKey(std::numeric_limits<std::int64_t>::max()), std::string("\x20\xc3\xdf\xff\xff\xff\xff\xff\xff\x01\x80\0\0\x04"
                                                                          "1023\0",
                                                                          19));
  std::string none;
  AppendKeyNone(&none);
  EXPECT_EQ(none, "\x10");
}

TEST(KeyEncoding, NumbersKeepTheirOrderAcrossTypes) {
  std::mt19937_64 random(11);
  auto pick = [&]() -> std::int64_t {
    const auto shift = random() % 64;
    return static_cast<std::int64_t>(random()) >> shift;
  };
  for (int i = 0; i < 200'000; ++i) {
    const std::int64_t a = pick();
    const auto near = static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + random() % 5 - 2);
    const std::int64_t b = i % 3 == 0 ? near : pick();
    EXPECT_EQ(a < b, IntKey(a) < IntKey(b)) << a << " " << b;
    EXPECT_EQ(a == b, IntKey(a) == IntKey(b)) << a << " " << b;
    const double d = static_cast<double>(b) * (i % 2 == 0 ? 1.0 : 1.0 + 1e-15);
    const auto wide_a = static_cast<long double>(a), wide_d = static_cast<long double>(d);  // 64 bits of mantissa hold both
    EXPECT_EQ(wide_a < wide_d, IntKey(a) < FloatKey(d)) << a << " " << d;
    EXPECT_EQ(wide_a == wide_d, IntKey(a) == FloatKey(d)) << a << " " << d;
  }
}

TEST(KeyEncoding, StringsWithZerosKeepTheirOrder) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 50'000; ++i) {
    auto pick = [&] {
      std::string s(random() % 5, '\0');
      for (char& c : s) c = "\0\x01\x7f"[random() % 3];
      return s;
    };
    const std::string a = pick(), b = pick();
    EXPECT_EQ(a < b, StringKey(a) < StringKey(b));
    EXPECT_EQ(a == b, StringKey(a) == StringKey(b));
  }
}

TEST(KeyEncoding, ColumnsEqualRowByRowEncoding) {
  arrow::LargeStringBuilder strings;
  arrow::Int64Builder ints;
  std::mt19937_64 random(3);
  for (int i = 0; i < 1000; ++i) {
    if (i % 17 == 0) {
      ASSERT_TRUE(strings.AppendNull().ok());
      ASSERT_TRUE(ints.AppendNull().ok());
      continue;
    }
    ASSERT_TRUE(strings.Append(std::string(random() % 9, random() % 4 == 0 ? '\0' : 'q')).ok());
    ASSERT_TRUE(ints.Append(static_cast<std::int64_t>(random()) >> (random() % 64)).ok());
  }
  const auto text = std::static_pointer_cast<arrow::LargeStringArray>(strings.Finish().ValueOrDie()->Slice(5));
  const auto numbers = std::static_pointer_cast<arrow::Int64Array>(ints.Finish().ValueOrDie()->Slice(5));
  const auto text_keys = EncodeKeyColumn(*text).ValueOrDie();
  const auto number_keys = EncodeKeyColumn(*numbers).ValueOrDie();
  const auto hashes = HashKeyColumn(*text_keys).ValueOrDie();
  for (std::int64_t i = 0; i < text->length(); ++i) {
    std::string expected_text, expected_number;
    if (text->IsNull(i))
      AppendKeyNone(&expected_text);
    else
      AppendKeyString(text->GetView(i), &expected_text);
    if (numbers->IsNull(i))
      AppendKeyNone(&expected_number);
    else
      AppendKeyInt(numbers->Value(i), &expected_number);
    EXPECT_EQ(text_keys->GetView(i), expected_text);
    EXPECT_EQ(number_keys->GetView(i), expected_number);
    EXPECT_EQ(hashes->Value(i), HashKey(text_keys->GetView(i)));
  }
}

TEST(KeyEncoding, EmptyColumnsAndOtherTypes) {
  EXPECT_EQ(EncodeKeyColumn(*arrow::LargeStringBuilder().Finish().ValueOrDie()).ValueOrDie()->length(), 0);
  EXPECT_EQ(HashKeyColumn(*EncodeKeyColumn(*arrow::Int64Builder().Finish().ValueOrDie()).ValueOrDie()).ValueOrDie()->length(), 0);
  const auto refused = EncodeKeyColumn(*arrow::Int8Builder().Finish().ValueOrDie());
  EXPECT_EQ(CodeOf(refused.status()), ErrorCode::kBadKey);
}

TEST(KeyGroup, HashIsXxh3) {
  // Fixed by the state format: another value here would send every key of a restored job elsewhere.
  EXPECT_EQ(HashKey(""), 0x2d06800538d394c2ULL);
  EXPECT_EQ(HashKey("a"), 0xe6c632b61e964e1fULL);
}

TEST(KeyGroup, EveryKeyGroupHasExactlyOneSubtask) {
  for (std::uint32_t max : {1u, 7u, 128u, 1000u}) {
    for (std::uint32_t parallelism = 1; parallelism <= std::min(max, 130u); ++parallelism) {
      for (std::uint32_t group = 0; group < max; ++group) {
        const std::uint32_t owner = SubtaskOf(group, parallelism, max);
        ASSERT_LT(owner, parallelism);
        for (std::uint32_t subtask = 0; subtask < parallelism; ++subtask)
          ASSERT_EQ(KeyGroupsOf(subtask, parallelism, max).Contains(group), subtask == owner) << max << " " << parallelism << " " << group;
      }
    }
  }
}

}  // namespace
}  // namespace headrace::columnar
