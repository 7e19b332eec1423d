#include "base/fifo.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>

namespace headrace {
namespace {

TEST(Fifo, GivesWhatADequeGives) {
  std::mt19937_64 random(11);
  Fifo<std::unique_ptr<int>> fifo;
  std::deque<int> expected;
  for (int step = 0; step < 20000; ++step) {
    // Phases in which it grows and phases in which it empties.
    const bool grows = random() % 100 < (step / 500 % 2 == 0 ? 70u : 30u);
    if (grows || expected.empty()) {
      fifo.push_back(std::make_unique<int>(step));
      expected.push_back(step);
    } else {
      EXPECT_EQ(*fifo.front(), expected.front());
      EXPECT_EQ(*fifo.pop_front(), expected.front());
      expected.pop_front();
    }
    ASSERT_EQ(fifo.size(), expected.size());
    ASSERT_EQ(fifo.empty(), expected.empty());
  }
  auto next = expected.begin();
  for (const auto& item : fifo) EXPECT_EQ(*item, *next++);
  fifo.clear();
  EXPECT_TRUE(fifo.empty());
}

}  // namespace
}  // namespace headrace
