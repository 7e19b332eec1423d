#include "base/nearest_name.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(NearestName, ASwapOfTwoLettersIsOneMistake) {
  EXPECT_EQ(NearestName("prot", {"part", "port"}), "port");
  EXPECT_EQ(DidYouMean("TOPCI", {"group_id", "topic"}), " - did you mean \"topic\"?");
}

TEST(NearestName, KeepsSilentWhenNothingIsNear) {
  EXPECT_EQ(NearestName("zzzzzzzz", {"rest.port", "log.level"}), "");
  EXPECT_EQ(DidYouMean("zzzzzzzz", {}), "");
}

}  // namespace
}  // namespace headrace
