#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace headrace {
namespace {

TEST(Utf8, EveryPositionIsLookedAt) {
  for (std::size_t size : {0u, 1u, 15u, 16u, 63u, 64u, 65u, 200u}) {
    const std::string plain(size, 'a');
    EXPECT_TRUE(IsAscii(plain));
    EXPECT_TRUE(IsUtf8(plain));
    for (std::size_t at = 0; at < size; ++at) {
      std::string bad = plain;
      bad[at] = '\xff';
      EXPECT_EQ(FindInvalidUtf8(bad), at);
      EXPECT_EQ(AsciiPrefix(bad), at);
    }
    for (std::size_t at = 0; at + 1 < size; ++at) {
      std::string good = plain;
      good.replace(at, 2, "\xc3\xa4");
      EXPECT_TRUE(IsUtf8(good));
      good[size - 1] = '\xc3';
      EXPECT_EQ(FindInvalidUtf8(good), at + 2 == size ? at : size - 1);
    }
  }
}

TEST(Utf8, FormsThatPythonRefusesAreRefused) {
  for (auto bad : {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                   "\xf5\x80\x80\x80", "\x80", "\xe4\xb8", "\xf0\x9f\x98"})
    EXPECT_FALSE(IsUtf8(bad));
  for (auto good : {"\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
                    "gr\xc3\xbcn \xe4\xb8\xad \xf0\x9f\x98\x80 x"})
    EXPECT_TRUE(IsUtf8(good)) << good;
}

}  // namespace
}  // namespace headrace
