#include "data/state/keyed_states.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace headrace::data::state {
namespace {

EntryId EntryOf(KeyedStates* states, const std::string& key) {
  const std::int64_t offsets[2] = {0, static_cast<std::int64_t>(key.size())};
  KeyGrouping grouping;
  EXPECT_TRUE(states->Resolve({offsets, reinterpret_cast<const std::uint8_t*>(key.data()), nullptr}, &grouping).ok());
  return grouping.entries.at(0);
}

TEST(KeyedStates, EachStateOfAKeyIsItsOwn) {
  KeyedStates states({0, 128}, 128, 2);
  const EntryId a = EntryOf(&states, "a"), b = EntryOf(&states, "b");
  EXPECT_EQ(states.Read(0, a).data(), nullptr);
  ASSERT_TRUE(states.Write(0, a, "one").ok());
  ASSERT_TRUE(states.Write(1, b, "two").ok());
  EXPECT_EQ(states.Read(0, a), "one");
  EXPECT_EQ(states.Read(1, a).data(), nullptr);
  EXPECT_EQ(states.Read(1, b), "two");
  EXPECT_EQ(states.num_live(), 2);
  ASSERT_TRUE(states.Write(0, a, std::string(10 << 20, 'x')).ok());
  EXPECT_EQ(states.Read(0, a).size(), 10u << 20);
  ASSERT_TRUE(states.Write(0, a, {}).ok());
  EXPECT_EQ(states.Read(0, a).data(), nullptr);
  EXPECT_EQ(states.num_live(), 1);
}

TEST(KeyedStates, SnapshotsSeeTheKeysOfTheirGroupOnly) {
  KeyedStates states({0, 128}, 128, 1);
  std::map<std::string, std::string> expected, found;
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "key" + std::to_string(i);
    ASSERT_TRUE(states.Write(0, EntryOf(&states, key), std::to_string(i)).ok());
    expected[key] = std::to_string(i);
  }
  for (std::uint32_t group = 0; group < 128; ++group) {
    ASSERT_TRUE(states
                    .ForEach(0, group,
                             [&](std::string_view key, std::string_view value) {
                               EXPECT_EQ(columnar::KeyGroupOf(columnar::HashKey(key), 128), group);
                               found.emplace(key, value);
                               return Status::OK();
                             })
                    .ok());
  }
  EXPECT_EQ(found, expected);
}

TEST(KeyedStates, KeysWithoutStateAreForgotten) {
  KeyedStates states({0, 128}, 128, 2);
  for (int i = 0; i < 100'000; ++i) {
    const EntryId entry = EntryOf(&states, std::to_string(i));
    ASSERT_TRUE(states.Write(1, entry, "x").ok());
    if (i % 100 != 0) ASSERT_TRUE(states.Write(1, entry, {}).ok());
  }
  ASSERT_TRUE(states.wants_compaction());
  const EntryId kept = EntryOf(&states, "1"), held = EntryOf(&states, "700");
  std::vector<EntryId> moved;
  ASSERT_TRUE(states.Compact([&](EntryId entry) { return entry == kept; }, &moved).ok());
  EXPECT_EQ(states.num_entries(), 1001);
  EXPECT_EQ(moved[EntryId{2}], KeyedStates::kNoEntry);
  EXPECT_EQ(states.Key(moved[kept]), "1");
  EXPECT_EQ(states.Read(1, moved[held]), "x");
  EXPECT_EQ(EntryOf(&states, "700"), moved[held]);
  EXPECT_FALSE(states.wants_compaction());
}

}  // namespace
}  // namespace headrace::data::state
