#include "data/state/nested_values.h"

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/state/row_store.h"

namespace headrace::data::state {
namespace {

std::shared_ptr<arrow::DataType> Deep() {
  return arrow::list(
      arrow::struct_({arrow::field("text", arrow::utf8()), arrow::field("flag", arrow::boolean()), arrow::field("small", arrow::int16()),
                      arrow::field("price", arrow::decimal128(20, 2)), arrow::field("blob", arrow::large_binary()),
                      arrow::field("inner", arrow::list(arrow::float64())), arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO))}));
}

constexpr char kRows[] = R"([
  [["a", true, -3, "12.50", "xyz", [1.5, null, -0.0], 7], null, ["", null, null, null, "", [], null]],
  null,
  [],
  [[null, false, 32767, "-0.01", null, null, -1]]
])";

TEST(NestedValues, ComeBackAsTheyWent) {
  const auto column = arrow::json::ArrayFromJSONString(Deep(), kRows).ValueOrDie();
  NestedBuilder builder(column->type());
  for (const int row : {3, 0, 1, 2, 0}) {
    std::string value;
    AppendNested(*column->data(), row, &value);
    builder.Append(value);
  }
  builder.AppendNull();
  const auto made = arrow::MakeArray(builder.Finish().ValueOrDie());
  ASSERT_TRUE(made->ValidateFull().ok()) << made->ValidateFull();
  ASSERT_EQ(made->length(), 6);
  const int expected[] = {3, 0, 1, 2, 0};
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(made->RangeEquals(i, i + 1, expected[i], *column)) << i;
  EXPECT_TRUE(made->IsNull(5));
}

TEST(NestedValues, EqualRowsOfSlicesAreEqualBytes) {
  const auto column = arrow::json::ArrayFromJSONString(Deep(), kRows).ValueOrDie();
  const auto slice = column->Slice(1, 3);
  for (int row = 0; row < 3; ++row) {
    std::string whole, part;
    AppendNested(*column->data(), row + 1, &whole);
    AppendNested(*slice->data(), row, &part);
    EXPECT_EQ(whole, part) << row;
  }
}

TEST(NestedValues, AreKeptBesideOthersAndGoWithTheirRows) {
  const auto schema = arrow::schema({arrow::field("k", arrow::int32()), arrow::field("v", Deep()), arrow::field("s", arrow::utf8())});
  const auto column = arrow::json::ArrayFromJSONString(Deep(), kRows).ValueOrDie();
  const auto batch = arrow::RecordBatch::Make(schema, 4,
                                              {arrow::json::ArrayFromJSONString(arrow::int32(), "[1, 2, 3, 4]").ValueOrDie(), column,
                                               arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["a", null, "", "d"])").ValueOrDie()});
  auto store = RowStore::Make(schema->fields()).ValueOrDie();
  std::vector<std::uint32_t> rows(4), again(4);
  ASSERT_TRUE(store.Append(*batch, std::vector<std::uint32_t>{0, 1, 2, 3}, rows.data()).ok());
  ASSERT_TRUE(store.Append(*batch, std::vector<std::uint32_t>{0, 1, 2, 3}, again.data()).ok());
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(store.Equal(rows[i], again[i])) << i;
    EXPECT_FALSE(store.Equal(rows[i], again[(i + 1) % 4])) << i;
  }
  const std::int64_t bytes = store.TextBytes(rows);
  EXPECT_GT(bytes, 50);
  const auto gathered = store.Gather(1, std::vector<std::uint32_t>{again[2], RowStore::kNone, rows[0]}).ValueOrDie();
  ASSERT_TRUE(gathered->ValidateFull().ok());
  EXPECT_TRUE(gathered->RangeEquals(0, 1, 2, *column));
  EXPECT_TRUE(gathered->IsNull(1));
  EXPECT_TRUE(gathered->RangeEquals(2, 3, 0, *column));
  // Rows that go give their bytes back, and those that stay are moved together unharmed.
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::uint32_t> more(4);
    ASSERT_TRUE(store.Append(*batch, std::vector<std::uint32_t>{0, 1, 2, 3}, more.data()).ok());
    for (const std::uint32_t row : more) store.Remove(row);
    ASSERT_TRUE(store.Compact().ok());
  }
  EXPECT_LT(store.allocated_bytes(), 4 << 20);
  EXPECT_TRUE(store.Gather(1, rows).ValueOrDie()->Equals(*column));
}

}  // namespace
}  // namespace headrace::data::state
