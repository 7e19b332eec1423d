#include "columnar/decimal_text.h"

#include <gtest/gtest.h>

#include <string>

namespace headrace::columnar {
namespace {

std::string Answer(const std::string& text, std::int32_t precision, std::int32_t scale, MoreDigits more) {
  arrow::Decimal128 value;
  return DecimalFromText(text, precision, scale, more, &value) ? value.ToString(scale) : "none";
}

TEST(DecimalText, DigitsFarBehindThePoint) {
  for (const char* text : {"1e-60", "-1e-60", "1e-39", "1e-999999"}) {
    EXPECT_EQ(Answer(text, 10, 2, MoreDigits::kRefused), "none") << text;
    EXPECT_EQ(Answer(text, 10, 2, MoreDigits::kRounded), "0.00") << text;
  }
  EXPECT_EQ(Answer("0e-60", 10, 2, MoreDigits::kRefused), "0.00");
}

TEST(DecimalText, ExponentsThatNoNumberHas) {
  for (const char* text : {"1e60", "1e2147483647", "1e-2147483648", "1e99999999999999999999", "1e-99999999999999999999"})
    EXPECT_EQ(Answer(text, 38, 0, MoreDigits::kRounded), "none") << text;
}

TEST(DecimalText, Fits) {
  EXPECT_EQ(Answer("12.5", 10, 2, MoreDigits::kRefused), "12.50");
  EXPECT_EQ(Answer("12.345", 10, 2, MoreDigits::kRefused), "none");
  EXPECT_EQ(Answer("12.345", 10, 2, MoreDigits::kRounded), "12.35");
  EXPECT_EQ(Answer("-12.345", 10, 2, MoreDigits::kRounded), "-12.35");
  EXPECT_EQ(Answer("1.2e+1", 4, 2, MoreDigits::kRefused), "12.00");
  EXPECT_EQ(Answer("100", 4, 2, MoreDigits::kRefused), "none");
  EXPECT_EQ(Answer("99999999999999999999999999999999999999", 38, 0, MoreDigits::kRefused), "99999999999999999999999999999999999999");
  EXPECT_EQ(Answer("99999999999999999999999999999999999999", 38, 1, MoreDigits::kRefused), "none");
  EXPECT_EQ(Answer("0.99999999999999999999999999999999999999", 38, 0, MoreDigits::kRounded), "1");
  for (const char* text : {"", ".", "e", "1e", "x", "1.2.3", "--1", "nan", "inf"})
    EXPECT_EQ(Answer(text, 10, 2, MoreDigits::kRounded), "none") << text;
}

}  // namespace
}  // namespace headrace::columnar
