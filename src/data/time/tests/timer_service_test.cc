#include "data/time/timer_service.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace headrace::data::time {
namespace {

using Timers = std::vector<std::pair<std::int64_t, std::uint32_t>>;

Timers TakeAll(TimerService* service, std::int64_t until, std::size_t most = 1'000'000) {
  std::vector<TimerService::Timer> due;
  service->TakeDue(until, most, &due);
  Timers all;
  for (const auto& timer : due) all.emplace_back(timer.time_ms, timer.key);
  return all;
}

TEST(TimerService, OneTimerForAKeyAndTime) {
  TimerService service;
  EXPECT_TRUE(service.Register(10, 1));
  EXPECT_FALSE(service.Register(10, 1));
  EXPECT_TRUE(service.Register(10, 2));
  EXPECT_TRUE(service.Register(5, 1));
  EXPECT_EQ(service.size(), 3u);
  EXPECT_EQ(service.next(), 5);
  EXPECT_EQ(TakeAll(&service, 10), (Timers{{5, 1}, {10, 1}, {10, 2}}));
  EXPECT_EQ(service.next(), TimerService::kNever);
}

TEST(TimerService, DeletedAndRegisteredAgainFiresOnce) {
  TimerService service;
  service.Register(10, 1);
  EXPECT_TRUE(service.Delete(10, 1));
  EXPECT_FALSE(service.Delete(10, 1));
  EXPECT_EQ(service.next(), TimerService::kNever);
  service.Register(10, 1);
  service.Register(11, 1);
  service.Delete(11, 1);
  EXPECT_EQ(TakeAll(&service, 100), (Timers{{10, 1}}));
}

TEST(TimerService, SlicesGoOnWhereTheLastStopped) {
  TimerService service;
  for (std::uint32_t key = 0; key < 10; ++key) service.Register(key, key);
  EXPECT_EQ(TakeAll(&service, 8, 4).size(), 4u);
  EXPECT_EQ(service.next(), 4);
  EXPECT_EQ(TakeAll(&service, 8, 100), (Timers{{4, 4}, {5, 5}, {6, 6}, {7, 7}, {8, 8}}));
  EXPECT_EQ(service.size(), 1u);
}

TEST(TimerService, AgreesWithASortedSet) {
  std::mt19937 random(7);
  TimerService service;
  std::set<std::pair<std::int64_t, std::uint32_t>> model;
  std::int64_t now = 0;
  for (int step = 0; step < 200'000; ++step) {
    const std::int64_t time = now + static_cast<std::int64_t>(random() % 500);
    const auto key = static_cast<std::uint32_t>(random() % 200);
    switch (random() % 8) {
      case 0:
      case 1:
        ASSERT_EQ(service.Delete(time, key), model.erase({time, key}) == 1);
        break;
      case 2: {
        if (random() % 50 != 0) break;
        now += static_cast<std::int64_t>(random() % 400);
        Timers expected;
        while (!model.empty() && model.begin()->first <= now) {
          expected.push_back(*model.begin());
          model.erase(model.begin());
        }
        ASSERT_EQ(TakeAll(&service, now), expected);
        break;
      }
      default:
        ASSERT_EQ(service.Register(time, key), model.insert({time, key}).second);
    }
    ASSERT_EQ(service.size(), model.size());
  }
  ASSERT_EQ(service.next(), model.begin()->first);
}

TEST(TimerService, RenumbersKeys) {
  TimerService service;
  service.Register(3, 5);
  service.Register(1, 9);
  std::vector<std::uint32_t> moved(10, 0xFFFFFFFF);
  moved[5] = 0;
  moved[9] = 1;
  service.Renumber(moved);
  EXPECT_EQ(TakeAll(&service, 10), (Timers{{1, 1}, {3, 0}}));
}

}  // namespace
}  // namespace headrace::data::time
