#include <gtest/gtest.h>

#include "data/python/tests/worker_support.h"
#include "data/python/trip_line.h"

namespace headrace::data::python {
namespace {

std::vector<std::string> RowsOf(const std::vector<columnar::DataBatch>& parts) {
  std::vector<std::string> rows;
  for (const auto& part : parts) {
    for (auto& row : Rows(part)) rows.push_back(std::move(row));
  }
  return rows;
}

TEST(BatchQueue, PartsComeInOrderAndNoMoreThanAskedFor) {
  BatchQueue queue;
  queue.Push(TextBatch({"a", "b"}));
  queue.Push(TextBatch({}));
  queue.Push(TextBatch({"c"}));
  queue.Push(TextBatch({"d", "e", "f"}));
  EXPECT_EQ(queue.rows(), 6);
  EXPECT_GT(queue.bytes(), 0);
  const auto first = queue.TakeParts(4);
  EXPECT_EQ(first.size(), 2u) << "a batch that does not fit waits whole";
  EXPECT_EQ(RowsOf(first), (std::vector<std::string>{"\"a\"", "\"b\"", "\"c\""}));
  EXPECT_EQ(RowsOf(queue.TakeParts(2)), (std::vector<std::string>{"\"d\"", "\"e\""})) << "a large one is cut";
  EXPECT_EQ(queue.rows(), 1);
  EXPECT_EQ(RowsOf({queue.Take(9).ValueOrDie()}), (std::vector<std::string>{"\"f\""}));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.rows(), 0);
  EXPECT_EQ(queue.bytes(), 0);
}

TEST(BatchQueue, BytesBoundWhatIsTakenAndAreGivenBack) {
  BatchQueue queue;
  const std::string large(static_cast<std::size_t>(BatchQueue::kMostBytes / 3), 'x');
  for (int i = 0; i < 4; ++i) queue.Push(TextBatch({large}));
  EXPECT_GT(queue.bytes(), BatchQueue::kMostBytes);
  auto parts = queue.TakeParts(100);
  EXPECT_EQ(parts.size(), 2u);
  const std::int64_t left = queue.bytes();
  queue.PutBack(parts[1]);
  EXPECT_EQ(queue.bytes(), left + parts[1].size_bytes());
  EXPECT_EQ(queue.rows(), 3);
  while (!queue.empty()) queue.TakeParts(100);
  EXPECT_EQ(queue.bytes(), 0);
}

}  // namespace
}  // namespace headrace::data::python
