#include "data/time/watermark_alignment.h"

#include <gtest/gtest.h>

namespace headrace::data::time {
namespace {

TEST(WatermarkAlignment, TheLeastOfThoseThatCount) {
  WatermarkAlignment alignment;
  EXPECT_EQ(alignment.Least("g"), kNoWatermark);
  auto a = alignment.Join("g"), b = alignment.Join("g"), other = alignment.Join("h");
  other->Set(1);
  a->Set(50);
  EXPECT_EQ(alignment.Least("g"), 50) << "who has no watermark yet does not count";
  b->Set(20);
  EXPECT_EQ(alignment.Least("g"), 20);
  b->Set(kNoWatermark);
  EXPECT_EQ(alignment.Least("g"), 50);
  b->Set(20);
  b.reset();
  EXPECT_EQ(alignment.Least("g"), 50) << "who left does not count";
}

TEST(WatermarkAlignment, OtherProcessesCountWhileTheyAreHeardOf) {
  WatermarkAlignment alignment;
  auto a = alignment.Join("g");
  a->Set(50);
  alignment.SetOthers({{"g", 30}});
  EXPECT_EQ(alignment.Least("g"), 30);
  EXPECT_EQ(alignment.OwnLeast(), (std::map<std::string, std::int64_t>{{"g", 50}}));
  alignment.SetOthers({});
  EXPECT_EQ(alignment.Least("g"), 50);
}

}  // namespace
}  // namespace headrace::data::time
