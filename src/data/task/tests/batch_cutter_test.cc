#include "data/task/batch_cutter.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace headrace::data::task {
namespace {

columnar::DataBatch Numbers(std::int64_t count) {
  arrow::Int64Builder builder;
  for (std::int64_t i = 0; i < count; ++i) EXPECT_TRUE(builder.Append(i).ok());
  return columnar::DataBatch(arrow::RecordBatch::Make(arrow::schema({arrow::field("n", arrow::int64())}), count, {*builder.Finish()}));
}

/// The numbers that leave, and the lengths of the pieces.
std::pair<std::vector<std::int64_t>, std::vector<std::int64_t>> Cut(std::uint64_t seed, std::int64_t count) {
  BatchCutter cutter(seed);
  cutter.Put(1, Numbers(count));
  std::vector<std::int64_t> numbers, lengths;
  while (const auto piece = cutter.Next()) {
    EXPECT_EQ(piece->input, 1u);
    const auto& column = static_cast<const arrow::Int64Array&>(*piece->batch.records()->column(0));
    for (std::int64_t i = 0; i < column.length(); ++i) numbers.push_back(column.Value(i));
    lengths.push_back(column.length());
  }
  return {numbers, lengths};
}

TEST(BatchCutter, AllRowsLeaveOnceAndInOrder) {
  for (const std::int64_t count : {0, 1, 2, 7, 5000}) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), 0);
    for (std::uint64_t seed = 1; seed <= 20; ++seed) EXPECT_EQ(Cut(seed, count).first, all) << "seed " << seed;
  }
}

TEST(BatchCutter, CutsDifferWithTheSeedAndRepeatWithIt) {
  EXPECT_EQ(Cut(3, 100).second, Cut(3, 100).second);
  EXPECT_NE(Cut(3, 100).second, Cut(4, 100).second);
  EXPECT_GT(Cut(3, 100).second.size(), 5u);
}

}  // namespace
}  // namespace headrace::data::task
