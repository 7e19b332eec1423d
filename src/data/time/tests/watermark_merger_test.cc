#include "data/time/watermark_merger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace headrace::data::time {
namespace {

/// What Take() says, in short: "a" active, "w5" watermark 5, "i" idle.
std::string Said(WatermarkMerger* merger) {
  const auto change = merger->Take();
  std::string said;
  if (change.idle == false) said += "a ";
  if (change.watermark_ms) said += "w" + std::to_string(*change.watermark_ms) + " ";
  if (change.idle == true) said += "i ";
  if (!said.empty()) said.pop_back();
  return said;
}

TEST(WatermarkMerger, TheLeastOfActiveChannels) {
  WatermarkMerger merger;
  const auto a = merger.AddChannel(), b = merger.AddChannel();
  merger.Advance(a, 10);
  EXPECT_EQ(Said(&merger), "");
  merger.Advance(b, 5);
  EXPECT_EQ(Said(&merger), "w5");
  EXPECT_EQ(merger.slowest(), b);
  merger.Advance(a, 20);
  EXPECT_EQ(Said(&merger), "");
  merger.SetIdle(b, true);
  EXPECT_EQ(Said(&merger), "w20");
}

TEST(WatermarkMerger, TheOrderOfBecomingIdleDoesNotMatter) {
  for (const bool first : {false, true}) {
    WatermarkMerger merger;
    const auto a = merger.AddChannel(), b = merger.AddChannel();
    merger.Advance(a, 100);
    merger.Advance(b, 50);
    EXPECT_EQ(Said(&merger), "w50");
    merger.SetIdle(first ? a : b, true);
    Said(&merger);
    merger.SetIdle(first ? b : a, true);
    EXPECT_EQ(Said(&merger), first ? "w100 i" : "i");
    EXPECT_EQ(merger.watermark_ms(), 100);
  }
}

TEST(WatermarkMerger, AChannelThatReturnsBehindTheWatermarkHoldsItWhereItIs) {
  WatermarkMerger merger;
  const auto a = merger.AddChannel(), b = merger.AddChannel();
  merger.SetIdle(b, true);
  merger.Advance(a, 100);
  EXPECT_EQ(Said(&merger), "w100");
  merger.SetIdle(b, false);
  merger.Advance(b, 30);
  merger.Advance(a, 200);
  EXPECT_EQ(Said(&merger), "");
  merger.Advance(b, 150);
  EXPECT_EQ(Said(&merger), "w150");
}

TEST(WatermarkMerger, WhatEndedHoldsNothingBack) {
  WatermarkMerger merger;
  const auto a = merger.AddChannel(), b = merger.AddChannel();
  merger.Advance(a, 7);
  merger.End(b);
  EXPECT_EQ(Said(&merger), "w7");
  EXPECT_FALSE(merger.all_ended());
  merger.SetIdle(a, true);
  EXPECT_EQ(Said(&merger), "i");
  merger.SetIdle(a, false);
  EXPECT_EQ(Said(&merger), "a");
  merger.End(a);
  EXPECT_TRUE(merger.all_ended());
}

TEST(WatermarkMerger, WithoutChannelsItIsIdle) {
  WatermarkMerger merger;
  EXPECT_EQ(Said(&merger), "i");
  const auto a = merger.AddChannel();
  EXPECT_EQ(Said(&merger), "a");
  merger.Advance(a, 1);
  EXPECT_EQ(Said(&merger), "w1");
}

TEST(WatermarkMerger, RandomInterleavingsNeverGoBackAndNeverPassAnActiveChannelThatKeptUp) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    WatermarkMerger merger;
    const std::size_t channels = 1 + random() % 5;
    for (std::size_t i = 0; i < channels; ++i) merger.AddChannel();
    std::int64_t last = kNoWatermark;
    bool idle = false;
    for (int step = 0; step < 200; ++step) {
      const std::size_t channel = random() % channels;
      switch (random() % 8) {
        case 0:
          merger.SetIdle(channel, true);
          break;
        case 1:
          merger.SetIdle(channel, false);
          break;
        case 2:
          if (step > 150) merger.End(channel);
          break;
        default:
          merger.Advance(channel, static_cast<std::int64_t>(random() % 100) + step);
          break;
      }
      if (random() % 2 == 0) continue;
      const auto change = merger.Take();
      if (change.idle) {
        EXPECT_NE(*change.idle, idle);
        idle = *change.idle;
      }
      // By the definition: the least of the active ones, the newest of all without any; never back.
      std::int64_t expected = std::numeric_limits<std::int64_t>::max();
      bool active = false;
      for (std::size_t i = 0; i < channels; ++i) {
        if (merger.idle(i) || merger.ended(i)) continue;
        active = true;
        expected = std::min(expected, merger.watermark_ms(i));
      }
      if (!active) {
        expected = kNoWatermark;
        for (std::size_t i = 0; i < channels; ++i) expected = std::max(expected, merger.watermark_ms(i));
      }
      EXPECT_EQ(idle, !active);
      if (change.watermark_ms) {
        EXPECT_GT(*change.watermark_ms, last);
        last = *change.watermark_ms;
      }
      // Steps without Take() may hide a state in between; the newest one is what counts.
      EXPECT_EQ(merger.watermark_ms(), std::max(last, expected));
    }
  }
}

}  // namespace
}  // namespace headrace::data::time
