#include "base/units.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(ParseBytes, ReadsPlainBinaryAndDecimalSizes) {
  EXPECT_EQ(*ParseBytes("65536"), 65536);
  EXPECT_EQ(*ParseBytes("64MiB"), 64 << 20);
  EXPECT_EQ(*ParseBytes("64Mi"), 64 << 20);
  EXPECT_EQ(*ParseBytes(" 64 mib "), 64 << 20);
  EXPECT_EQ(*ParseBytes("64MB"), 64'000'000);
  EXPECT_EQ(*ParseBytes("1.5GiB"), 3ll << 29);
  EXPECT_EQ(*ParseBytes("0"), 0);
}

TEST(ParseBytes, RefusesWhatIsNotASize) {
  for (const std::string text :
       {"", " ", "-1", "+1", "MiB", "1.", ".", "1.2.3MiB", "1e3", "64 M B", "99999999999999999999", "9999999TiB", "0.3"}) {
    EXPECT_FALSE(ParseBytes(text).ok()) << text;
  }
}

TEST(ParseDurationMs, ReadsUnitsAndPlainNumbers) {
  EXPECT_EQ(*ParseDurationMs("1500ms"), 1500);
  EXPECT_EQ(*ParseDurationMs("60s"), 60'000);
  EXPECT_EQ(*ParseDurationMs("0.25s"), 250);
  EXPECT_EQ(*ParseDurationMs("5m"), 300'000);
  EXPECT_EQ(*ParseDurationMs("5min"), 300'000);
  EXPECT_EQ(*ParseDurationMs("2h"), 7'200'000);
  EXPECT_EQ(*ParseDurationMs("1d"), 86'400'000);
  EXPECT_EQ(*ParseDurationMs("60000"), 60'000);
  EXPECT_EQ(*ParseDurationMs("60", DurationUnit::kSeconds), 60'000);
  EXPECT_FALSE(ParseDurationMs("0.1ms").ok());
  EXPECT_FALSE(ParseDurationMs("1w").ok());
}

TEST(Format, UsesTheLargestUnitThatDivides) {
  EXPECT_EQ(FormatBytes(64 << 20), "64MiB");
  EXPECT_EQ(FormatBytes(1500), "1500B");
  EXPECT_EQ(FormatBytes(0), "0B");
  EXPECT_EQ(FormatDurationMs(60'000), "1min");
  EXPECT_EQ(FormatDurationMs(1500), "1500ms");
  EXPECT_EQ(FormatDurationMs(5000), "5s");
}

}  // namespace
}  // namespace headrace
