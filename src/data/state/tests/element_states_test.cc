#include "data/state/element_states.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "columnar/value_encoding.h"
#include "data/state/keyed_states.h"

namespace headrace::data::state {
namespace {

std::string Encoded(std::int64_t number) {
  std::string out;
  columnar::ValueWriter(&out).Int(number);
  return out;
}

std::string Shown(const ElementStates& states, EntryId entry, bool stamped = false) {
  std::string all;
  states.AppendTo(entry, &all);
  if (all.empty()) return "";
  std::uint64_t count = 0;
  if (stamped) std::memcpy(&count, all.data(), sizeof(count));
  return columnar::ReprOf(std::string_view(all).substr(stamped ? 8 + 8 * count : 0));
}

TEST(ElementStates, EntriesOfAMapChangeByNumberAndKeepTheirOrder) {
  const auto maps = MakeMapStates(0);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(maps->Add(7, Encoded(i), Encoded(10 * i), 0).ok());
  ASSERT_TRUE(maps->Set(7, 1, std::string("\x06\x03one", 5), 0).ok());
  ASSERT_TRUE(maps->Remove(7, 2).ok());
  EXPECT_EQ(Shown(*maps, 7), "{0: 0, 1: 'one', 3: 30}");
  EXPECT_EQ(maps->count(7), 3);
  EXPECT_FALSE(maps->Remove(7, 2).ok()) << "it is not there any more";
  EXPECT_FALSE(maps->Set(7, 4, Encoded(1), 0).ok());
  EXPECT_FALSE(maps->Set(3, 0, Encoded(1), 0).ok());
  EXPECT_FALSE(maps->Refresh(7, -1, 0).ok());
  maps->Tidy(7, 0);
  ASSERT_TRUE(maps->Remove(7, 2).ok()) << "numbered anew";
  EXPECT_EQ(Shown(*maps, 7), "{0: 0, 1: 'one'}");
  maps->Clear(7);
  EXPECT_FALSE(maps->Has(7));
  EXPECT_EQ(Shown(*maps, 7), "");
}

TEST(ElementStates, HolesOfAMapAreNoticed) {
  const auto maps = MakeMapStates(0);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(maps->Add(0, Encoded(i), Encoded(i), 0).ok());
  for (int i = 0; i < 800; ++i) ASSERT_TRUE(maps->Remove(0, i).ok());
  EXPECT_TRUE(maps->sparse(0));
  const std::int64_t before = maps->allocated_bytes();
  maps->Tidy(0, 0);
  EXPECT_FALSE(maps->sparse(0));
  EXPECT_LT(maps->allocated_bytes(), before);
  EXPECT_EQ(maps->count(0), 200);
}

TEST(ElementStates, EachElementLivesByItsOwnTime) {
  const auto maps = MakeMapStates(100), lists = MakeListStates(100);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(maps->Add(0, Encoded(i), Encoded(i), 1000 + 10 * i).ok());
    ASSERT_TRUE(lists->Add(0, {}, Encoded(i), 1000 + 10 * i).ok());
  }
  ASSERT_TRUE(maps->Refresh(0, 0, 1090).ok());
  for (ElementStates* states : {maps.get(), lists.get()}) states->Tidy(0, 1110);
  EXPECT_EQ(Shown(*maps, 0, true), "{0: 0, 2: 2, 3: 3}");
  EXPECT_EQ(Shown(*lists, 0, true), "[2, 3]");
  for (ElementStates* states : {maps.get(), lists.get()}) {
    states->RefreshAll(0, 1125);
    states->Tidy(0, 1220);
  }
  EXPECT_EQ(Shown(*maps, 0, true), "{0: 0, 3: 3}");
  EXPECT_EQ(Shown(*lists, 0, true), "[3]");
  for (ElementStates* states : {maps.get(), lists.get()}) {
    states->DropSome(0, 1225, 100);
    EXPECT_FALSE(states->Has(0));
  }
}

TEST(ElementStates, AListGrowsWithoutMovingForEachElement) {
  const auto lists = MakeListStates(0);
  std::int64_t moves = 0, before = 0;
  for (int i = 0; i < 200'000; ++i) {
    ASSERT_TRUE(lists->Add(0, {}, Encoded(i), 0).ok());
    if (lists->allocated_bytes() != before) ++moves;
    before = lists->allocated_bytes();
  }
  EXPECT_EQ(lists->count(0), 200'000);
  EXPECT_LT(moves, 64);
}

TEST(ElementStates, KeysThatAreForgottenTakeNoneAlong) {
  KeyedStates states({0, 128}, 128, 2);
  states.KeepElements(1, MakeMapStates(0));
  for (int i = 0; i < 100'000; ++i) {
    const std::string key = std::to_string(i);
    const std::int64_t offsets[2] = {0, static_cast<std::int64_t>(key.size())};
    KeyGrouping grouping;
    ASSERT_TRUE(states.Resolve({offsets, reinterpret_cast<const std::uint8_t*>(key.data()), nullptr}, &grouping).ok());
    if (i % 10 != 3) continue;
    const bool had_any = states.HasAny(grouping.entries[0]);
    ASSERT_TRUE(states.elements(1)->Add(grouping.entries[0], Encoded(i), Encoded(1), 0).ok());
    states.NoteElements(grouping.entries[0], had_any);
  }
  EXPECT_EQ(states.num_live(), 10'000);
  ASSERT_TRUE(states.wants_compaction());
  std::vector<EntryId> moved;
  ASSERT_TRUE(states.Compact([](EntryId) { return false; }, &moved).ok());
  ASSERT_EQ(states.num_entries(), 10'000);
  for (EntryId entry = 0; entry < 10'000; ++entry)
    ASSERT_EQ(Shown(*states.elements(1), entry), "{" + std::string(states.Key(entry)) + ": 1}");
  std::int64_t seen = 0;
  for (std::uint32_t group = 0; group < 128; ++group) {
    ASSERT_TRUE(states
                    .ForEach(1, group,
                             [&](std::string_view, std::string_view) {
                               ++seen;
                               return Status::OK();
                             })
                    .ok());
  }
  EXPECT_EQ(seen, 10'000);
}

}  // namespace
}  // namespace headrace::data::state
