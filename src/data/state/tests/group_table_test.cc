#include "data/state/group_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>

#include "data/state/block_heap.h"
#include "data/state/text_interner.h"

namespace headrace::data::state {
namespace {

class GroupTableKeys : public testing::TestWithParam<std::uint32_t> {};

/// Counts by key through growth, Clear() and use after it, against std::map.
TEST_P(GroupTableKeys, CountsAsAMapDoes) {
  const std::uint32_t width = GetParam();
  std::mt19937_64 random(width);
  GroupTable table(width, 1);
  for (int life = 0; life < 3; ++life) {
    std::map<std::vector<std::uint64_t>, std::uint64_t> model;
    for (int batch = 0; batch < 30; ++batch) {
      const std::size_t rows = random() % 3000;
      std::vector<std::vector<std::uint64_t>> columns(width, std::vector<std::uint64_t>(rows));
      for (std::size_t i = 0; i < rows; ++i) {
        std::vector<std::uint64_t> key;
        for (auto& column : columns) key.push_back(column[i] = random() % (width == 1 ? 20'000 : 30));
        ++model[key];
      }
      std::vector<const std::uint64_t*> keys;
      for (const auto& column : columns) keys.push_back(column.data());
      std::vector<std::uint64_t*> found(rows);
      ASSERT_TRUE(table.Resolve(keys, static_cast<std::int64_t>(rows), found.data()).ok());
      for (std::uint64_t* row : found) ++*row;
    }
    ASSERT_EQ(table.num_rows(), static_cast<std::int64_t>(model.size()));
    for (const auto& [key, count] : model) {
      const std::uint64_t* row = table.Find(key.data());
      ASSERT_NE(row, nullptr);
      ASSERT_EQ(*row, count);
    }
    std::set<std::vector<std::uint64_t>> seen;
    for (std::int64_t row = 0; row < table.num_rows(); ++row) seen.insert({table.RowKey(row), table.RowKey(row) + width});
    EXPECT_EQ(seen.size(), model.size());
    table.Clear();
    EXPECT_EQ(table.num_rows(), 0);
    EXPECT_EQ(table.Find(std::vector<std::uint64_t>(width, 1).data()), nullptr);
  }
}
INSTANTIATE_TEST_SUITE_P(, GroupTableKeys, testing::Values(1, 2, 3, 8));

TEST(GroupTable, ManyKeysTakeLittleMoreThanTheirWords) {
  GroupTable table(1, 2);
  std::vector<std::uint64_t> keys(4096);
  std::vector<std::uint64_t*> rows(4096);
  for (std::uint64_t first = 0; first < 1'000'000; first += 4096) {
    for (std::uint64_t i = 0; i < 4096; ++i) keys[i] = (first + i) * 0x10000;
    const std::uint64_t* columns[] = {keys.data()};
    ASSERT_TRUE(table.Resolve(columns, 4096, rows.data()).ok());
  }
  EXPECT_LT(table.allocated_bytes(), table.num_rows() * 24 * 2);
}

TEST(TextInterner, EqualTextsHaveOneNumberAndSweptOnesAreForgotten) {
  TextInterner texts;
  std::map<std::string, std::uint32_t> numbers;
  std::mt19937_64 random(3);
  for (int i = 0; i < 100'000; ++i) {
    const std::string text(random() % 4, static_cast<char>('a' + random() % 3));
    const std::string whole = text + std::to_string(random() % 50'000);
    const std::uint32_t number = texts.Intern(whole).ValueOrDie();
    const auto [at, fresh] = numbers.try_emplace(whole, number);
    ASSERT_EQ(at->second, number);
    ASSERT_EQ(texts.Text(number), whole);
  }
  ASSERT_EQ(texts.num_texts(), static_cast<std::int64_t>(numbers.size()));
  std::map<std::string, std::uint32_t> kept;
  for (const auto& [text, number] : numbers) {
    if (random() % 3 != 0) continue;
    kept.emplace(text, number);
    texts.Mark(number);
  }
  texts.Sweep();
  ASSERT_EQ(texts.num_texts(), static_cast<std::int64_t>(kept.size()));
  for (const auto& [text, number] : kept) {
    ASSERT_EQ(texts.Text(number), text);
    ASSERT_EQ(texts.Intern(text).ValueOrDie(), number);
  }
  std::set<std::uint32_t> in_use;
  for (const auto& [text, number] : kept) in_use.insert(number);
  for (int i = 0; i < 1000; ++i)
    ASSERT_TRUE(in_use.insert(texts.Intern("new" + std::to_string(i)).ValueOrDie()).second) << "a number in use was given again";
}

/// Texts are made, dropped and found again between all steps of sweeps; what somebody holds keeps its number.
TEST(TextInterner, ASweepInStepsKeepsWhatIsInUse) {
  TextInterner texts;
  std::mt19937_64 random(11);
  std::map<std::string, std::uint32_t> held;
  std::map<std::uint32_t, std::string> by_number;
  const auto work = [&] {
    for (int i = 0; i < 30; ++i) {
      const std::string text = "text " + std::to_string(random() % 5000);
      const std::uint32_t number = texts.Intern(text).ValueOrDie();
      const auto [at, fresh] = held.try_emplace(text, number);
      ASSERT_EQ(at->second, number);
      const auto [other, first] = by_number.try_emplace(number, text);
      ASSERT_TRUE(first || other->second == text) << "a number in use was given again";
      if (random() % 3 == 0) {
        by_number.erase(number);
        held.erase(at);
      }
    }
    for (const auto& [text, number] : held) ASSERT_EQ(texts.Text(number), text);
  };
  for (int cycle = 0; cycle < 20; ++cycle) {
    work();
    texts.StartMarking();
    std::vector<std::uint32_t> to_mark;
    for (const auto& [text, number] : held) to_mark.push_back(number);
    for (std::size_t i = 0; i < to_mark.size(); ++i) {
      if (i % 100 == 0) work();
      // Who holds texts forgets them while they are marked, too.
      if (by_number.contains(to_mark[i])) texts.Mark(to_mark[i]);
    }
    while (!texts.SweepSome(97)) work();
  }
  texts.StartMarking();
  for (const auto& [text, number] : held) texts.Mark(number);
  texts.Sweep();
  EXPECT_EQ(texts.num_texts(), static_cast<std::int64_t>(held.size()));
}

TEST(TextInterner, TakesEmptyAndLongTexts) {
  TextInterner texts;
  const std::string big(10 << 20, 'x');
  const std::uint32_t empty = texts.Intern("").ValueOrDie(), large = texts.Intern(big).ValueOrDie();
  EXPECT_NE(empty, large);
  EXPECT_EQ(texts.Text(large), big);
  EXPECT_EQ(texts.Text(empty), "");
  EXPECT_EQ(texts.Intern("").ValueOrDie(), empty);
}

TEST(BlockHeap, BlocksDoNotOverlapAndComeBack) {
  BlockHeap heap;
  std::mt19937_64 random(5);
  struct Block {
    unsigned char* at;
    std::size_t size;
    unsigned char fill;
  };
  std::vector<Block> blocks;
  std::int64_t most = 0;
  for (int step = 0; step < 50'000; ++step) {
    if (blocks.size() < 500 && random() % 2 == 0) {
      const std::size_t size = random() % 50 == 0 ? random() % 100'000 : random() % 300;
      auto* at = static_cast<unsigned char*>(heap.Allocate(size));
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(at) % 16, 0u);
      const auto fill = static_cast<unsigned char>(random());
      std::fill_n(at, size, fill);
      blocks.push_back({at, size, fill});
    } else if (!blocks.empty()) {
      std::swap(blocks[random() % blocks.size()], blocks.back());
      const Block block = blocks.back();
      blocks.pop_back();
      for (std::size_t i = 0; i < block.size; ++i) ASSERT_EQ(block.at[i], block.fill);
      heap.Free(block.at, block.size);
    }
    if (step == 10'000) most = heap.allocated_bytes();
  }
  for (const Block& block : blocks) heap.Free(block.at, block.size);
  EXPECT_EQ(heap.used_bytes(), 0);
  EXPECT_LT(heap.allocated_bytes(), most * 3);
}

}  // namespace
}  // namespace headrace::data::state
