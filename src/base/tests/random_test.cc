#include "base/random.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(SeededRandom, GivesTheSameNumbersForASeedEverywhere) {
  SeededRandom random(42);
  EXPECT_EQ(random.NextUint64(), 13679457532755275413ULL);
  SeededRandom a(7), b(7), c(8);
  EXPECT_EQ(a.NextHex(32), b.NextHex(32));
  EXPECT_NE(a.NextUint64(), c.NextUint64());
}

TEST(Random, HexHasTheAskedLengthAndAlphabet) {
  SystemRandom random;
  const std::string hex = random.NextHex(33);
  EXPECT_EQ(hex.size(), 33u);
  EXPECT_EQ(hex.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_NE(random.NextHex(32), random.NextHex(32));
}

TEST(Random, DoublesStayBelowOne) {
  SeededRandom random(1);
  for (int i = 0; i < 1000; ++i) {
    const double value = random.NextDouble();
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
  }
}

}  // namespace
}  // namespace headrace
