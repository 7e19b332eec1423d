#include "control/schedule/placement.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace headrace::control::schedule {
namespace {

Candidate Free(const std::string& id, std::uint32_t total, std::vector<std::uint32_t> free) {
  return {{TaskManagerId(id), Incarnation("1")}, total, std::move(free)};
}

std::map<std::string, int> PerProcess(const std::vector<SlotRef>& slots) {
  std::map<std::string, int> count;
  for (const SlotRef& slot : slots) ++count[slot.process.id.str()];
  return count;
}

TEST(Placement, SpreadsByLoad) {
  const auto slots = Place({Free("a", 4, {0, 1, 2, 3}), Free("b", 4, {0, 1, 2, 3}), Free("c", 4, {0, 1, 2, 3})}, 6);
  EXPECT_EQ(PerProcess(slots), (std::map<std::string, int>{{"a", 2}, {"b", 2}, {"c", 2}}));
}

TEST(Placement, FillsTheEmptierProcessFirst) {
  const auto slots = Place({Free("a", 4, {3}), Free("b", 4, {0, 1, 2, 3})}, 3);
  EXPECT_EQ(PerProcess(slots), (std::map<std::string, int>{{"b", 3}}));
}

TEST(Placement, SharesNotCountsAreCompared) {
  const auto slots = Place({Free("large", 8, {4, 5, 6, 7}), Free("small", 2, {0, 1})}, 1);
  EXPECT_EQ(slots.front().process.id.str(), "small") << "nothing of it is used, half of the other is";
}

TEST(Placement, PacksAmongEquals) {
  // After one slot each, both are half full: the job stays where it is instead of touching a third process.
  const auto slots = Place({Free("a", 2, {1}), Free("b", 2, {0, 1}), Free("c", 2, {1})}, 2);
  EXPECT_EQ(PerProcess(slots), (std::map<std::string, int>{{"b", 2}}));
}

TEST(Placement, NeverGivesASlotTwiceAndTakesTheLastOne) {
  const auto slots = Place({Free("a", 4, {0, 1, 2, 3}), Free("b", 4, {2, 3}), Free("c", 1, {0})}, 7);
  EXPECT_EQ(std::set<SlotRef>(slots.begin(), slots.end()).size(), 7u);
}

TEST(Placement, AllOrNothing) {
  EXPECT_TRUE(Place({Free("a", 4, {0, 1, 2, 3})}, 5).empty());
  EXPECT_TRUE(Place({}, 1).empty());
}

TEST(Placement, DoesNotDependOnTheOrderOfCandidates) {
  EXPECT_EQ(Place({Free("a", 4, {0, 1, 2, 3}), Free("b", 4, {0, 1, 2, 3})}, 3),
            Place({Free("b", 4, {0, 1, 2, 3}), Free("a", 4, {0, 1, 2, 3})}, 3));
}

}  // namespace
}  // namespace headrace::control::schedule
