#include "data/native/native_states.h"

#include <gtest/gtest.h>

#include <string>

#include "data/native/native_library.h"

namespace headrace::data::native {
namespace {

state::EntryId EntryOf(NativeStates* states, const std::string& key) {
  const std::int64_t offsets[2] = {0, static_cast<std::int64_t>(key.size())};
  state::KeyGrouping grouping;
  EXPECT_TRUE(states->keys().Resolve({offsets, reinterpret_cast<const std::uint8_t*>(key.data()), nullptr}, &grouping).ok());
  return grouping.entries.at(0);
}

headrace_bytes Bytes(std::string_view text) { return {text.data(), text.size()}; }

std::unique_ptr<NativeStates> Made() {
  const headrace_state declared[] = {
      {"value", HEADRACE_VALUE, 0, 100}, {"read", HEADRACE_VALUE, 1, 100}, {"list", HEADRACE_LIST, 0, 100}, {"map", HEADRACE_MAP, 0, 100}};
  return NativeStates::Make(declared, 4, {0, 128}, 128).ValueOrDie();
}

TEST(NativeStates, EveryPartLivesByItsOwnTime) {
  const auto states = Made();
  const auto key = EntryOf(states.get(), "k");
  states->SetNow(1000);
  ASSERT_TRUE(states->Put(0, key, Bytes("v")).ok());
  ASSERT_TRUE(states->Put(1, key, Bytes("r")).ok());
  ASSERT_TRUE(states->Append(2, key, "a").ok());
  states->MapPut(3, key, "x", Bytes("1"));
  states->SetNow(1060);
  ASSERT_TRUE(states->Append(2, key, "bc").ok());
  states->MapPut(3, key, "y", Bytes(""));
  EXPECT_EQ(states->Get(0, key), "v");
  EXPECT_EQ(states->Get(1, key), "r") << "and lives on for having been read";
  EXPECT_EQ(states->Get(2, key), std::string_view("\1\0\0\0a\2\0\0\0bc", 11));
  states->SetNow(1100);
  states->SetNow(900);  // the clock does not go back
  EXPECT_EQ(states->Get(0, key).data(), nullptr);
  EXPECT_EQ(states->Get(1, key), "r");
  EXPECT_EQ(states->Get(2, key), std::string_view("\2\0\0\0bc", 6));
  EXPECT_EQ(states->MapGet(3, key, "x").data(), nullptr);
  EXPECT_NE(states->MapGet(3, key, "y").data(), nullptr) << "an empty value is a value";
  std::string_view entry, value;
  ASSERT_TRUE(states->MapNext(3, key, nullptr, &entry, &value));
  EXPECT_EQ(entry, "y");
  states->SetNow(1300);
  for (int i = 0; i < 3; ++i) states->Sweep();
  EXPECT_EQ(states->keys().num_live(), 0) << "nobody asked for it, and it went";
}

TEST(NativeStates, EntriesOfAMapComeInTheOrderOfTheirBytes) {
  const auto states = Made();
  const auto a = EntryOf(states.get(), "a"), b = EntryOf(states.get(), "b");
  for (const char* name : {"m", "c", "z"}) states->MapPut(3, a, name, Bytes(name));
  states->MapPut(3, b, "other", Bytes("o"));
  states->MapPut(3, a, "c", {nullptr, 0});
  std::string seen;
  std::string_view entry, value;
  for (bool there = states->MapNext(3, a, nullptr, &entry, &value); there;) {
    seen += std::string(entry) + "=" + std::string(value) + ";";
    const std::string_view after = entry;
    there = states->MapNext(3, a, &after, &entry, &value);
  }
  EXPECT_EQ(seen, "m=m;z=z;");
  ASSERT_TRUE(states->Put(3, a, {nullptr, 0}).ok());
  EXPECT_EQ(states->keys().num_live(), 1);
}

TEST(NativeStates, WhatIsNotThereIsRefused) {
  const auto states = Made();
  const auto key = EntryOf(states.get(), "k");
  EXPECT_FALSE(states->Check(4, key, 0).ok());
  EXPECT_FALSE(states->Check(0, key + 1, 0).ok());
  EXPECT_FALSE(states->Check(0, key, HEADRACE_MAP).ok());
  EXPECT_FALSE(states->Put(2, key, Bytes("no list")).ok());
  const headrace_state twice[] = {{"a", HEADRACE_VALUE, 0, 0}, {"a", HEADRACE_MAP, 0, 0}}, kindless[] = {{"a", 7, 0, 0}};
  EXPECT_FALSE(NativeStates::Make(twice, 2, {0, 128}, 128).ok());
  EXPECT_FALSE(NativeStates::Make(kindless, 1, {0, 128}, 128).ok());
  EXPECT_FALSE(NativeStates::Make(nullptr, 101, {0, 128}, 128).ok());
}

TEST(NativeLibrary, OnlyPlainNamesInTheFolder) {
  for (const char* library : {"", "../evil", "a/b", "a.b", "-x", "a b"})
    EXPECT_NE(LoadFunction("/tmp", library, "f").status().message().find("names have letters"), std::string::npos) << library;
  EXPECT_NE(LoadFunction("", "a", "f").status().message().find("loads no native libraries"), std::string::npos);
  EXPECT_NE(LoadFunction("/nowhere", "a", "f").status().message().find("/nowhere/liba.so"), std::string::npos);
}

}  // namespace
}  // namespace headrace::data::native
