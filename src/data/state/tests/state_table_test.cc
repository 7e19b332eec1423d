#include "data/state/state_table.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/random.h"
#include "data/state/memory_table.h"

namespace headrace::data::state {
namespace {

/// Keys as a column.
struct Keys {
  std::string data;
  std::vector<std::int64_t> offsets{0};
  Keys& Add(std::string_view key) {
    data.append(key);
    offsets.push_back(static_cast<std::int64_t>(data.size()));
    return *this;
  }
  KeyRows rows() const { return {offsets, reinterpret_cast<const std::uint8_t*>(data.data())}; }
};

using MakeTable = std::function<std::unique_ptr<StateTable>(columnar::KeyGroupRange, std::uint32_t)>;

/// What every tier must do.
class StateTableContract : public testing::TestWithParam<std::pair<const char*, MakeTable>> {
 protected:
  std::unique_ptr<StateTable> Make(columnar::KeyGroupRange range = {0, 128}) { return GetParam().second(range, 128); }
};

TEST_P(StateTableContract, RowsOfOneKeyShareAGroup) {
  auto table = Make();
  KeyGrouping grouping;
  ASSERT_TRUE(table->Resolve(Keys().Add("a").Add("b").Add("a").Add("").Add("b").rows(), &grouping).ok());
  EXPECT_EQ(grouping.groups, (std::vector<std::int64_t>{0, 1, 0, 2, 1}));
  EXPECT_EQ(grouping.entries.size(), 3u);
  const auto first = grouping.entries;
  ASSERT_TRUE(table->Resolve(Keys().Add("b").Add("c").rows(), &grouping).ok());
  EXPECT_EQ(grouping.groups, (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(grouping.entries[0], first[1]);
}

TEST_P(StateTableContract, ANewKeyHasNoValue) {
  auto table = Make();
  KeyGrouping grouping;
  ASSERT_TRUE(table->Resolve(Keys().Add("a").rows(), &grouping).ok());
  std::vector<std::string_view> values;
  ASSERT_TRUE(table->Read(grouping.entries, &values).ok());
  EXPECT_TRUE(values[0].empty());
}

TEST_P(StateTableContract, AKeyOfAnotherSubtaskIsRefused) {
  const auto group = columnar::KeyGroupOf(columnar::HashKey("a"), 128);
  auto table = Make({group + 1, group + 2});
  KeyGrouping grouping;
  EXPECT_FALSE(table->Resolve(Keys().Add("a").rows(), &grouping).ok());
}

TEST_P(StateTableContract, ValuesThatGrowAndShrinkKeepTheirBytes) {
  auto table = Make();
  SeededRandom random(7);
  std::map<std::string, std::string> expected;
  for (int round = 0; round < 300; ++round) {
    Keys keys;
    std::vector<std::string> names;
    for (int i = 0; i < 50; ++i) {
      names.push_back("key-" + std::to_string(random.Uniform(2000)));
      keys.Add(names.back());
    }
    KeyGrouping grouping;
    ASSERT_TRUE(table->Resolve(keys.rows(), &grouping).ok());
    std::vector<std::string_view> before;
    ASSERT_TRUE(table->Read(grouping.entries, &before).ok());
    std::vector<std::string> values(grouping.entries.size());
    for (std::size_t row = 0; row < names.size(); ++row) {
      EXPECT_EQ(before[grouping.groups[row]], expected[names[row]]);
    }
    for (std::size_t row = 0; row < names.size(); ++row) {
      auto& value = values[grouping.groups[row]];
      const std::size_t size = random.Uniform(20) == 0 ? random.Uniform(300'000) : random.Uniform(60);
      value = std::string(size, static_cast<char>('a' + random.Uniform(26)));
      expected[names[row]] = value;
    }
    std::vector<std::string_view> views(values.begin(), values.end());
    ASSERT_TRUE(table->Write(grouping.entries, views).ok());
  }
  std::map<std::string, std::string> found;
  for (std::uint32_t group = 0; group < 128; ++group) {
    ASSERT_TRUE(table
                    ->ForEach(group,
                              [&](std::string_view key, std::string_view value) {
                                EXPECT_EQ(columnar::KeyGroupOf(columnar::HashKey(key), 128), group);
                                found.emplace(key, value);
                                return Status::OK();
                              })
                    .ok());
  }
  std::erase_if(expected, [](const auto& item) { return item.second.empty(); });
  EXPECT_EQ(found, expected);
}

TEST_P(StateTableContract, AllocatedBytesFollowWhatIsStored) {
  auto table = Make();
  const auto empty = table->allocated_bytes();
  Keys keys;
  for (int i = 0; i < 20'000; ++i) keys.Add("key-" + std::to_string(i));
  KeyGrouping grouping;
  ASSERT_TRUE(table->Resolve(keys.rows(), &grouping).ok());
  std::vector<std::string_view> values(grouping.entries.size(), std::string_view("0123456789"));
  ASSERT_TRUE(table->Write(grouping.entries, values).ok());
  const auto full = table->allocated_bytes();
  EXPECT_GE(full - empty, 20'000 * 20);
  // Overwriting in place takes no more memory.
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(table->Write(grouping.entries, values).ok());
  EXPECT_EQ(table->allocated_bytes(), full);
  table->Clear();
  EXPECT_EQ(table->num_entries(), 0);
  EXPECT_LT(table->allocated_bytes(), full / 4);
}

INSTANTIATE_TEST_SUITE_P(Tiers, StateTableContract,
                         testing::Values(std::make_pair("memory",
                                                        MakeTable([](columnar::KeyGroupRange range, std::uint32_t max_parallelism) {
                                                          return std::make_unique<MemoryTable>(range, max_parallelism);
                                                        }))),
                         [](const auto& info) { return std::string(info.param.first); });

}  // namespace
}  // namespace headrace::data::state
