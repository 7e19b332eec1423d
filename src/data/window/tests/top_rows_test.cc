#include "data/window/top_rows.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <tuple>

namespace headrace::data::window {
namespace {

struct Row {
  std::int64_t key, value, arrival;
  bool operator==(const Row&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.key << ":" << row.value << "#" << row.arrival; }

std::shared_ptr<arrow::RecordBatch> Batch(const std::vector<Row>& rows) {
  arrow::Int64Builder key, value, arrival;
  for (const Row& row : rows) EXPECT_TRUE((key.Append(row.key) & value.Append(row.value) & arrival.Append(row.arrival)).ok());
  const auto field = [](const char* name) { return arrow::field(name, arrow::int64(), /*nullable=*/false); };
  return arrow::RecordBatch::Make(arrow::schema({field("key"), field("value"), field("arrival")}), static_cast<std::int64_t>(rows.size()),
                                  {key.Finish().ValueOrDie(), value.Finish().ValueOrDie(), arrival.Finish().ValueOrDie()});
}

using Ranked = std::map<std::int64_t, std::vector<std::pair<Row, std::int64_t>>>;  // by key, with ranks

Ranked Take(TopRows* top) {
  const auto taken = top->Take().ValueOrDie();
  Ranked ranked;
  if (taken.rows == nullptr) return ranked;
  const auto column = [&](int c) { return taken.rows->column_data(c)->GetValues<std::int64_t>(1); };
  for (std::int64_t i = 0; i < taken.rows->num_rows(); ++i)
    ranked[column(0)[i]].push_back({{column(0)[i], column(1)[i], column(2)[i]}, taken.ranks[static_cast<std::size_t>(i)]});
  return ranked;
}

Ranked Model(std::vector<Row> rows, std::size_t limit, bool ties) {
  std::map<std::int64_t, std::vector<Row>> groups;
  for (const Row& row : rows) groups[row.key].push_back(row);
  Ranked ranked;
  for (auto& [key, group] : groups) {
    std::stable_sort(group.begin(), group.end(), [](const Row& a, const Row& b) { return a.value > b.value; });
    for (std::size_t i = 0; i < group.size(); ++i) {
      const bool tied = i > 0 && group[i].value == group[i - 1].value;
      if (i >= limit && !(ties && tied && !ranked[key].empty() && ranked[key].back().first.value == group[i].value)) break;
      const std::int64_t rank = ties && tied ? ranked[key].back().second : static_cast<std::int64_t>(i) + 1;
      ranked[key].push_back({group[i], rank});
    }
  }
  return ranked;
}

class TopRowsModel : public testing::TestWithParam<std::tuple<std::size_t, bool>> {};

/// Random rows in random batches, enough of them to be pruned on the way.
TEST_P(TopRowsModel, KeepsWhatTheModelKeeps) {
  const auto [limit, ties] = GetParam();
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    std::mt19937_64 random(seed);
    const auto schema = Batch({})->schema();
    KeyWords keys = KeyWords::Make(*schema, {"key"}).ValueOrDie();
    SortWords order = SortWords::Make(*schema, {{"value", true}}).ValueOrDie();
    TopRows top(&keys, &order, limit, ties);
    std::vector<Row> all;
    for (int batch = 0; batch < 30; ++batch) {
      std::vector<Row> rows;
      for (std::uint64_t i = random() % 3000; i-- > 0;)
        rows.push_back({static_cast<std::int64_t>(random() % 5), static_cast<std::int64_t>(random() % 300),
                        static_cast<std::int64_t>(all.size() + rows.size())});
      ASSERT_TRUE(top.Add(Batch(rows)).ok());
      all.insert(all.end(), rows.begin(), rows.end());
    }
    ASSERT_EQ(Take(&top), Model(all, limit, ties)) << "seed " << seed;
  }
}
INSTANTIATE_TEST_SUITE_P(, TopRowsModel, testing::Combine(testing::Values(1, 2, 10, 5000), testing::Bool()));

TEST(TopRows, NothingGivesNothing) {
  const auto schema = Batch({})->schema();
  KeyWords keys = KeyWords::Make(*schema, {"key"}).ValueOrDie();
  SortWords order = SortWords::Make(*schema, {{"value", true}}).ValueOrDie();
  TopRows top(&keys, &order, 3, false);
  ASSERT_TRUE(top.Add(Batch({})).ok());
  EXPECT_EQ(top.Take().ValueOrDie().rows, nullptr);
}

}  // namespace
}  // namespace headrace::data::window
